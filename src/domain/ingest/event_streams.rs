//! Twilio Event Streams: batches of CloudEvents on Studio's executions and steps, as [`Event`]s.
//!
//! Batches come unordered and more than once, and their envelopes vary: what is not needed is not looked at.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::batch::RejectedItem;
use super::error::{Code, IngestError};
use super::execution::{Execution, Step, Teller};
use super::times::instant;
use super::{field, json};
use crate::domain::definition::Definitions;
use crate::domain::event::Event;
use crate::domain::limits::{MAX_BATCH_EVENTS, MAX_JSON_DEPTH, MAX_REASON};
use crate::domain::time::Timestamp;

/// How the types begin that mean something here.
const STUDIO_TYPE: &str = "com.twilio.studio.flow.";
/// The longest SID, in bytes; Twilio's have 34.
const LONGEST_SID: usize = 40;

/// A batch that is read, of which nothing is told yet.
#[derive(Debug, Default)]
pub struct Batch {
    told: Vec<CloudEvent>,
    executions: HashMap<String, Execution>,
    /// What can't be read.
    pub rejected: Vec<RejectedItem>,
    /// How many CloudEvents were of types that mean nothing here.
    pub passed_over: usize,
}

impl Batch {
    /// Reads a batch, or one CloudEvent alone.
    ///
    /// # Errors
    /// What is wrong with the whole: `malformed_json`, `not_an_object`, `invalid_utf8`, `batch_too_many`.
    pub fn read(body: &[u8], now: Timestamp) -> Result<Self, IngestError> {
        let mut batch = Self::default();
        for (index, item) in items(json::text(body)?)?.into_iter().enumerate() {
            match CloudEvent::read(&item, now) {
                Ok(Some(event)) => batch.told.push(event),
                Ok(None) => batch.passed_over += 1,
                Err(error) => batch.rejected.push(RejectedItem { index, error }),
            }
        }
        batch.executions = executions(&batch.told);
        batch.told.sort_by_key(|event| (event.at, event.what.rank()));
        Ok(batch)
    }

    /// The executions of which the batch does not say the flow.
    pub fn without_flow(&self) -> impl Iterator<Item = &str> {
        self.executions.values().filter(|it| it.flow_sid.is_none()).map(|it| it.sid.as_str())
    }

    /// Its events, in the order they happened as far as that can be told; `flows` are the names of flows by execution, where the
    /// batch does not say them, and `source` the key of the source that it came to.
    pub fn events(
        &self,
        definitions: &Definitions,
        flows: &HashMap<String, String>,
        source: &str,
        now: Timestamp,
    ) -> Vec<Event> {
        let tell = |event: &CloudEvent| {
            let execution = self.executions.get(&event.execution.sid).unwrap_or(&event.execution);
            let known = flows.get(&execution.sid).map(String::as_str);
            let (flow_name, flow) = definitions.flow_of(execution, known);
            event.tell(&Teller { execution, flow_name, flow, posts: None, source, recovered: false, now })
        };
        self.told.iter().flat_map(tell).collect()
    }
}

fn items(text: &str) -> Result<Vec<Value>, IngestError> {
    let items = match serde_json::from_str(text).map_err(|error| json::explain(text, &error))? {
        Value::Array(items) => items,
        one @ Value::Object(_) => vec![one],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let message = "the body must be an array of CloudEvents: [{…}], or one alone";
            return Err(IngestError::new(Code::NotAnObject, message));
        }
    };
    if items.len() > MAX_BATCH_EVENTS {
        let count = items.len();
        let message = format!("the batch has {count} events, more than {MAX_BATCH_EVENTS}; none was kept");
        return Err(IngestError::new(Code::BatchTooMany, message));
    }
    Ok(items)
}

/// What all of a batch says of each execution: a step alone may not say whose it is, or of which flow.
fn executions(told: &[CloudEvent]) -> HashMap<String, Execution> {
    let mut known: HashMap<String, Execution> = HashMap::new();
    for CloudEvent { execution, .. } in told {
        let all = known.entry(execution.sid.clone()).or_insert_with(|| execution.clone());
        if all.address.is_none() {
            all.address.clone_from(&execution.address);
        }
        if all.flow_sid.is_none() {
            all.flow_sid.clone_from(&execution.flow_sid);
        }
    }
    known
}

/// One CloudEvent that means something here.
#[derive(Debug)]
struct CloudEvent {
    execution: Execution,
    what: What,
    /// When it happened.
    at: Timestamp,
}

