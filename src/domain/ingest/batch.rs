//! Segment's batch envelope: `{"batch":[…],"writeKey"?,"sentAt"?,"context"?,"integrations"?}`.
//!
//! Items are first only cut out, then read one by one: a bad one never loses the good ones.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Arrival;
use super::error::{Code, IngestError};
use super::segment::{Fields, Root, build, check_size};
use super::times::instant;
use super::{field, json};
use crate::domain::event::Event;
use crate::domain::limits::{MAX_BATCH_EVENTS, MAX_EVENT_BYTES, MAX_MERGED_BATCH_BYTES};

/// A batch whose items are not read yet.
#[derive(Debug)]
pub struct Batch<'a> {
    items: Vec<&'a RawValue>,
    write_key: Option<String>,
    root: Root,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The good ones, in their order.
    pub events: Vec<Event>,
    /// The bad ones.
    pub rejected: Vec<RejectedItem>,
}

/// An item that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedItem {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub error: IngestError,
}

impl<'a> Batch<'a> {
    /// Cuts `text` up.
    ///
    /// # Errors
    /// What is wrong with the envelope: `malformed_json`, `not_an_object`, `missing_field` or `invalid_field` `batch`,
    /// `batch_too_many`, `body_too_large` where merging the root into every item would grow it beyond all bounds.
    pub fn parse(text: &'a str) -> Result<Self, IngestError> {
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| {
            // Inside the object, `batch` is the only part that has to be of one type.
            if error.is_data() && text.trim_start().starts_with('{') {
                IngestError::invalid("batch", "must be an array of calls")
            } else {
                json::explain(text, &error)
            }
        })?;
        let items = envelope.items.ok_or_else(|| IngestError::missing("batch"))?;
        if items.count > MAX_BATCH_EVENTS {
            let message =
                format!("the batch has {} events, more than {MAX_BATCH_EVENTS}; none was kept", items.count);
            return Err(IngestError::at(Code::BatchTooMany, "batch", message));
        }
        let shared = envelope.context.map_or(0, raw_len) + envelope.integrations.map_or(0, raw_len);
        if shared > MAX_EVENT_BYTES || text.len() + shared * items.count > MAX_MERGED_BATCH_BYTES {
            let message =
                "the batch's `context` and `integrations` are too large to be merged into each of its items";
            return Err(IngestError::at(Code::BodyTooLarge, "context", message));
        }
        let root = Root {
            sent_at: envelope.sent_at.as_ref().and_then(instant),
            context: root_object(envelope.context, "context")?,
            integrations: root_object(envelope.integrations, "integrations")?,
        };
        Ok(Self { items: items.kept, write_key: envelope.write_key, root })
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The text of the item at `index`.
    pub fn item_text(&self, index: usize) -> &'a str {
        self.items.get(index).map_or("", |item| item.get())
    }

    /// The write key at the root, else that of the first item which carries one.
    pub fn write_key(&self) -> Option<String> {
        let of_item = |item: &&RawValue| serde_json::from_str::<KeyOnly>(item.get()).ok()?.0;
        self.write_key.clone().or_else(|| self.items.iter().find_map(of_item))
    }

    /// Reads every item.
    pub fn read(&self, arrival: &mut Arrival<'_>) -> Outcome {
        let mut outcome = Outcome { events: Vec::with_capacity(self.items.len()), rejected: Vec::new() };
        for (index, item) in self.items.iter().enumerate() {
            match read_item(item, &self.root, arrival) {
                Ok(event) => outcome.events.push(event),
                Err(error) => outcome.rejected.push(RejectedItem { index, error }),
            }
        }
        outcome
    }
}

fn read_item(item: &RawValue, root: &Root, arrival: &mut Arrival<'_>) -> Result<Event, IngestError> {
    let text = item.get();
    check_size(text.len())?;
    let object = json::object(text).map_err(|error| match error.code {
        Code::NotAnObject => IngestError::new(Code::NotAnObject, "the item must be a JSON object: {…}"),
        _ => error,
    })?;
    let fields = Fields::new(object);
    let call_type = fields.call_type()?;
    build(fields, call_type, root, arrival)
}

fn raw_len(raw: &RawValue) -> usize {
    raw.get().len()
}

fn root_object(raw: Option<&RawValue>, name: &str) -> Result<Map<String, Value>, IngestError> {
    let Some(raw) = raw else { return Ok(Map::new()) };
    if !raw.get().starts_with('{') {
        return field::object(Some(Value::Bool(true)), name).map(Option::unwrap_or_default);
    }
    json::object(raw.get())
}

/// The parts of the envelope. Written by hand so that of repeated keys the last one wins, as in every other object.
#[derive(Debug, Default)]
struct Envelope<'a> {
    items: Option<Items<'a>>,
    write_key: Option<String>,
    sent_at: Option<Value>,
    context: Option<&'a RawValue>,
    integrations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Batch,
    WriteKey,
    SentAt,
    Context,
    Integrations,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Batch => envelope.items = map.next_value()?,
                Key::WriteKey => envelope.write_key = key_text(map.next_value()?),
                Key::SentAt => envelope.sent_at = map.next_value()?,
                Key::Context => envelope.context = map.next_value()?,
                Key::Integrations => envelope.integrations = map.next_value()?,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

/// The items, at most one more than allowed, and how many there are.
#[derive(Debug)]
struct Items<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of calls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MAX_BATCH_EVENTS {
            let Some(item) = seq.next_element::<&'de RawValue>()? else { break };
            kept.push(item);
        }
        let mut count = kept.len();
        while count >= MAX_BATCH_EVENTS && seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Items { kept, count })
    }
}

/// Only the write key of an item.
struct KeyOnly(Option<String>);

impl<'de> Deserialize<'de> for KeyOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Envelope::deserialize(deserializer).map(|envelope| Self(envelope.write_key))
    }
}

fn key_text(value: Value) -> Option<String> {
    match value {
        Value::String(key) if !key.is_empty() => Some(key),
        _ => None,
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
