//! One call of Segment's HTTP tracking API, as an [`Event`].

use serde_json::{Map, Value};

use super::Arrival;
use super::error::{Code, IngestError};
use super::field::{id, message_id, name, object};
use super::times::{correct, instant};
use crate::domain::event::{Call, Event};
use crate::domain::ids::EventId;
use crate::domain::limits::{MAX_EVENT_BYTES, MAX_NAME_BYTES};
use crate::domain::time::Timestamp;

/// The six calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallType {
    /// Somebody did something.
    Track,
    /// What is known of somebody.
    Identify,
    /// A page was seen.
    Page,
    /// A screen of an app was seen.
    Screen,
    /// Somebody belongs to a group.
    Group,
    /// Two ids are one person.
    Alias,
}

impl CallType {
    /// By the name in `type` and in `/v1/<type>`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "track" => Some(Self::Track),
            "identify" => Some(Self::Identify),
            "page" => Some(Self::Page),
            "screen" => Some(Self::Screen),
            "group" => Some(Self::Group),
            "alias" => Some(Self::Alias),
            _ => None,
        }
    }

    /// By the browser library's short form: the first letter of the type.
    pub fn by_letter(letter: &str) -> Option<Self> {
        match letter {
            "t" => Some(Self::Track),
            "i" => Some(Self::Identify),
            "p" => Some(Self::Page),
            "s" => Some(Self::Screen),
            "g" => Some(Self::Group),
            "a" => Some(Self::Alias),
            _ => None,
        }
    }
}

/// What a batch says of all its items.
#[derive(Clone, Debug, Default)]
pub(super) struct Root {
    /// When the batch was sent.
    pub sent_at: Option<Timestamp>,
    /// Merged under each item's `context`.
    pub context: Map<String, Value>,
    /// Merged under each item's `integrations`.
    pub integrations: Map<String, Value>,
}

/// The top-level fields of a call, told apart; `rest` keeps what the spec does not know.
#[derive(Debug, Default)]
pub(super) struct Fields {
    type_name: Option<Value>,
    write_key: Option<Value>,
    user_id: Option<Value>,
    anonymous_id: Option<Value>,
    message_id: Option<Value>,
    timestamp: Option<Value>,
    sent_at: Option<Value>,
    context: Option<Value>,
    integrations: Option<Value>,
    channel: Option<Value>,
    event: Option<Value>,
    properties: Option<Value>,
    traits: Option<Value>,
    name: Option<Value>,
    category: Option<Value>,
    group_id: Option<Value>,
    previous_id: Option<Value>,
    rest: Map<String, Value>,
}

impl Fields {
    pub(super) fn new(object: Map<String, Value>) -> Self {
        let mut fields = Self::default();
        for (key, value) in object {
            let slot = match key.as_str() {
                "type" => &mut fields.type_name,
                "writeKey" => &mut fields.write_key,
                "userId" => &mut fields.user_id,
                "anonymousId" => &mut fields.anonymous_id,
                "messageId" => &mut fields.message_id,
                "timestamp" => &mut fields.timestamp,
                "sentAt" => &mut fields.sent_at,
                "context" => &mut fields.context,
                "integrations" => &mut fields.integrations,
                "channel" => &mut fields.channel,
                "event" => &mut fields.event,
                "properties" => &mut fields.properties,
                "traits" => &mut fields.traits,
                "name" => &mut fields.name,
                "category" => &mut fields.category,
                "groupId" => &mut fields.group_id,
                "previousId" => &mut fields.previous_id,
                // Ours to say, never the sender's.
                "receivedAt" | "originalTimestamp" | "version" => continue,
                _ => {
                    fields.rest.insert(key, value);
                    continue;
                }
            };
            *slot = Some(value);
        }
        fields
    }

    /// The `type` that the call names itself.
    pub(super) fn call_type(&self) -> Result<CallType, IngestError> {
        const WANTED: &str = "must be track, identify, page, screen, group or alias";
        match &self.type_name {
            None | Some(Value::Null) => Err(IngestError::missing("type")),
            Some(Value::String(name)) => CallType::by_name(name).ok_or_else(|| {
                let short: String = name.chars().take(40).collect();
                IngestError::at(Code::UnknownType, "type", format!("`type` {WANTED}, not `{short}`"))
            }),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(IngestError::at(Code::UnknownType, "type", format!("`type` {WANTED}")))
            }
        }
    }

    /// The call's own part. What belongs to other types is left where it is, and so passed on.
    fn call(&mut self, call_type: CallType) -> Result<Call, IngestError> {
        Ok(match call_type {
            CallType::Track => {
                let event = name(self.event.take(), "event")?.filter(|event| !event.trim().is_empty());
                let none = || {
                    IngestError::at(Code::NoEvent, "event", "`event`, the event's name, is missing or empty")
                };
                Call::Track { event: event.ok_or_else(none)?, properties: self.properties()? }
            }
            CallType::Identify => Call::Identify { traits: self.traits()? },
            CallType::Page => {
                let (name, category) = self.name_and_category()?;
                Call::Page { name, category, properties: self.properties()? }
            }
            CallType::Screen => {
                let (name, category) = self.name_and_category()?;
                Call::Screen { name, category, properties: self.properties()? }
            }
            CallType::Group => {
                let group_id = id(self.group_id.take(), "groupId")?;
                let group_id = group_id.ok_or_else(|| IngestError::missing("groupId"))?;
                Call::Group { group_id, traits: self.traits()? }
            }
            CallType::Alias => {
                let previous_id = id(self.previous_id.take(), "previousId")?;
                Call::Alias { previous_id: previous_id.ok_or_else(|| IngestError::missing("previousId"))? }
            }
        })
    }

    fn properties(&mut self) -> Result<Map<String, Value>, IngestError> {
        Ok(object(self.properties.take(), "properties")?.unwrap_or_default())
    }

    fn traits(&mut self) -> Result<Map<String, Value>, IngestError> {
        Ok(object(self.traits.take(), "traits")?.unwrap_or_default())
    }

    fn name_and_category(&mut self) -> Result<(Option<String>, Option<String>), IngestError> {
        Ok((name(self.name.take(), "name")?, name(self.category.take(), "category")?))
    }

    /// What nobody took: unknown fields, and known ones that belong to other types (Pendo's help page puts `groupId` on a
    /// track call). A null there is absent.
    fn extra(self) -> Map<String, Value> {
        let mut extra = self.rest;
        let others = [
            ("event", self.event),
            ("properties", self.properties),
            ("traits", self.traits),
            ("name", self.name),
            ("category", self.category),
            ("groupId", self.group_id),
            ("previousId", self.previous_id),
        ];
        for (key, value) in others {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                extra.insert(key.to_owned(), value);
            }
        }
        extra
    }
}

