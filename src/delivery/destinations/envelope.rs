//! What goes with a call whoever it goes to: its body, what vouches for it, and what names it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::delivery::http_client::Request;
use crate::delivery::secrets::Secrets;
use crate::delivery::{signature, standard_webhooks};
use crate::domain::definition::Signing;
use crate::domain::limits::RESPONSE_SNIPPET_BYTES;
use crate::domain::own_headers::is_own_header;
use crate::domain::time::Timestamp;

/// How often the delivery was put back by hand, on calls that it was.
const REPLAY: HeaderName = HeaderName::from_static("x-stagepost-replay");

/// One call to be sent.
pub(super) struct Letter<'a> {
    /// What `webhook-id` says.
    pub id: &'a str,
    /// When the attempt begins.
    pub at: Timestamp,
    /// How often it was put back by hand.
    pub replays: u32,
    /// Its JSON text; without one the body is empty.
    pub text: Option<String>,
    /// The part of the text that `X-Signature` covers, where there is one.
    pub covered: Covered<'a>,
}

/// What `X-Signature` is over.
pub(super) enum Covered<'a> {
    /// The whole text.
    Whole,
    /// This: the first one of several calls.
    Part(&'a str),
    /// Nothing, as there are no data: the header is left out.
    Nothing,
}

impl<'a> Covered<'a> {
    /// The data of a call, or of the first of several, as their text; by Segment's rule not where they are missing or empty.
    pub(super) fn data(text: Option<&'a str>) -> Self {
        match text {
            None | Some("null" | "\"\"") => Self::Nothing,
            Some(text) => Self::Part(text),
        }
    }
}

/// A body and its headers, ready for any address.
pub(super) struct Envelope {
    headers: HeaderMap,
    body: Bytes,
}

impl Envelope {
    /// Signs `letter` and puts it in. Signatures are over the text; compression comes after them.
    ///
    /// # Errors
    /// A signing secret that can't be used; which one.
    pub(super) fn new(letter: Letter<'_>, signing: &Signing, gzip: bool) -> Result<Self, String> {
        let mut headers = HeaderMap::with_capacity(8);
        let seconds = letter.at.millis().div_euclid(1000);
        headers.insert(standard_webhooks::ID, own(letter.id)?);
        headers.insert(standard_webhooks::TIMESTAMP, seconds.into());
        if letter.replays > 0 {
            headers.insert(REPLAY, letter.replays.into());
        }
        // An empty body, too: this one vouches for name and time.
        if !signing.signing_secrets.is_empty() {
            let text = letter.text.as_deref().unwrap_or_default();
            let signed = standard_webhooks::sign(&signing.signing_secrets, letter.id, seconds, text)?;
            headers.insert(standard_webhooks::SIGNATURE, own(&signed)?);
        }
        let Some(text) = letter.text else { return Ok(Self { headers, body: Bytes::new() }) };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let covered = match letter.covered {
            Covered::Whole => Some(text.as_str()),
            Covered::Part(part) => Some(part),
            Covered::Nothing => None,
        };
        if let (Some(secret), Some(covered)) = (secret(signing), covered) {
            headers.insert(signature::HEADER, own(&signature::sign(secret, covered))?);
        }
        let body = if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compressed(text.as_bytes())?
        } else {
            Bytes::from(text)
        };
        Ok(Self { headers, body })
    }

    /// The request that takes it to `url`, with `headers` besides; these may replace content type and user agent.
    pub(super) fn to(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        timeout: std::time::Duration,
        secrets: &Secrets,
    ) -> Request {
        let mut all = self.headers.clone();
        for (name, value) in &headers {
            all.insert(name, value.clone());
        }
        Request {
            method,
            url,
            headers: all,
            body: self.body.clone(),
            timeout,
            keep: RESPONSE_SNIPPET_BYTES,
            secrets: Some(secrets.clone()),
        }
    }
}

/// A header that a setting or a mapping adds. Its value counts as a secret.
///
/// # Errors
/// Why it can't be sent, without its value.
pub(super) fn added(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let shown = shown_name(name);
    let unfit = || format!("the header {shown} can't be sent");
    let header: HeaderName =
        name.parse().map_err(|_| format!("{}: it is not the name of a header", unfit()))?;
    if is_own_header(header.as_str()) {
        return Err(format!("the header {shown} is set by stagepost itself"));
    }
    let refused = || format!("{}: its value has to be of printable ASCII characters", unfit());
    if !value.is_ascii() {
        return Err(refused());
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// The name of a header for people: it may come from an event, and then be anything.
pub(super) fn shown_name(name: &str) -> String {
    let is_plain = name.len() <= 64 && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain { format!("`{name}`") } else { "whose name can't be shown".to_owned() }
}

/// An empty secret is none.
fn secret(signing: &Signing) -> Option<&str> {
    signing.shared_secret.as_deref().filter(|secret| !secret.is_empty())
}

/// A value that we made ourselves of letters and digits.
fn own(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

/// The same bytes for the same text: without a time, and at one level, the fastest, as deliveries are many.
fn compressed(text: &[u8]) -> Result<Bytes, String> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 2), Compression::fast());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.map(Bytes::from).map_err(|error| format!("the body could not be compressed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_sets_a_header_of_ours() {
        let made = [
            signature::HEADER,
            standard_webhooks::ID,
            standard_webhooks::TIMESTAMP,
            standard_webhooks::SIGNATURE,
        ];
        let named = [REPLAY, CONTENT_ENCODING].map(|name| name.to_string());
        for name in made.into_iter().chain(named.iter().map(String::as_str)) {
            assert!(is_own_header(name) && added(name, "x").is_err(), "{name}");
        }
    }
}
