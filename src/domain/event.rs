//! Events: the six Segment calls, as stored and as sent on.
//!
//! Shapes follow Segment's spec (common fields; `original_timestamp`, `sent_at`, `received_at`, corrected `timestamp`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{EventId, UserKey};
use super::limits;
use super::time::Timestamp;

/// The event that a posted stage becomes.
pub const STUDIO_STEP: &str = "Studio Flow Step";
/// A step that Studio itself told of and that is no stage of its flow.
pub const STUDIO_STEP_ENDED: &str = "Studio Step Ended";
/// An execution that ended, as Studio itself tells.
pub const STUDIO_FLOW_ENDED: &str = "Studio Flow Ended";
/// How the message ids begin of what Studio tells by itself (`studio:<execution SID>:<step SID>`), through Event Streams or when
/// it is asked: whoever tells of a step, it is taken once. Whose run it is, Studio does not know.
pub const STUDIO_MESSAGE: &str = "studio:";
/// What stands for the step in the message id of an execution's start.
pub const STUDIO_START: &str = "started";
/// Longer execution SIDs name no run that is looked for by them, in bytes; Twilio's have 34.
pub const LONGEST_SID: usize = 64;

/// The name under which queries see a page call.
pub const PAGE_VIEWED: &str = "Page Viewed";
/// The name under which queries see a screen call.
pub const SCREEN_VIEWED: &str = "Screen Viewed";

/// The type-specific part of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Somebody did something.
    Track {
        /// What was done; never empty.
        event: String,
        /// How.
        properties: Map<String, Value>,
    },
    /// What is known of somebody.
    Identify {
        /// Traits to set; `null` removes one.
        traits: Map<String, Value>,
    },
    /// A page was seen.
    Page {
        /// The page's name.
        name: Option<String>,
        /// The page's category.
        category: Option<String>,
        /// Further facts.
        properties: Map<String, Value>,
    },
    /// A screen of an app was seen.
    Screen {
        /// The screen's name.
        name: Option<String>,
        /// The screen's category.
        category: Option<String>,
        /// Further facts.
        properties: Map<String, Value>,
    },
    /// Somebody belongs to a group.
    Group {
        /// The group; never empty.
        group_id: String,
        /// Traits of the group.
        traits: Map<String, Value>,
    },
    /// Two ids are one person.
    Alias {
        /// The id that was used before; never empty.
        previous_id: String,
    },
}

impl Call {
    /// The spec's name of the type: `track`, `identify`, `page`, `screen`, `group` or `alias`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Track { .. } => "track",
            Self::Identify { .. } => "identify",
            Self::Page { .. } => "page",
            Self::Screen { .. } => "screen",
            Self::Group { .. } => "group",
            Self::Alias { .. } => "alias",
        }
    }
}

/// One accepted message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log; given by the writer.
    #[serde(rename = "i")]
    pub id: EventId,
    /// The sender's name of the message, or ours (`api-…`) where it gave none; at most 100 characters.
    #[serde(rename = "m")]
    pub message_id: String,
    /// Whether the sender gave `message_id`, so that a repetition can be known.
    #[serde(rename = "d", default)]
    pub dedupe: bool,
    /// Key of the source that it came from.
    #[serde(rename = "s")]
    pub source: String,
    /// The user, where known.
    #[serde(rename = "u")]
    pub user_id: Option<String>,
    /// The anonymous visitor, where given. One of the two ids is always there.
    #[serde(rename = "a")]
    pub anonymous_id: Option<String>,
    /// What is said.
    #[serde(rename = "c")]
    pub call: Call,
    /// Segment's `context`.
    #[serde(rename = "x", default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
    /// Segment's `integrations`.
    #[serde(rename = "n", default, skip_serializing_if = "Map::is_empty")]
    pub integrations: Map<String, Value>,
    /// Top-level fields that the spec does not know; passed on as they came.
    #[serde(rename = "e", default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// `server`, `browser` or `mobile`, or as the sender said.
    #[serde(rename = "h")]
    pub channel: String,
    /// When it happened: the sender's time, corrected by how far its clock is off.
    #[serde(rename = "t")]
    pub timestamp: Timestamp,
    /// When the sender says it happened.
    #[serde(rename = "o")]
    pub original_timestamp: Timestamp,
    /// When the sender says it sent it.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it arrived here.
    #[serde(rename = "r")]
    pub received_at: Timestamp,
}

