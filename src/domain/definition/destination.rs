//! Destinations: where calls go.

use serde::{Deserialize, Serialize};

use crate::domain::time::{Span, Timestamp};

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

/// What kind of receiver it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DestinationKind {
    /// Segment's classic webhook: each call to every URL, signed; one that takes it is enough.
    Webhook {
        /// One to five addresses.
        urls: Vec<WebhookUrl>,
        /// Key of `X-Signature`.
        #[serde(default)]
        shared_secret: Option<String>,
    },
}

impl DestinationKind {
    /// The name in definitions.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
        }
    }
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
    /// How long a delivery is tried before it is a dead letter.
    pub retry_for: Span,
    /// Which events it gets.
    pub events: EventsWanted,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}
