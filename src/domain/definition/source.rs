//! Sources: where events come from.

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// What kind of posts a source takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Stage posts of Twilio Studio's HTTP Request widget.
    Studio,
    /// Segment's HTTP tracking API.
    Http,
    /// What Twilio's Event Streams tell of Studio's executions and steps.
    EventStreams,
}

impl SourceKind {
    /// The name in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Studio => "studio",
            Self::Http => "http",
            Self::EventStreams => "event_streams",
        }
    }
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its key.
    pub key: String,
    /// What it takes.
    pub kind: SourceKind,
    /// Who has it may post. At least 8 characters, unique over all sources.
    pub write_key: String,
    /// Twilio auth tokens; where there is one, `X-Twilio-Signature` is required and checked against each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twilio_auth_tokens: Vec<String>,
    /// Extra fields of a post that are kept as event properties; `None` keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Vec<String>>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}
