//! Tests of a destination, for somebody who looks at what comes back: one call, sent now or only mapped, never stored, never
//! counted and never tried again.

use std::borrow::Cow;
use std::io::Read as _;
use std::time::Instant;

use flate2::read::GzDecoder;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::destinations::{self, TwilioClient};
use super::http_client::{self, Request};
use super::sample::Sample;
use super::secrets::Secrets;
use super::sender::RealSender;
use crate::clock;
use crate::domain::definition::render::{REDACTED, is_secret_header};
use crate::domain::definition::{Destination, Twilio};
use crate::domain::delivery::{Attempt, Cause, Delivery, Payload};
use crate::domain::ids::IdSource;
use crate::domain::limits::MAX_BATCH_CALL_BYTES;
use crate::domain::route::{self, NotSent};
use crate::domain::time::Timestamp;

/// What a test came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Whether a request left, or may have: nobody knows where the time ran out before an answer.
    pub sent: bool,
    /// Why none did.
    pub reason: Option<String>,
    /// What came of it; `None` where nothing was tried.
    pub attempt: Option<Attempt>,
    /// The requests, one per address; secrets are masked.
    pub requests: Vec<ShownRequest>,
}

/// A request for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownRequest {
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Its headers but those of the connection.
    pub headers: Map<String, Value>,
    /// Its body, before it is compressed.
    pub body: String,
}

impl RealSender {
    /// Sends `sample` to the destination with this key, now and once; with `dry_run` only makes the request, and asks nobody for
    /// an access token.
    ///
    /// # Errors
    /// A message, when there is no such destination.
    pub async fn test(&self, key: &str, sample: Sample, dry_run: bool) -> Result<Trial, String> {
        let destination = self.destination(key).ok_or_else(|| format!("there is no destination `{key}`"))?;
        Ok(self.test_of(&destination, sample, dry_run).await)
    }

