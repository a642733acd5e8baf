//! One attempt at what is due for one destination.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

pub use super::destinations::KEY_PROMPT;
use super::destinations::{self, Network};
use super::email::Mailer;
use super::http_client::HttpClient;
use super::secrets::Secrets;
use super::templates::Templates;
use super::turns::{Requests, Turns};
use crate::clock::Clock;
use crate::domain::definition::{Definitions, Destination};
use crate::domain::delivery::{Attempt, Delivery, Outcome, Payload, Receipt, TwilioRequest};
use crate::domain::health::Signal;
use crate::domain::limits::{DEFAULT_IN_FLIGHT, MAIL_TIMEOUT};
use crate::domain::time::{Span, Timestamp};

/// What one delivery of a batch came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The attempt as it is kept; `None` where the delivery was held back behind an earlier one of its user, or because the time
    /// was over: it stays as it is, and pending.
    pub attempt: Option<Attempt>,
    /// What follows; a retry for what was held back.
    pub outcome: Outcome,
    /// What it says of the destination.
    pub signal: Signal,
    /// What the receiver calls it, where it said so.
    pub receipt: Option<Receipt>,
}

impl Sent {
    /// Not tried this time: to be sent again as if nothing had been.
    pub fn held() -> Self {
        Self { attempt: None, outcome: Outcome::Retry { after: None }, signal: Signal::None, receipt: None }
    }
}

/// Makes attempts: the real one over the network, or a scripted one in tests.
#[async_trait]
pub trait Sender: Send + Sync + 'static {
    /// Tries these deliveries to one destination once, in their order: those that may share a request do, see `Batch`. Answers
    /// one [`Sent`] for each, in the same order.
    ///
    /// Of one user, no later delivery is sent before an earlier one has its outcome, and none after an earlier one that is to be
    /// tried again. Always comes to an end, within twice the destination's timeout and a little more.
    async fn send(&self, batch: &[Delivery]) -> Vec<Sent>;
}

/// What a destination learned from one try; who called it adds when and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What follows.
    pub outcome: Outcome,
    /// Whether the destination did its part.
    pub signal: Signal,
    /// The receiver's status code, where it answered.
    pub status: Option<u16>,
    /// The beginning of what it answered.
    pub snippet: Option<String>,
    /// What went wrong, in words for operators, without secrets.
    pub error: Option<String>,
    /// What the receiver calls what it took, and its first word on it, where it gave one.
    pub receipt: Option<Receipt>,
}

impl Verdict {
    /// Taken, without anything to say about it.
    pub fn delivered() -> Self {
        Self {
            outcome: Outcome::Delivered,
            signal: Signal::Good,
            status: None,
            snippet: None,
            error: None,
            receipt: None,
        }
    }
    /// Never going to work; nothing was sent.
    pub fn failed(error: impl Into<String>) -> Self {
        let error = Some(error.into());
        Self { outcome: Outcome::Failed, signal: Signal::None, error, ..Self::delivered() }
    }
    /// Worth another try; the destination did not do its part.
    pub fn retry(after: Option<Span>, error: impl Into<String>) -> Self {
        let error = Some(error.into());
        Self { outcome: Outcome::Retry { after }, signal: Signal::Bad, error, ..Self::delivered() }
    }
    /// Worth another try, though not for anything that the destination did.
    pub fn not_tried(error: impl Into<String>) -> Self {
        Self { signal: Signal::None, ..Self::retry(None, error) }
    }

    /// It may have arrived; the next attempt asks before it sends anything.
    pub fn unsure(error: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unsure, ..Self::retry(None, error) }
    }

    /// What it comes to for an attempt begun at `at`.
    pub fn into_sent(self, at: Timestamp, duration_ms: u64) -> Sent {
        let attempt = Attempt {
            at,
            status: self.outcome.as_str().to_owned(),
            http_status: self.status,
            duration_ms,
            response_snippet: self.snippet.filter(|snippet| !snippet.is_empty()),
            error: self.error,
        };
        Sent { attempt: Some(attempt), outcome: self.outcome, signal: self.signal, receipt: self.receipt }
    }
}

/// Sends over the network: calls by the destination's kind, mails by the mailer.
pub struct RealSender {
    definitions: watch::Receiver<Arc<Definitions>>,
    pub(super) network: Network,
    mailer: Arc<Mailer>,
}

impl RealSender {
    /// A sender to the destinations in `definitions`, as they are at each attempt.
    pub fn new(
        definitions: watch::Receiver<Arc<Definitions>>,
        http: HttpClient,
        mailer: Arc<Mailer>,
        clock: Clock,
    ) -> Self {
        let network = Network::new(http, clock).with(mailer.templates(), mailer.links());
        Self { definitions, network, mailer }
    }

    /// What mails, calls and messages are made of.
    pub fn templates(&self) -> Arc<Templates> {
        self.mailer.templates()
    }

    /// What the call that `delivery` asks for says.
    ///
    /// # Errors
    /// When it is no call, or its template is wrong.
    pub fn spoken(&self, delivery: &Delivery) -> Result<String, String> {
        match &delivery.payload {
            Payload::Twilio { request: TwilioRequest::Call { to: _, text }, context } => {
                destinations::spoken(&self.network.templates, text.as_deref(), context)
            }
            Payload::Twilio { .. } | Payload::Call(_) | Payload::Email { .. } => {
                Err("it is no call".to_owned())
            }
        }
    }

    /// The destination with this key, as it is defined now.
    pub(super) fn destination(&self, key: &str) -> Option<Arc<Destination>> {
        self.definitions.borrow().destinations.get(key).cloned()
    }
}

/// Mails, each alone.
struct Mails<'a> {
    mailer: &'a Mailer,
    deliveries: &'a [Delivery],
}

#[async_trait]
impl Requests for Mails<'_> {
    async fn make(&self, places: &[usize]) -> Verdict {
        let mut last = Verdict::delivered();
        for &place in places {
            let delivery = &self.deliveries[place];
            last = match &delivery.payload {
                Payload::Email { template, to, context } => {
                    let verdict = self.mailer.send(delivery, template, to, context).await;
                    // A filter that takes a mail for spam may name the link that it did not like.
                    let links = self.mailer.links();
                    let secrets =
                        Secrets::default().with_links(links.as_ref(), std::slice::from_ref(delivery));
                    let masked = |text: String| secrets.masked(&text, usize::MAX);
                    Verdict {
                        snippet: verdict.snippet.map(masked),
                        error: verdict.error.map(masked),
                        ..verdict
                    }
                }
                Payload::Call(_) | Payload::Twilio { .. } => {
                    Verdict::failed("it is no mail, and this queue is for mails")
                }
            };
        }
        last
    }
}

#[async_trait]
impl Sender for RealSender {
    async fn send(&self, batch: &[Delivery]) -> Vec<Sent> {
        let Some(first) = batch.first() else { return Vec::new() };
        if matches!(first.payload, Payload::Email { .. }) {
            let mails = Mails { mailer: &self.mailer, deliveries: batch };
            let most = usize::try_from(DEFAULT_IN_FLIGHT).unwrap_or(1);
            let turns = Turns::one_each(batch);
            return turns.run(most, MAIL_TIMEOUT.to_std(), &self.network.clock, &mails).await;
        }
        match self.destination(&first.destination) {
            Some(destination) => destinations::send(&self.network, &destination, batch).await,
            // It was there when the deliveries were claimed; the engine decides what becomes of its queue.
            None => {
                let gone =
                    Verdict::not_tried("the destination was removed").into_sent(self.network.clock.now(), 0);
                vec![gone; batch.len()]
            }
        }
    }
}
