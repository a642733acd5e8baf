//! `X-Twilio-Signature` of a request, checked where its source asks for it.

use super::incoming::Incoming;
use crate::domain::ingest::studio::BodyKind;
use crate::domain::ingest::twilio_signature::{Base, SignedBody, SignedRequest, verify};
use crate::domain::ingest::{Code, IngestError, form};

/// Where there are auth tokens, nothing passes that was not signed with one of them.
///
/// # Errors
/// `bad_signature`.
pub(in crate::http) fn check(
    incoming: &Incoming<'_>,
    tokens: &[String],
    kind: BodyKind,
    body: &[u8],
) -> Result<(), IngestError> {
    if tokens.is_empty() {
        return Ok(());
    }
    let bad = |message| IngestError::new(Code::BadSignature, message);
    let header = incoming.request.headers().get("x-twilio-signature");
    let signature = header.and_then(|value| value.to_str().ok());
    let signature =
        signature.ok_or_else(|| bad("X-Twilio-Signature is missing, and is required here"))?;
    let fields;
    let signed = match kind {
        BodyKind::Empty => SignedBody::None,
        BodyKind::Json => SignedBody::Raw(body),
        BodyKind::Form => {
            let unreadable = |_| bad("the form cannot be decoded, so that its signature cannot be checked");
            fields = form::pairs(body).map_err(unreadable)?;
            SignedBody::Form(&fields)
        }
    };
    let basic = incoming.basic().ok().flatten();
    let request = SignedRequest {
        bases: &bases(incoming),
        path: incoming.request.uri().path(),
        query: incoming.request.uri().query(),
        userinfo: basic.as_ref().map(|basic| basic.userinfo()),
        body: signed,
    };
    if verify(tokens, signature, &request) {
        return Ok(());
    }
    Err(bad("X-Twilio-Signature does not fit: check the auth token and the server's public URL"))
}

/// The public URL; without one the request's own host, under either scheme, since a proxy may have ended TLS.
fn bases(incoming: &Incoming<'_>) -> Vec<Base> {
    match incoming.config().and_then(|config| config.public_url.as_ref()) {
        Some(url) => Base::from_url(url).into_iter().collect(),
        None => {
            let host = incoming.host().unwrap_or_default();
            ["https", "http"].iter().filter_map(|scheme| Base::from_host(scheme, host)).collect()
        }
    }
}