impl Event {
    /// The profile that the event belongs to: the user, else the anonymous visitor.
    pub fn user_key(&self) -> UserKey {
        match (&self.user_id, &self.anonymous_id) {
            (Some(user), _) => UserKey::user(user),
            (None, Some(anonymous)) => UserKey::anonymous(anonymous),
            (None, None) => UserKey::anonymous(""),
        }
    }

    /// The name and properties under which queries see the event: a track by its own name, a page as `Page Viewed`
    /// with `page_name`, a screen as `Screen Viewed` with `screen_name`; others are not seen.
    pub fn as_behaviour(&self) -> Option<(&str, std::borrow::Cow<'_, Map<String, Value>>)> {
        use std::borrow::Cow;
        let named = |properties: &Map<String, Value>, key: &str, name: &Option<String>| {
            let mut properties = properties.clone();
            if let Some(name) = name {
                properties.insert(key.to_owned(), Value::String(name.clone()));
            }
            properties
        };
        match &self.call {
            Call::Track { event, properties } => Some((event, Cow::Borrowed(properties))),
            Call::Page { name, properties, .. } => {
                Some((PAGE_VIEWED, Cow::Owned(named(properties, "page_name", name))))
            }
            Call::Screen { name, properties, .. } => {
                Some((SCREEN_VIEWED, Cow::Owned(named(properties, "screen_name", name))))
            }
            Call::Identify { .. } | Call::Group { .. } | Call::Alias { .. } => None,
        }
    }

    /// The name alone.
    pub fn behaviour_name(&self) -> Option<&str> {
        match &self.call {
            Call::Track { event, .. } => Some(event),
            Call::Page { .. } => Some(PAGE_VIEWED),
            Call::Screen { .. } => Some(SCREEN_VIEWED),
            Call::Identify { .. } | Call::Group { .. } | Call::Alias { .. } => None,
        }
    }

    /// The event as Segment's JSON, with the fields in a fixed order.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("type".into(), self.call.type_name().into());
        json.insert("version".into(), 1.into());
        json.insert("messageId".into(), self.message_id.clone().into());
        if let Some(user) = &self.user_id {
            json.insert("userId".into(), user.clone().into());
        }
        if let Some(anonymous) = &self.anonymous_id {
            json.insert("anonymousId".into(), anonymous.clone().into());
        }
        self.call.write_json(&mut json);
        json.insert("channel".into(), self.channel.clone().into());
        json.insert("context".into(), Value::Object(self.context.clone()));
        json.insert("integrations".into(), Value::Object(self.integrations.clone()));
        json.insert("timestamp".into(), self.timestamp.to_rfc3339().into());
        json.insert("originalTimestamp".into(), self.original_timestamp.to_rfc3339().into());
        json.insert("sentAt".into(), self.sent_at.map_or(Value::Null, |at| at.to_rfc3339().into()));
        json.insert("receivedAt".into(), self.received_at.to_rfc3339().into());
        for (key, value) in &self.extra {
            if !json.contains_key(key) {
                json.insert(key.clone(), value.clone());
            }
        }
        json
    }
}

impl Call {
    fn write_json(&self, json: &mut Map<String, Value>) {
        let mut optional = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                json.insert(key.to_owned(), value.clone().into());
            }
        };
        match self {
            Self::Page { name, category, .. } | Self::Screen { name, category, .. } => {
                optional("name", name);
                optional("category", category);
            }
            Self::Track { .. } | Self::Identify { .. } | Self::Group { .. } | Self::Alias { .. } => {}
        }
        match self {
            Self::Track { event, properties } => {
                json.insert("event".into(), event.clone().into());
                json.insert("properties".into(), Value::Object(properties.clone()));
            }
            Self::Identify { traits } => {
                json.insert("traits".into(), Value::Object(traits.clone()));
            }
            Self::Page { properties, .. } | Self::Screen { properties, .. } => {
                json.insert("properties".into(), Value::Object(properties.clone()));
            }
            Self::Group { group_id, traits } => {
                json.insert("groupId".into(), group_id.clone().into());
                json.insert("traits".into(), Value::Object(traits.clone()));
            }
            Self::Alias { previous_id } => {
                json.insert("previousId".into(), previous_id.clone().into());
            }
        }
    }
}

/// What a Studio stage post says, read from a [`STUDIO_STEP`] event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudioStep<'a> {
    /// The flow's name.
    pub flow: &'a str,
    /// The stage reached.
    pub stage: &'a str,
    /// The person's address, E.164 as a rule.
    pub phone_number: Option<&'a str>,
    /// The Studio execution (`FN…`), which names the run.
    pub execution_sid: Option<&'a str>,
}

