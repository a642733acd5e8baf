//! Webhook actions: requests that mappings make of calls, one for each or one for several.
//!
//! From Segment's Webhooks (Actions): what can't be mapped fails at once and for good, each call by itself; the calls of one
//! request share what came of it.

mod authorization;
mod batch;
mod mapped;
#[cfg(test)]
mod tests;
mod tokens;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::authorization::Authorization;
use self::batch::Keys;
use self::mapped::Mapped;
pub(super) use self::tokens::Tokens;
use super::answer::{self, Rules};
use super::envelope::{Covered, Envelope, Letter};
use super::{Network, is_delete_notice};
use crate::delivery::http_client::{Request, shown};
use crate::delivery::secrets::Secrets;
use crate::delivery::sender::{Sent, Verdict};
use crate::delivery::turns::{Requests, Turns};
use crate::domain::definition::{Action, Destination};
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::limits::MAX_CALLS_AT_ONCE_BYTES;
use crate::domain::time::Timestamp;

/// Calls mapped in one go; then others have their turn on the thread.
const MAPPED_IN_ONE_GO: usize = 32;

/// Calls to one destination, mapped.
pub(super) struct Calls<'a> {
    network: &'a Network,
    destination: &'a Destination,
    action: &'a Action,
    deliveries: &'a [Delivery],
    /// What must not be seen in answers.
    secrets: Secrets,
    /// For each delivery the parts of its request, or why it has none. Those at the end for which there was no room have nothing
    /// here, and are held back.
    mapped: Vec<Result<Mapped, String>>,
    /// For each delivery what has to be equal of those that share its request; empty where each has its own.
    keys: Vec<String>,
}

impl<'a> Calls<'a> {
    /// Maps `deliveries`, as many as there is room for.
    pub(super) async fn map(
        network: &'a Network,
        destination: &'a Destination,
        action: &'a Action,
        deliveries: &'a [Delivery],
    ) -> Self {
        let keys = action.batch.as_ref().map(Keys::of);
        let mut calls = Self {
            network,
            destination,
            action,
            deliveries,
            secrets: Secrets::of(destination).with_links(network.links.as_ref(), deliveries),
            mapped: Vec::with_capacity(deliveries.len()),
            keys: Vec::new(),
        };
        let mut bytes = 0;
        for (number, delivery) in (1..).zip(deliveries) {
            if number % MAPPED_IN_ONE_GO == 0 {
                tokio::task::yield_now().await;
            }
            if bytes > MAX_CALLS_AT_ONCE_BYTES {
                break;
            }
            let (mapped, key) = match map_one(action, keys.as_ref(), delivery) {
                Ok((mapped, key)) => (Ok(mapped), key),
                Err(error) => (Err(error), String::new()),
            };
            bytes += key.len() + mapped.as_ref().map_or(0, Mapped::bytes);
            calls.mapped.push(mapped);
            calls.keys.push(key);
        }
        calls
    }

