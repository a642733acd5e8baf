//! The kinds of destinations, and the form in which they are stored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, Signing, WebhookUrl};
use crate::domain::definition::document;
use crate::domain::preset;

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
        /// What came out. It is not stored: a preset that was improved is so for those who use it, too.
        action: Arc<Action>,
    },
}

impl DestinationKind {
    /// The name in definitions.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::WebhookAction(_) => "webhook_action",
            Self::Preset { preset, .. } => preset,
        }
    }

    /// The mappings that make its requests, where it has any.
    pub fn action(&self) -> Option<&Arc<Action>> {
        match self {
            Self::Webhook { .. } => None,
            Self::WebhookAction(action) | Self::Preset { action, .. } => Some(action),
        }
    }

    /// The names by which Segment's `integrations` object knows destinations of this kind, beside their keys.
    pub fn integration_names(&self) -> impl Iterator<Item = &str> {
        let (own, of_preset): (&[&str], &[String]) = match self {
            Self::Webhook { .. } => (&["Webhooks"], &[]),
            Self::WebhookAction(_) => (&["Webhooks (Actions)", "Actions Webhook"], &[]),
            Self::Preset { preset, .. } => {
                (&[], preset::find(preset).map_or(&[], |it| it.integrations.as_slice()))
            }
        };
        own.iter().copied().chain(of_preset.iter().map(String::as_str))
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
}

impl From<DestinationKind> for Stored {
    fn from(kind: DestinationKind) -> Self {
        match kind {
            DestinationKind::Webhook { urls, signing, gzip } => Self::Webhook { urls, signing, gzip },
            DestinationKind::WebhookAction(action) => Self::WebhookAction(action),
            DestinationKind::Preset { preset, settings, action: _ } => Self::Preset { preset, settings },
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
        })
    }
}
