//! Sources: where events come from.

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::limits::WRITE_KEY_CHANGE_OVER;
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
    /// The one before, while senders go over to the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_write_key: Option<PreviousWriteKey>,
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

/// A write key that another has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousWriteKey {
    /// The key.
    pub write_key: String,
    /// From then on nobody may post with it.
    pub until: Timestamp,
}

impl Source {
    /// The previous write key, as long as it may be used.
    pub fn valid_previous(&self, now: Timestamp) -> Option<&PreviousWriteKey> {
        self.previous_write_key.as_ref().filter(|previous| now < previous.until)
    }

    /// Whether whoever has that key may post. It is compared in constant time, so that timing tells nothing about it.
    pub(super) fn is_opened_by(&self, write_key: &str, now: Timestamp) -> bool {
        let same = |known: &str| known.as_bytes().ct_eq(write_key.as_bytes());
        let previous = self.valid_previous(now).map_or(Choice::from(0), |previous| same(&previous.write_key));
        bool::from(same(&self.write_key) | previous)
    }

    /// The write keys that it knows: its own, and the previous one even where that has ended.
    pub fn write_keys(&self) -> impl Iterator<Item = &str> {
        let previous = self.previous_write_key.iter().map(|previous| previous.write_key.as_str());
        [self.write_key.as_str()].into_iter().chain(previous)
    }

    /// The source with `write_key` in place of the one it has, which may be used for [`WRITE_KEY_CHANGE_OVER`] from `now`.
    pub fn rotated(&self, write_key: String, now: Timestamp) -> Self {
        let until = now.plus(WRITE_KEY_CHANGE_OVER);
        let previous = PreviousWriteKey { write_key: self.write_key.clone(), until };
        Self { write_key, previous_write_key: Some(previous), ..self.clone() }
    }

    /// The source without the previous key, from `now` on.
    pub fn without_previous(&self, now: Timestamp) -> Self {
        let ended = |it: &PreviousWriteKey| PreviousWriteKey { until: it.until.min(now), ..it.clone() };
        Self { previous_write_key: self.previous_write_key.as_ref().map(ended), ..self.clone() }
    }
}
