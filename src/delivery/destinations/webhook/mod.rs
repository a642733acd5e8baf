//! Segment's classic webhook: each call as JSON to every URL, signed; one that takes it is enough.
//!
//! From Segment's Webhooks destination: up to five URLs with static headers; if any of them succeeds the call is
//! delivered and the others are not tried again. Where all fail and one failure is worth a retry, all are tried again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use super::Network;
use super::answer::{self, Rules};
use super::envelope::{self, Covered, Envelope, Letter};
use crate::delivery::http_client::{Request, shown};
use crate::delivery::json;
use crate::delivery::secrets::Secrets;
use crate::delivery::sender::Verdict;
use crate::delivery::turns::Requests;
use crate::domain::definition::{Signing, WebhookUrl};
use crate::domain::delivery::{Delivery, Outcome, Payload};
use crate::domain::health::Signal;
use crate::domain::time::{Span, Timestamp};

/// A webhook as it is defined.
#[derive(Clone, Copy)]
pub(super) struct Webhook<'a> {
    pub urls: &'a [WebhookUrl],
    pub signing: &'a Signing,
    pub gzip: bool,
    pub timeout: Duration,
    /// What must not be seen in answers.
    pub secrets: &'a Secrets,
}

/// A place for people, and the request that goes there or why there is none.
type Addressed = (String, Result<Request, String>);

impl<'a> Webhook<'a> {
    /// One request per URL for `delivery`. The body is the same, byte for byte, on every try.
    ///
    /// # Errors
    /// What is wrong with all of them.
    pub(super) fn requests(&self, delivery: &Delivery, at: Timestamp) -> Result<Vec<Addressed>, String> {
        let Payload::Call(call) = &delivery.payload else {
            return Err("it is a mail, and webhooks take calls".to_owned());
        };
        let letter = Letter {
            id: &delivery.id.to_string(),
            at,
            replays: delivery.replays,
            text: Some(json::stringify_object(call)),
            covered: Covered::Whole,
        };
        let envelope = Envelope::new(letter, self.signing, self.gzip)?;
        Ok(self.urls.iter().map(|target| self.addressed(&envelope, target)).collect())
    }

    fn addressed(&self, envelope: &Envelope, target: &WebhookUrl) -> Addressed {
        let url = match target.url.parse::<Url>() {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(url) => return (shown(&url), Err("only http and https URLs can be called".to_owned())),
            Err(error) => return ("an invalid URL".to_owned(), Err(format!("not a URL: {error}"))),
        };
        let place = shown(&url);
        let added: Result<HeaderMap, String> =
            target.headers.iter().map(|(name, value)| envelope::added(name, value)).collect();
        (place, added.map(|headers| envelope.to(Method::POST, url, headers, self.timeout, self.secrets)))
    }

    /// What makes the requests for these deliveries.
    pub(super) fn requests_of(self, network: &'a Network, deliveries: &'a [Delivery]) -> WebhookRequests<'a> {
        WebhookRequests { webhook: self, network, deliveries }
    }
}

/// A webhook with what is to be sent to it.
pub(super) struct WebhookRequests<'a> {
    webhook: Webhook<'a>,
    network: &'a Network,
    deliveries: &'a [Delivery],
}

#[async_trait]
impl Requests for WebhookRequests<'_> {
    async fn make(&self, places: &[usize]) -> Verdict {
        let now = self.network.clock.now();
        let Some(delivery) = places.first().and_then(|&place| self.deliveries.get(place)) else {
            return Verdict::failed("there is nothing to send");
        };
        let requests = match self.webhook.requests(delivery, now) {
            Ok(requests) => requests,
            Err(error) => return Verdict::not_tried(error),
        };
        // What is wrong with one address is wrong in the settings, as above. It can be put right, and must not cost the destination
        // its queue.
        let tries = requests.into_iter().map(async |(place, request)| match request {
            Ok(request) => (place, answer::judge(self.network.call(request).await, Rules::Webhook, now)),
            Err(error) => (place, Verdict::not_tried(error)),
        });
        combine(join_all(tries).await)
    }
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
    let was_asked = results.iter().any(|(_, verdict)| verdict.signal == Signal::Bad);
    let rank = |verdict: &Verdict| match verdict.outcome {
        Outcome::Delivered => 0,
        Outcome::Retry { .. } => 1,
        Outcome::Begun | Outcome::Unsure | Outcome::Sought | Outcome::Ambiguous => 2,
        Outcome::Failed => 3,
    };
    let chosen = results.into_iter().map(|(_, verdict)| verdict).min_by_key(rank);
    let Some(mut verdict) = chosen else { return Verdict::not_tried("the destination has no URL") };
    if let Outcome::Retry { after: wish } = &mut verdict.outcome {
        *wish = after;
    }
    if verdict.signal == Signal::None && was_asked {
        verdict.signal = Signal::Bad;
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
        Outcome::Begun
        | Outcome::Delivered
        | Outcome::Failed
        | Outcome::Unsure
        | Outcome::Sought
        | Outcome::Ambiguous => None,
    }
}
