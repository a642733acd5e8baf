//! One attempt at one delivery.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::watch;

use super::destinations;
use super::email::Mailer;
use super::http_client::HttpClient;
use crate::clock::Clock;
use crate::domain::definition::Definitions;
use crate::domain::delivery::{Attempt, Delivery, Outcome, Payload};
use crate::domain::health::Signal;
use crate::domain::time::{Span, Timestamp};

/// An attempt and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The attempt as it is kept.
    pub attempt: Attempt,
    /// What follows.
    pub outcome: Outcome,
    /// What it says of the destination.
    pub signal: Signal,
}

/// Makes attempts: the real one over the network, or a scripted one in tests.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    /// Tries these deliveries to one destination once, in their order: those that may share a request do, see `Batch`. Answers one
    /// attempt for each, in the same order. Always comes to an end, within the destination's timeout and a little more.
    async fn send(&self, batch: &[Delivery]) -> Vec<Sent>;
}

/// What a destination learned from one try; who called it adds when and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What follows.
    pub outcome: Outcome,
    /// The receiver's status code, where it answered.
    pub status: Option<u16>,
    /// The beginning of what it answered.
    pub snippet: Option<String>,
    /// What went wrong, in words for operators, without secrets.
    pub error: Option<String>,
}

impl Verdict {
    /// Taken, without anything to say about it.
    pub fn delivered() -> Self {
        Self { outcome: Outcome::Delivered, status: None, snippet: None, error: None }
    }
    /// Never going to work.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, status: None, snippet: None, error: Some(error.into()) }
    }
    /// Worth another try.
    pub fn retry(after: Option<Span>, error: impl Into<String>) -> Self {
        Self { outcome: Outcome::Retry { after }, status: None, snippet: None, error: Some(error.into()) }
    }

    /// The attempt that it makes, begun at `at`.
    pub fn into_sent(self, at: Timestamp, duration_ms: u64) -> Sent {
        let attempt = Attempt {
            at,
            status: self.outcome.as_str().to_owned(),
            http_status: self.status,
            duration_ms,
            response_snippet: self.snippet.filter(|snippet| !snippet.is_empty()),
            error: self.error,
        };
        // Until senders say so themselves.
        let signal = match (&self.outcome, self.status) {
            (Outcome::Delivered, _) => Signal::Good,
            (Outcome::Retry { .. } | Outcome::Ambiguous, _) | (Outcome::Failed, Some(_)) => Signal::Bad,
            (Outcome::Failed, None) => Signal::None,
        };
        Sent { attempt, outcome: self.outcome, signal }
    }
}

/// Sends over the network: calls by the destination's kind, mails by the mailer.
pub struct RealSender {
    definitions: watch::Receiver<Arc<Definitions>>,
    http: HttpClient,
    mailer: Arc<Mailer>,
    clock: Clock,
}

impl RealSender {
    /// A sender to the destinations in `definitions`, as they are at each attempt.
    pub fn new(
        definitions: watch::Receiver<Arc<Definitions>>,
        http: HttpClient,
        mailer: Arc<Mailer>,
        clock: Clock,
    ) -> Self {
        Self { definitions, http, mailer, clock }
    }

    async fn verdict(&self, delivery: &Delivery) -> Verdict {
        match &delivery.payload {
            Payload::Email { template, to, context } => {
                self.mailer.send(delivery, template, to, context).await
            }
            Payload::Call(call) => {
                let destination = self.definitions.borrow().destinations.get(&delivery.destination).cloned();
                match destination {
                    Some(destination) => {
                        destinations::send(&self.http, &destination, call, self.clock.now()).await
                    }
                    // It was there when the delivery was claimed; the engine decides what becomes of its queue.
                    None => Verdict::retry(None, "the destination was removed"),
                }
            }
        }
    }
}

#[async_trait]
impl Sender for RealSender {
    async fn send(&self, batch: &[Delivery]) -> Vec<Sent> {
        let mut sent = Vec::with_capacity(batch.len());
        for delivery in batch {
            let at = self.clock.now();
            let begun = Instant::now();
            let verdict = self.verdict(delivery).await;
            sent.push(verdict.into_sent(at, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)));
        }
        sent
    }
}