impl Event {
    /// The stage post in this event, if it is one: a track `Studio Flow Step` with `flow` and `stage`, none of them longer
    /// than `limits::MAX_NAME_BYTES` (the Studio source refuses such a post; sent as a track it is an event and no more).
    pub fn studio_step(&self) -> Option<StudioStep<'_>> {
        let Call::Track { event, properties } = &self.call else { return None };
        if event != STUDIO_STEP {
            return None;
        }
        let text = |key: &str| text(properties, key);
        let fits = |key: &str| text(key).is_none_or(|text| text.len() <= limits::MAX_NAME_BYTES);
        if !["flow", "stage", "phoneNumber", "executionSid"].into_iter().all(fits) {
            return None;
        }
        Some(StudioStep {
            flow: text("flow")?,
            stage: text("stage")?,
            phone_number: text("phoneNumber"),
            execution_sid: text("executionSid"),
        })
    }
}

/// The message id of what Studio itself tells of a step of an execution.
pub fn studio_message(execution_sid: &str, step: &str) -> String {
    format!("{STUDIO_MESSAGE}{execution_sid}:{step}")
}

/// The end of an execution, read from a [`STUDIO_FLOW_ENDED`] event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudioEnd<'a> {
    /// The flow's name.
    pub flow: &'a str,
    /// The execution.
    pub execution_sid: &'a str,
    /// Twilio's word for how it ended; may be empty.
    pub reason: &'a str,
}

/// The Studio execution that an event is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudioRun<'a> {
    /// The execution.
    pub execution_sid: &'a str,
    /// The flow's name, where it says one.
    pub flow: Option<&'a str>,
    /// The person's address, where it says one.
    pub address: Option<&'a str>,
    /// Whether Studio itself tells of it, which does not know whose run it is.
    pub by_studio: bool,
}

impl Event {
    /// The end of an execution in this event, if it is one.
    pub fn studio_end(&self) -> Option<StudioEnd<'_>> {
        let Call::Track { event, properties } = &self.call else { return None };
        if event != STUDIO_FLOW_ENDED {
            return None;
        }
        let flow = text(properties, "flow").filter(|flow| flow.len() <= limits::MAX_NAME_BYTES)?;
        let reason = text(properties, "reason").unwrap_or_default();
        Some(StudioEnd {
            flow,
            execution_sid: text(properties, "executionSid")?,
            reason: &reason[..reason.floor_char_boundary(limits::MAX_NAME_BYTES)],
        })
    }

    /// Makes a stage post a step that is kept and no more: its stage was told of already.
    pub fn demote_stage(&mut self) {
        if let Call::Track { event, .. } = &mut self.call
            && event == STUDIO_STEP
        {
            STUDIO_STEP_ENDED.clone_into(event);
        }
    }

    /// The execution that it is about, if it is one of Studio's events.
    pub fn studio_run(&self) -> Option<StudioRun<'_>> {
        let Call::Track { event, properties } = &self.call else { return None };
        if ![STUDIO_STEP, STUDIO_STEP_ENDED, STUDIO_FLOW_ENDED].contains(&event.as_str()) {
            return None;
        }
        Some(StudioRun {
            execution_sid: text(properties, "executionSid").filter(|sid| sid.len() <= LONGEST_SID)?,
            flow: text(properties, "flow"),
            address: text(properties, "phoneNumber"),
            by_studio: self.message_id.starts_with(STUDIO_MESSAGE),
        })
    }
}

/// A property that is a text and not empty.
fn text<'a>(properties: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Event {
    /// About how many bytes it takes in memory and in the log.
    pub fn weight(&self) -> usize {
        let fields = |map: &Map<String, Value>| {
            map.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>()
        };
        let call = match &self.call {
            Call::Track { event, properties } => event.len() + fields(properties),
            Call::Identify { traits } => fields(traits),
            Call::Page { name, category, properties } | Call::Screen { name, category, properties } => {
                let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                text(name) + text(category) + fields(properties)
            }
            Call::Group { group_id, traits } => group_id.len() + fields(traits),
            Call::Alias { previous_id } => previous_id.len(),
        };
        let ids = [&self.user_id, &self.anonymous_id].into_iter().flatten().map(String::len).sum::<usize>();
        256 + ids
            + self.message_id.len()
            + call
            + fields(&self.context)
            + fields(&self.integrations)
            + fields(&self.extra)
    }
}

/// About how many bytes a JSON value takes.
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>() + 2
        }
    }
}
