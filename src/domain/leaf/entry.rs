//! One event, as far as a leaf keeps it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::domain::time::Timestamp;

/// One event as a leaf keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// When it happened. Any instant: long ago, before 1970, in the future.
    pub at: Timestamp,
    /// How it is placed among entries of the same instant. Only for [`First`](super::Reduce::First),
    /// [`Last`](super::Reduce::Last) and [`List`](super::Reduce::List); to the others equal instants are equal.
    pub order: Option<Order>,
    /// What the reducer reads: null for a count; a number for sum, average, minimum and maximum of numbers; a text for
    /// minimum and maximum of texts and for unique; an array of texts for mode; anything for first, last and lists. An
    /// entry whose value is not what its reducer reads is not kept.
    pub value: Value,
}

/// The place of an event among those of the same instant: by arrival, then by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// When it arrived.
    pub received_at: Timestamp,
    /// Its id, of at most 100 bytes or so: it is stored with the entry.
    pub message_id: String,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        stored::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stored::deserialize(deserializer)
    }
}

/// How a single entry is stored: its time, its order, its value.
pub(super) mod stored {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use super::{Entry, Order};
    use crate::domain::time::Timestamp;

    /// Writes an entry, for serde's `with`.
    pub(in crate::domain::leaf) fn serialize<S: Serializer>(
        entry: &Entry,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let order = entry.order.as_ref().map(|order| (order.received_at.millis(), &order.message_id));
        (entry.at.millis(), order, &entry.value).serialize(serializer)
    }

    /// Reads an entry, for serde's `with`.
    pub(in crate::domain::leaf) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Entry, D::Error> {
        type Cells = (i64, Option<(i64, String)>, Value);
        let (at, order, value) = Cells::deserialize(deserializer)?;
        let order = order.map(|(received_at, message_id)| Order {
            received_at: Timestamp::from_millis(received_at),
            message_id,
        });
        Ok(Entry { at: Timestamp::from_millis(at), order, value })
    }
}