    /// The requests to make. What could not be mapped is part of none and has failed.
    pub(super) fn turns(&self) -> Turns<'a> {
        let good =
            || (0..).zip(&self.mapped).filter_map(|(place, mapped)| Some((place, mapped.as_ref().ok()?)));
        let requests = match &self.action.batch {
            None => good().map(|(place, _)| vec![place]).collect(),
            Some(batch) => {
                let calls = good().map(|(place, mapped)| {
                    (place, self.keys[place].clone(), mapped.text.as_ref().map_or("null".len(), String::len))
                });
                batch::requests(self.deliveries, calls, batch.size)
            }
        };
        let mut turns = Turns::of(self.deliveries, requests);
        for (place, mapped) in self.mapped.iter().enumerate() {
            if let Err(error) = mapped {
                let failed = Verdict::failed(error).into_sent(self.network.clock.now(), 0);
                turns.settled(place, failed);
            }
        }
        turns
    }

    /// Adds to the attempts what their receiver will miss.
    pub(super) fn add_notes(&self, sent: &mut [Sent]) {
        for (sent, mapped) in sent.iter_mut().zip(&self.mapped) {
            let note = mapped.as_ref().ok().and_then(|mapped| mapped.note.as_ref());
            if let (Some(attempt), Some(note)) = (&mut sent.attempt, note) {
                attempt.error = Some(match attempt.error.take() {
                    Some(error) => format!("{error}; {note}"),
                    None => note.clone(),
                });
            }
        }
    }

    /// The request for the deliveries at these places. A token that has to be asked for first is not in it yet.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn request(
        &self,
        places: &[usize],
        at: Timestamp,
        timeout: Duration,
    ) -> Result<Request, String> {
        let mut parts = Vec::with_capacity(places.len());
        for &place in places {
            parts.push((&self.deliveries[place], self.mapped[place].as_ref().map_err(String::clone)?));
        }
        let Some((first, mapped)) = parts.first() else { return Err("there is nothing to send".to_owned()) };
        let text = mapped.text.as_deref();
        let envelope = if self.action.batch.is_some() {
            let texts: Vec<&str> =
                parts.iter().map(|(_, mapped)| mapped.text.as_deref().unwrap_or("null")).collect();
            let letter = Letter {
                id: &batch_id(parts.iter().map(|(delivery, _)| *delivery)),
                at,
                replays: first.replays,
                text: Some(format!("[{}]", texts.join(","))),
                covered: Covered::data(text),
            };
            Envelope::new(letter, &self.action.signing, self.action.gzip)?
        } else {
            let letter = Letter {
                id: &first.id.to_string(),
                at,
                replays: first.replays,
                text: text.map(str::to_owned),
                covered: Covered::data(text),
            };
            Envelope::new(letter, &self.action.signing, self.action.gzip)?
        };
        let (method, url, headers) = (mapped.method.clone(), mapped.url.clone(), mapped.headers.clone());
        let mut request = envelope.to(method, url, headers, timeout, &self.secrets);
        if let Some(fixed) = self.action.auth.as_ref().and_then(authorization::fixed).transpose()? {
            request.headers.insert(AUTHORIZATION, fixed);
        }
        Ok(request)
    }

    /// Makes `request` once, authorized. The receiver has what is left of the time after a token was fetched.
    async fn exchange(
        &self,
        request: &Request,
        authorization: &Authorization,
        deadline: Instant,
        at: Timestamp,
    ) -> Verdict {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Verdict::retry(None, "the access token took all the time of the attempt");
        }
        let mut request = Request { timeout: left, ..request.clone() };
        if let Some(value) = &authorization.value {
            request.headers.insert(AUTHORIZATION, value.clone());
        }
        answer::judge(self.network.call(request).await, Rules::Action, at)
    }
}

#[async_trait]
impl Requests for Calls<'_> {
    async fn make(&self, places: &[usize]) -> Verdict {
        let at = self.network.clock.now();
        let timeout = self.destination.timeout.to_std();
        let deadline = Instant::now() + timeout;
        let request = match self.request(places, at, timeout) {
            Ok(request) => request,
            // Something in the settings, which can be put right: it must not cost the destination its queue.
            Err(error) => return Verdict::not_tried(error),
        };
        let tokens = authorization::Asker { network: self.network, key: &self.destination.key, deadline };
        let auth = self.action.auth.as_ref();
        let mut authorization = match tokens.authorize(auth).await {
            Ok(authorization) => authorization,
            Err(verdict) => return verdict,
        };
        let mut verdict = self.exchange(&request, &authorization, deadline, at).await;
        // A token may be taken back before its end; a new one shows whether it was that.
        if verdict.status == Some(401) && tokens.give_up(&authorization).await {
            authorization = match tokens.authorize(auth).await {
                Ok(authorization) => authorization,
                Err(verdict) => return verdict,
            };
            verdict = self.exchange(&request, &authorization, deadline, at).await;
        }
        verdict.error = verdict.error.map(|error| format!("{}: {error}", shown(&request.url)));
        verdict
    }
}

/// The parts of the request for `delivery`, and what has to be equal of those that share it.
fn map_one(action: &Action, keys: Option<&Keys>, delivery: &Delivery) -> Result<(Mapped, String), String> {
    let Payload::Call(call) = &delivery.payload else {
        return Err("it is a mail, and this destination takes calls".to_owned());
    };
    if is_delete_notice(call) {
        return Err("this kind of destination takes no delete notices; classic webhooks do".to_owned());
    }
    let event = Value::Object(call.clone());
    let mapped = Mapped::of(action, &event)?;
    let key = keys.map(|keys| keys.read(delivery, &event, &mapped)).transpose()?;
    Ok((mapped, key.unwrap_or_default()))
}

/// The name of a request for several deliveries: the same for the same ones in the same order.
fn batch_id<'d>(deliveries: impl Iterator<Item = &'d Delivery>) -> String {
    let mut hash = Sha256::new();
    for delivery in deliveries {
        hash.update(delivery.id.to_bytes());
    }
    format!("bat_{}", hex::encode(&hash.finalize()[..16]))
}
