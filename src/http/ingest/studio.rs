//! Stage posts of Twilio Studio.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Payload};
use serde_json::{Map, Value};

use super::body::{self, Cap};
use super::incoming::Incoming;
use super::refusal::{Refusal, error_response};
use crate::domain::definition::{Source, SourceKind};
use crate::domain::ingest::studio::{BodyKind, Post, event};
use crate::domain::ingest::twilio_signature::{Base, SignedBody, SignedRequest, verify};
use crate::domain::ingest::{Code, IngestError, form};
use crate::engine::Accepted;
use crate::http::reply;

/// `GET` or `POST /studio/{write_key}`, or `/studio` with the write key as the user of a Basic authorization.
pub(super) async fn post(
    incoming: &Incoming<'_>,
    path_key: Option<&str>,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let body = read_body(incoming, payload).await?;
    let query = incoming.request.uri().query().unwrap_or_default();
    let shown = if body.is_empty() { query.as_bytes() } else { &body };
    let source = match source(incoming, path_key) {
        Ok(source) => source,
        Err(error) => return Ok(unauthorized(incoming, Refusal::unknown(error, shown))),
    };
    let refused = |error| Refusal::of(error, &source.key, shown);
    let content_type = incoming.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = BodyKind::of(content_type, &body).map_err(refused)?;
    // On the bytes as they came, before anything in them is believed.
    check_signature(incoming, &source, kind, &body).map_err(refused)?;
    let token = incoming.request.headers().get("i-twilio-idempotency-token");
    let idempotency_token = token.and_then(|token| token.to_str().ok());
    let post = Post { query, body: &body, kind, idempotency_token };
    let event = incoming.arrival(&source, |arrival| event(&post, arrival)).map_err(refused)?;
    let accepted = incoming.ingest(&source, vec![event], shown).await?;
    Ok(answer(accepted.first()))
}

/// A GET has no body: what came as one was not signed, and is not looked at.
async fn read_body(incoming: &Incoming<'_>, payload: Payload) -> Result<Bytes, Refusal> {
    let body = body::read(incoming.request, payload, Cap::EVENT).await;
    let body = body.map_err(|error| Refusal::unknown(error, b""))?;
    Ok(if incoming.request.method() == Method::GET { Bytes::new() } else { body })
}

fn source(incoming: &Incoming<'_>, path_key: Option<&str>) -> Result<std::sync::Arc<Source>, IngestError> {
    if let Some(key) = path_key {
        let wrong = |_| IngestError::at(Code::InvalidWriteKey, "writeKey", "no source has this write key");
        let key = form::percent_decoded(key).map_err(wrong)?;
        return incoming.source(Some(&key), SourceKind::Studio);
    }
    let basic = incoming.basic()?;
    incoming.source(basic.as_ref().and_then(|basic| basic.write_key()), SourceKind::Studio)
}

/// Asks for a Basic authorization: some clients send the user of a URL only then.
fn unauthorized(incoming: &Incoming<'_>, refusal: Refusal) -> HttpResponse {
    let mut response = error_response(&refusal.error);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"stagepost\""));
    refusal.note(incoming.engine, incoming.now);
    response
}

/// Where the source has auth tokens, nothing passes that was not signed with one of them.
fn check_signature(
    incoming: &Incoming<'_>,
    source: &Source,
    kind: BodyKind,
    body: &[u8],
) -> Result<(), IngestError> {
    if source.twilio_auth_tokens.is_empty() {
        return Ok(());
    }
    let bad = |message| IngestError::new(Code::BadSignature, message);
    let header = incoming.request.headers().get("x-twilio-signature");
    let signature = header.and_then(|value| value.to_str().ok());
    let signature =
        signature.ok_or_else(|| bad("X-Twilio-Signature is missing, and this source requires it"))?;
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
    if verify(&source.twilio_auth_tokens, signature, &request) {
        return Ok(());
    }
    Err(bad("X-Twilio-Signature does not fit: check the source's auth token and the server's public URL"))
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

fn answer(accepted: Option<&Accepted>) -> HttpResponse {
    let mut body = Map::new();
    body.insert("success".to_owned(), true.into());
    if let Some(accepted) = accepted {
        body.insert("messageId".to_owned(), accepted.message_id.as_str().into());
        if let Some(journey) = accepted.journey {
            body.insert("journeyId".to_owned(), journey.to_string().into());
        }
    }
    reply::json(StatusCode::OK, Value::Object(body).to_string())
}
