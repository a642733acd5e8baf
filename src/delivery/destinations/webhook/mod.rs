//! Segment's classic webhook: each call as JSON to every URL, signed; one that takes it is enough.
//!
//! From Segment's Webhooks destination: up to five URLs with static headers; if any of them succeeds the call is
//! delivered and the others are not tried again. Where all fail and one failure is worth a retry, all are tried again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use url::Url;

use super::answer;
use crate::delivery::http_client::{HttpClient, Request, shown};
use crate::delivery::sender::Verdict;
use crate::delivery::{json, signature};
use crate::domain::definition::WebhookUrl;
use crate::domain::delivery::Outcome;
use crate::domain::time::{Span, Timestamp};

/// Headers that belong to the transport, and the signature: a setting can't replace them.
const RESERVED: [&str; 6] =
    ["content-length", "transfer-encoding", "connection", "upgrade", "te", "x-signature"];

/// Sends `call` to all `urls` at once. The body is the same, byte for byte, on every try.
pub async fn send(
    client: &HttpClient,
    urls: &[WebhookUrl],
    shared_secret: Option<&str>,
    call: &Map<String, Value>,
    timeout: Duration,
    now: Timestamp,
) -> Verdict {
    let body = json::stringify_object(call);
    let signature =
        shared_secret.filter(|secret| !secret.is_empty()).map(|secret| signature::sign(secret, &body));
    let body = bytes::Bytes::from(body);
    let tries = urls.iter().map(|target| {
        let request = request(target, signature.as_deref(), body.clone(), timeout);
        async move {
            match request {
                Ok(request) => {
                    let place = shown(&request.url);
                    (place, answer::judge(client.send(request).await, now))
                }
                Err(error) => (place_of(&target.url), Verdict::failed(error)),
            }
        }
    });
    combine(join_all(tries).await)
}

fn place_of(url: &str) -> String {
    url.parse::<Url>().map_or_else(|_| "an invalid URL".to_owned(), |url| shown(&url))
}

fn request(
    target: &WebhookUrl,
    signature: Option<&str>,
    body: bytes::Bytes,
    timeout: Duration,
) -> Result<Request, String> {
    let url: Url = target.url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only http and https URLs can be called".to_owned());
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &target.headers {
        let illegal = || format!("the header `{name}` can't be sent");
        let header: HeaderName = name.parse().map_err(|_| illegal())?;
        if RESERVED.contains(&header.as_str()) {
            return Err(format!("the header `{name}` is set by stagepost itself"));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| illegal())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    if let Some(signature) = signature.and_then(|signature| signature.parse().ok()) {
        headers.insert(HeaderName::from_static("x-signature"), signature);
    }
    Ok(Request { method: Method::POST, url, headers, body, timeout })
}

/// One verdict over all URLs: the first success; else the first failure worth a retry; else the first.
fn combine(results: Vec<(String, Verdict)>) -> Verdict {
    let several = results.len() > 1;
    let describe = |(number, (place, verdict)): (usize, &(String, Verdict))| {
        let error = verdict.error.as_ref()?;
        Some(if several { format!("URL {number}, {place}: {error}") } else { format!("{place}: {error}") })
    };
    let errors: Vec<String> = (1..).zip(&results).filter_map(describe).collect();
    // The longest wish of those that have one: none of them is called before its time.
    let after: Option<Span> = results.iter().filter_map(|(_, verdict)| wish(&verdict.outcome)).max();
    let rank = |verdict: &Verdict| match verdict.outcome {
        Outcome::Delivered => 0,
        Outcome::Retry { .. } => 1,
        Outcome::Ambiguous => 2,
        Outcome::Failed => 3,
    };
    let chosen = results.into_iter().map(|(_, verdict)| verdict).min_by_key(rank);
    let Some(mut verdict) = chosen else { return Verdict::failed("the destination has no URL") };
    if let Outcome::Retry { after: wish } = &mut verdict.outcome {
        *wish = after;
    }
    verdict.error = match (&verdict.outcome, errors.is_empty()) {
        (_, true) => None,
        (Outcome::Delivered, false) => Some(format!("taken, though not by all: {}", errors.join("; "))),
        (_, false) if several => Some(format!("no URL took it: {}", errors.join("; "))),
        (_, false) => Some(errors.join("; ")),
    };
    verdict
}

fn wish(outcome: &Outcome) -> Option<Span> {
    match outcome {
        Outcome::Retry { after } => *after,
        Outcome::Delivered | Outcome::Failed | Outcome::Ambiguous => None,
    }
}
