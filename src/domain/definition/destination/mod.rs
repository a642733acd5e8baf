//! Destinations: where calls go.

mod action;
mod kind;
mod routing;
mod signing_key;
mod twilio;

use serde::{Deserialize, Serialize};

use crate::domain::limits::{
    ACTION_TIMEOUT, DEFAULT_IN_FLIGHT, PAUSE_AFTER, PROBE_EVERY, RETRY_FOR, WEBHOOK_TIMEOUT,
};
use crate::domain::time::{Span, Timestamp};

pub use action::{Action, Auth, Batch};
pub use kind::DestinationKind;
pub use routing::{ALLOWED_SECTIONS, Effect, Filter, Routing, cut_path};
pub use signing_key::signing_key;
pub use twilio::{ApiKey, Reconcile, TWILIO_API, TWILIO_STUDIO, TWILIO_TASKROUTER, Twilio, TwilioUrls};

/// Which events a destination gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsWanted {
    /// Only what stagepost computes for it.
    Computed,
    /// What stagepost computes for it, and every source event.
    All,
    /// Nothing.
    None,
}

impl EventsWanted {
    /// The name in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Computed => "computed",
            Self::All => "all",
            Self::None => "none",
        }
    }
}

/// One address of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookUrl {
    /// An http or https URL.
    pub url: String,
    /// Headers sent with each call, in order of their names.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
}

/// How a receiver knows that a call is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// Key of `X-Signature`, Segment's way.
    #[serde(default)]
    pub shared_secret: Option<String>,
    /// Keys of `webhook-signature` (Standard Webhooks), `whsec_` and base64; all of them sign, so that a receiver can go over
    /// from one to the next.
    #[serde(default)]
    pub signing_secrets: Vec<String>,
}

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// Its key, which is also its name in `integrations`.
    pub key: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: DestinationKind,
    /// Whether anything is sent; what is queued waits meanwhile.
    pub enabled: bool,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How many attempts may be under way at once.
    pub max_in_flight: u32,
    /// Most attempts per second; `None` for no bound.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// How many attempts may begin at once after a pause, where there is a bound; `None` keeps the bound in every second.
    #[serde(default)]
    pub burst: Option<u32>,
    /// Destinations with the same text here share one rate; `None` for a rate of its own. A hash of the group that was
    /// written, which may be a secret that they share.
    #[serde(default)]
    pub rate_key: Option<String>,
    /// How long a delivery is tried before it is a dead letter, counted from its first attempt.
    pub retry_for: Span,
    /// How long a delivery may wait at all before it is a dead letter, counted from its making; `None` for ever.
    #[serde(default)]
    pub expire_after: Option<Span>,
    /// After how long of nothing but failures the destination is paused; `None` for never.
    #[serde(default = "pause_after")]
    pub pause_after: Option<Span>,
    /// How often one delivery is tried while it is paused.
    #[serde(default = "probe_every")]
    pub probe_every: Span,
    /// Whether a newer call about the same computation and user takes the place of one that was not sent yet.
    #[serde(default)]
    pub coalesce: bool,
    /// The names by which Segment's `integrations` object knows it beside its key; `None` for those of its kind.
    #[serde(default)]
    pub integration_names: Option<Vec<String>>,
    /// Which events it gets.
    pub events: EventsWanted,
    /// Which of those, and what of them.
    #[serde(flatten)]
    pub routing: Routing,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

impl Destination {
    /// A destination with the usual settings of its kind: a classic webhook gets what is computed for it, in 5 seconds;
    /// what a mapping makes requests for is told by its trigger, so that it is asked about every event, and has 10 seconds. Twilio
    /// gets no events, and one request a second, which is what an account may usually make of calls and a number of messages.
    pub fn new(key: String, kind: DestinationKind) -> Self {
        let (timeout, events, rate_limit) = match &kind {
            DestinationKind::Webhook { .. } => (WEBHOOK_TIMEOUT, EventsWanted::Computed, None),
            DestinationKind::WebhookAction(_) | DestinationKind::Preset { .. } => {
                (ACTION_TIMEOUT, EventsWanted::All, None)
            }
            DestinationKind::Twilio(_) => (ACTION_TIMEOUT, EventsWanted::None, Some(1)),
        };
        Self {
            key,
            kind,
            enabled: true,
            timeout,
            max_in_flight: DEFAULT_IN_FLIGHT,
            rate_limit,
            burst: None,
            rate_key: None,
            retry_for: RETRY_FOR,
            expire_after: None,
            pause_after: Some(PAUSE_AFTER),
            probe_every: PROBE_EVERY,
            coalesce: false,
            integration_names: None,
            events,
            routing: Routing::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    /// The names that it listens to in an event's `integrations`, its key first; without `All`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (own, of_kind): (&[String], &[&str]) = match &self.integration_names {
            Some(own) => (own, &[]),
            None => (&[], self.kind.integration_names()),
        };
        let others = own.iter().map(String::as_str).chain(of_kind.iter().copied());
        [self.key.as_str()].into_iter().chain(others)
    }
}

// What was written before there were these settings has the usual ones.

#[allow(clippy::unnecessary_wraps, reason = "the field's type")]
fn pause_after() -> Option<Span> {
    Some(PAUSE_AFTER)
}

fn probe_every() -> Span {
    PROBE_EVERY
}
