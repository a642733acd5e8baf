//! What is known of a flow, or of a team, as a whole: kept as a profile of its own that is nobody's, under
//! [`UserKey::desk`](super::ids::UserKey::desk), so that it has a timer and is written with what it follows from.

use serde::{Deserialize, Serialize};

use super::ids::DeliveryId;
use super::limits;
use super::time::Timestamp;

/// What a desk keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeskState {
    /// The digest that is being gathered, where there is one.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub gathering: Option<Gathering>,
    /// When the newest daily summary was made; `None` before the first.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub summed_up_at: Option<Timestamp>,
    /// A summary that is due and is being put together: the end of the time it is about.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub summary_due: Option<Timestamp>,
    /// Addresses that want no summaries any more, in lower case.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub unsubscribed: Vec<String>,
}

/// Mails of stalled journeys that are held back until it is clear how many there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gathering {
    /// When the first of them was made.
    #[serde(rename = "b")]
    pub since: Timestamp,
    /// When it ends: then they leave each alone, or one digest in their place.
    #[serde(rename = "e")]
    pub until: Timestamp,
    /// The mails, in the order in which they were made; at most `limits::MAX_HELD_BACK`.
    #[serde(rename = "d")]
    pub deliveries: Vec<DeliveryId>,
}

impl Gathering {
    /// Whether it is over: its time, or there are enough for one digest.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until <= now || self.deliveries.len() >= limits::MAX_GATHERED
    }
}