#[derive(Debug)]
enum What {
    Started,
    Step(Step),
    /// With when it began, where that is told, and why it ended.
    Ended(Option<Timestamp>, Option<String>),
}

impl What {
    /// In which order those come that happened at the same time: Twilio's times are of whole seconds.
    fn rank(&self) -> u8 {
        match self {
            Self::Started => 0,
            Self::Step(_) => 1,
            Self::Ended(..) => 2,
        }
    }
}

impl CloudEvent {
    /// `None` for a type that means nothing here.
    fn read(item: &Value, now: Timestamp) -> Result<Option<Self>, IngestError> {
        if field::too_deep(item, 1) {
            let message = format!("objects and arrays are nested more than {MAX_JSON_DEPTH} deep");
            return Err(IngestError::new(Code::TooDeep, message));
        }
        let envelope = item
            .as_object()
            .ok_or_else(|| IngestError::new(Code::NotAnObject, "a CloudEvent must be an object: {…}"))?;
        let kind = text(envelope, "type").ok_or_else(|| IngestError::missing("type"))?;
        let Some(kind) = kind.strip_prefix(STUDIO_TYPE) else { return Ok(None) };
        if !["execution.started", "execution.ended", "step.ended"].contains(&kind) {
            return Ok(None);
        }
        let data = envelope.get("data").and_then(Value::as_object);
        let data = data.ok_or_else(|| IngestError::invalid("data", "must be an object"))?;
        let execution = Execution {
            sid: sid(data, "execution_sid")?.ok_or_else(|| IngestError::missing("data.execution_sid"))?,
            flow_sid: sid(data, "flow_sid")?,
            address: address(data)?,
            user: None,
        };
        let time = |key| data.get(key).and_then(instant);
        let told = envelope.get("time").and_then(instant);
        let (created, updated) = (time("date_created"), time("date_updated"));
        let (what, at) = match kind {
            "execution.started" => (What::Started, created.or(told)),
            "execution.ended" => {
                let reason = text(data, "ended_reason");
                let reason = reason.map(|reason| reason.chars().take(MAX_REASON).collect());
                (What::Ended(created, reason), updated.or(told))
            }
            _ => (What::Step(step(envelope, data, item)?), created.or(told)),
        };
        let at = at.unwrap_or(now);
        let what = match what {
            What::Step(step) => What::Step(Step { at, ..step }),
            other @ (What::Started | What::Ended(..)) => other,
        };
        Ok(Some(Self { execution, what, at }))
    }

    /// The end tells of the start as well: whichever comes first, the run is there.
    fn tell(&self, teller: &Teller<'_>) -> Vec<Event> {
        match &self.what {
            What::Started => vec![teller.started(self.at)],
            What::Step(step) => vec![teller.step(step)],
            What::Ended(created, reason) => {
                let begun = created.unwrap_or(self.at).min(self.at);
                vec![teller.started(begun), teller.ended(self.at, reason.as_deref())]
            }
        }
    }
}

fn step(envelope: &Map<String, Value>, data: &Map<String, Value>, item: &Value) -> Result<Step, IngestError> {
    let named = |key: &str| field::name(text(data, key).map(Value::from), &format!("data.{key}"));
    let id = match sid(data, "sid")? {
        Some(sid) => sid,
        None => message(text(envelope, "id"), item),
    };
    let (from, to) = (named("transitioned_from")?, named("transitioned_to")?);
    Ok(Step { id, from, event: named("name")?, to, at: Timestamp::default() })
}

/// A step without a SID is named by its message, or else by all that it says.
fn message(id: Option<&str>, item: &Value) -> String {
    match id.filter(|id| id.len() <= LONGEST_SID) {
        Some(id) => id.to_owned(),
        None => {
            let whole = id.map_or_else(|| item.to_string(), str::to_owned);
            hex::encode(&Sha256::digest(whole.as_bytes())[..16])
        }
    }
}

/// A text that is not empty.
fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

fn sid(data: &Map<String, Value>, key: &str) -> Result<Option<String>, IngestError> {
    let Some(sid) = text(data, key) else { return Ok(None) };
    if sid.len() > LONGEST_SID || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(IngestError::invalid(&format!("data.{key}"), "is no SID: two letters and 32 hex digits"));
    }
    Ok(Some(sid.to_owned()))
}

fn address(data: &Map<String, Value>) -> Result<Option<String>, IngestError> {
    let field = "contact_channel_address";
    text(data, field).map(|address| super::phone::mended(address.to_owned(), field)).transpose()
}

#[cfg(test)]
#[path = "event_streams_tests.rs"]
mod tests;
