//! The kinds of destinations, and the form in which they are stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, Signing, Twilio, WebhookUrl};
use crate::domain::definition::document;
use crate::domain::fql::Fql;

/// What kind of receiver it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub enum DestinationKind {
    /// Segment's classic webhook: each call to every URL, signed; one that takes it is enough.
    Webhook {
        /// One to five addresses.
        urls: Vec<WebhookUrl>,
        /// How calls are signed.
        signing: Signing,
        /// Whether bodies are compressed.
        gzip: bool,
    },
    /// Segment's webhook action: a request made by mappings.
    WebhookAction(Arc<Action>),
    /// A webhook action that comes with stagepost, filled in with settings.
    Preset {
        /// The preset's key: `pendo`.
        preset: String,
        /// What was filled in, as it was written.
        settings: Map<String, Value>,
        /// What it asks of calls beside the destination's own trigger; not stored, as what follows is not.
        only: Option<Fql>,
        /// What came out. It is not stored: a mapping that was improved in the preset is so for those who use it, too. What
        /// the preset has of the settings of all kinds stays as it was when the destination was defined.
        action: Arc<Action>,
    },
    /// Twilio: is asked for calls, messages, Studio executions and tasks by the levels of flows.
    Twilio(Box<Twilio>),
}

impl DestinationKind {
    /// The name in definitions.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::WebhookAction(_) => "webhook_action",
            Self::Preset { preset, .. } => preset,
            Self::Twilio(_) => "twilio",
        }
    }

    /// The mappings that make its requests, where it has any.
    pub fn action(&self) -> Option<&Arc<Action>> {
        match self {
            Self::Webhook { .. } | Self::Twilio(_) => None,
            Self::WebhookAction(action) | Self::Preset { action, .. } => Some(action),
        }
    }

    /// What its preset asks of calls, beside the destination's own trigger.
    pub fn only(&self) -> Option<&Fql> {
        match self {
            Self::Webhook { .. } | Self::WebhookAction(_) | Self::Twilio(_) => None,
            Self::Preset { only, .. } => only.as_ref(),
        }
    }

    /// The account, where it is Twilio.
    pub fn twilio(&self) -> Option<&Twilio> {
        match self {
            Self::Twilio(twilio) => Some(twilio),
            Self::Webhook { .. } | Self::WebhookAction(_) | Self::Preset { .. } => None,
        }
    }

    /// The names by which Segment's `integrations` object knows destinations of this kind, where theirs don't say otherwise.
    pub(super) fn integration_names(&self) -> &'static [&'static str] {
        match self {
            Self::Webhook { .. } => &["Webhooks"],
            Self::Twilio(_) => &[],
            Self::WebhookAction(_) | Self::Preset { .. } => &["Webhooks (Actions)", "Actions Webhook"],
        }
    }
}

/// A kind as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Stored {
    Webhook {
        urls: Vec<WebhookUrl>,
        #[serde(flatten)]
        signing: Signing,
        #[serde(default)]
        gzip: bool,
    },
    WebhookAction(Arc<Action>),
    Preset {
        preset: String,
        settings: Map<String, Value>,
    },
    Twilio(Box<Twilio>),
}

impl From<DestinationKind> for Stored {
    fn from(kind: DestinationKind) -> Self {
        match kind {
            DestinationKind::Webhook { urls, signing, gzip } => Self::Webhook { urls, signing, gzip },
            DestinationKind::WebhookAction(action) => Self::WebhookAction(action),
            DestinationKind::Preset { preset, settings, only: _, action: _ } => {
                Self::Preset { preset, settings }
            }
            DestinationKind::Twilio(twilio) => Self::Twilio(twilio),
        }
    }
}

impl TryFrom<Stored> for DestinationKind {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(match stored {
            Stored::Webhook { urls, signing, gzip } => Self::Webhook { urls, signing, gzip },
            Stored::WebhookAction(action) => Self::WebhookAction(action),
            Stored::Preset { preset, settings } => {
                let filled_in = document::read_preset(&preset, &settings).map_err(|problems| {
                    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    format!("the preset `{preset}` can't be filled in as it was: {}", all.join("; "))
                })?;
                filled_in.kind
            }
            Stored::Twilio(twilio) => Self::Twilio(twilio),
        })
    }
}