    /// The same for a destination that may not be defined yet.
    pub async fn test_of(&self, destination: &Destination, sample: Sample, dry_run: bool) -> Trial {
        if let Some(account) = destination.kind.twilio() {
            return self.test_account(destination, account, dry_run).await;
        }
        let nothing = Trial { sent: false, reason: None, attempt: None, requests: Vec::new() };
        let call = match routed(destination, &sample) {
            Ok(call) => call,
            Err(why) => return Trial { reason: Some(why.in_words().to_owned()), ..nothing },
        };
        let now = self.network.clock.now();
        let delivery = delivery(&destination.key, Sample { call, ..sample }, now);
        let wanted = destinations::requests(&self.network, destination, &delivery, now).await;
        let (mapped, problem) = match wanted {
            Ok(requests) => (requests, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let secrets = Secrets::of(destination);
        let show = |requests: &[Request]| -> Vec<ShownRequest> {
            requests.iter().map(|request| shown(request, destination, &secrets)).collect()
        };
        if dry_run {
            let reason = problem.unwrap_or_else(|| "only mapped: this was a dry run".to_owned());
            return Trial { reason: Some(reason), requests: show(&mapped), ..nothing };
        }
        let network = self.network.watched();
        let sent = destinations::send(&network, destination, std::slice::from_ref(&delivery)).await;
        let Some(sent) = sent.into_iter().next() else { return nothing };
        let mut made = network.made();
        let left = made.iter().any(|made| made.left);
        if destination.kind.action().is_some() {
            // The last one, where another access token was needed.
            made.drain(..made.len().saturating_sub(1));
        }
        let requests = if made.is_empty() {
            show(&mapped)
        } else {
            show(&made.into_iter().map(|made| made.request).collect::<Vec<_>>())
        };
        let reason =
            if left { None } else { sent.attempt.as_ref().and_then(|attempt| attempt.error.clone()) };
        Trial { sent: left, reason, attempt: sent.attempt, requests }
    }
}

impl RealSender {
    /// Twilio is sent no calls, and whatever it is asked for reaches somebody: what is tried is whether it lets us read our account.
    async fn test_account(&self, destination: &Destination, account: &Twilio, dry_run: bool) -> Trial {
        let (network, secrets) = (self.network.watched(), Secrets::of(destination));
        let timeout = destination.timeout.to_std();
        let client = TwilioClient { account, network: &network, timeout, secrets: &secrets };
        let wanted = client.account_request();
        let requests = wanted.iter().map(|request| shown(request, destination, &secrets)).collect();
        if let (Err(_), _) | (_, true) = (&wanted, dry_run) {
            let reason = wanted.err().unwrap_or_else(|| "only made: this was a dry run".to_owned());
            return Trial { sent: false, reason: Some(reason), attempt: None, requests };
        }
        let (at, begun) = (network.clock.now(), Instant::now());
        let verdict = client.read_account().await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempt = verdict.into_sent(at, took).attempt;
        let sent = network.made().iter().any(|made| made.left);
        let reason = attempt.as_ref().filter(|_| !sent).and_then(|attempt| attempt.error.clone());
        Trial { sent, reason, attempt, requests }
    }
}

/// Whether `destination` is sent that call at all.
pub fn is_sent(destination: &Destination, sample: &Sample) -> bool {
    routed(destination, sample).is_ok()
}

/// The call as `destination` gets it, or why it does not.
fn routed(destination: &Destination, sample: &Sample) -> Result<Map<String, Value>, NotSent> {
    let none = Map::new();
    let integrations = sample.call.get("integrations").and_then(Value::as_object).unwrap_or(&none);
    route::admit(destination, sample.source.as_deref(), integrations)?;
    let call = Cow::Owned(Value::Object(sample.call.clone()));
    let selected = route::select(destination, call, |name| sample.traits.get(name).cloned())?;
    match selected.into_owned() {
        Value::Object(call) => Ok(call),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Ok(none),
    }
}

/// A delivery that no store ever sees.
fn delivery(destination: &str, sample: Sample, now: Timestamp) -> Delivery {
    let message_id = sample.call.get("messageId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = IdSource::new(clock::entropy()).delivery(now);
    let payload = Payload::Call(sample.call);
    Delivery::new(id, destination.to_owned(), sample.user, message_id, Cause::Operator, payload, now)
}

fn shown(request: &Request, destination: &Destination, secrets: &Secrets) -> ShownRequest {
    let masked = |text: String| secrets.masked(&text, usize::MAX);
    let mut headers = request.headers.clone();
    let agent = HeaderValue::from_static(http_client::USER_AGENT);
    headers.entry(USER_AGENT).or_insert(agent);
    if destination.kind.action().is_some_and(|action| action.auth.is_some()) {
        headers.insert(AUTHORIZATION, HeaderValue::from_static(REDACTED));
    }
    let value = |name: &HeaderName, value: &HeaderValue| {
        if is_secret_header(name.as_str()) {
            REDACTED.to_owned()
        } else {
            masked(String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
    };
    ShownRequest {
        method: request.method.to_string(),
        url: masked(without_password(&request.url)),
        headers: headers
            .iter()
            .map(|(name, text)| (name.as_str().to_owned(), Value::String(value(name, text))))
            .collect(),
        body: masked(plain(&request.headers, &request.body)),
    }
}

fn without_password(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Only URLs that can't have one refuse it.
        let _ = url.set_password(Some(REDACTED));
    }
    url.to_string()
}

/// The body as text, unpacked again where it was packed.
fn plain(headers: &HeaderMap, body: &[u8]) -> String {
    if !headers.contains_key(CONTENT_ENCODING) {
        return String::from_utf8_lossy(body).into_owned();
    }
    let mut text = Vec::new();
    let most = u64::try_from(MAX_BATCH_CALL_BYTES).unwrap_or(u64::MAX);
    match GzDecoder::new(body).take(most).read_to_end(&mut text) {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("({error})"),
    }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