/// The write key in a call's own body, taken out of it.
pub fn take_write_key(object: &mut Map<String, Value>) -> Option<String> {
    match object.shift_remove("writeKey") {
        Some(Value::String(key)) if !key.is_empty() => Some(key),
        _ => None,
    }
}

/// The event of a call posted alone. The route's type wins over a `type` in the body.
///
/// # Errors
/// Whatever is wrong with it.
pub fn event(
    call: Map<String, Value>,
    call_type: CallType,
    arrival: &mut Arrival<'_>,
) -> Result<Event, IngestError> {
    build(Fields::new(call), call_type, &Root::default(), arrival)
}

/// Refuses an event of more bytes than one may have.
///
/// # Errors
/// `event_too_large`.
pub fn check_size(bytes: usize) -> Result<(), IngestError> {
    if bytes <= MAX_EVENT_BYTES {
        return Ok(());
    }
    Err(IngestError::new(Code::EventTooLarge, format!("the event is larger than {MAX_EVENT_BYTES} bytes")))
}

pub(super) fn build(
    mut fields: Fields,
    call_type: CallType,
    root: &Root,
    arrival: &mut Arrival<'_>,
) -> Result<Event, IngestError> {
    let user_id = id(fields.user_id.take(), "userId")?;
    let anonymous_id = id(fields.anonymous_id.take(), "anonymousId")?;
    if user_id.is_none() && anonymous_id.is_none() {
        let message = "one of `userId` and `anonymousId` is required";
        return Err(IngestError::at(Code::NoUserAnonId, "userId", message));
    }
    let call = fields.call(call_type)?;
    let message_id = message_id(fields.message_id.take())?;
    let mut context = merged(&root.context, object(fields.context.take(), "context")?);
    let integrations = merged(&root.integrations, object(fields.integrations.take(), "integrations")?);
    let given_channel = name(fields.channel.take(), "channel")?.filter(|channel| !channel.is_empty());
    let channel = given_channel.unwrap_or_else(|| channel_of(&context).to_owned());
    if !context.contains_key("library") {
        context.insert("library".to_owned(), unknown_library());
    }
    let original = fields.timestamp.take().as_ref().and_then(instant);
    let sent_at = fields.sent_at.take().as_ref().and_then(instant).or(root.sent_at);
    let times = correct(original, sent_at, arrival.now);
    let (message_id, dedupe) = arrival.message_id(message_id);
    Ok(Event {
        // The writer gives the real one.
        id: EventId::floor(Timestamp::default()),
        message_id,
        dedupe,
        source: arrival.source.key.clone(),
        user_id,
        anonymous_id,
        call,
        context,
        integrations,
        extra: fields.extra(),
        channel,
        timestamp: times.timestamp,
        original_timestamp: times.original,
        sent_at,
        received_at: arrival.now,
    })
}

/// What Segment puts in where the sender names no library.
fn unknown_library() -> Value {
    let mut library = Map::with_capacity(2);
    library.insert("name".to_owned(), "unknown".into());
    library.insert("version".to_owned(), "unknown".into());
    Value::Object(library)
}

/// Where the library that sent it runs.
fn channel_of(context: &Map<String, Value>) -> &'static str {
    let name = context.get("library").and_then(|library| library.get("name")).and_then(Value::as_str);
    let Some(name) = name.filter(|name| name.len() <= MAX_NAME_BYTES) else { return "server" };
    let name = name.to_ascii_lowercase();
    if name.contains("analytics.js") {
        "browser"
    } else if ["kotlin", "swift", "ios", "android", "react-native"].iter().any(|mobile| name.contains(mobile))
    {
        "mobile"
    } else {
        "server"
    }
}

/// `item` over `root`: objects are merged to any depth, everything else of the item wins.
fn merged(root: &Map<String, Value>, item: Option<Map<String, Value>>) -> Map<String, Value> {
    match item {
        None => root.clone(),
        Some(item) if root.is_empty() => item,
        Some(item) => {
            let mut whole = root.clone();
            merge_into(&mut whole, item);
            whole
        }
    }
}

fn merge_into(whole: &mut Map<String, Value>, item: Map<String, Value>) {
    for (key, value) in item {
        match (whole.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge_into(below, above),
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
