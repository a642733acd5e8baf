//! A stage post of Twilio Studio's "Make HTTP Request" widget, as an [`Event`].
//!
//! The widget sends what the flow's author wrote, as a form, as JSON or in the query, and escapes nothing by itself.

use serde_json::{Map, Value};

use super::error::{Code, IngestError};
use super::segment::check_size;
use super::times::{correct, instant};
use super::{Arrival, field, form, json, phone};
use crate::domain::event::{Call, Event, STUDIO_STEP};
use crate::domain::ids::EventId;
use crate::domain::limits::{MAX_ID_BYTES, MAX_MESSAGE_ID_CHARS, MAX_NAME_BYTES};
use crate::domain::time::Timestamp;

/// What the body is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON.
    Json,
}

impl BodyKind {
    /// By the media type; where it says nothing useful, and for JSON sent as a form (curl's default), by the first byte.
    ///
    /// # Errors
    /// `unsupported_encoding` for multipart bodies.
    pub fn of(content_type: Option<&str>, body: &[u8]) -> Result<Self, IngestError> {
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
            let message =
                "multipart bodies are not taken; post application/x-www-form-urlencoded or application/json";
            return Err(IngestError::new(Code::UnsupportedEncoding, message));
        }
        let first = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().first();
        Ok(match first {
            None => Self::Empty,
            Some(_) if media.eq_ignore_ascii_case("application/json") => Self::Json,
            Some(b'{') => Self::Json,
            Some(b'[') if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Json,
            Some(_) => Self::Form,
        })
    }
}

/// What was posted.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The query as it was received, without `?`.
    pub query: &'a str,
    /// The body, decompressed.
    pub body: &'a [u8],
    /// How to read it.
    pub kind: BodyKind,
    /// `I-Twilio-Idempotency-Token`, which names the message where no field does.
    pub idempotency_token: Option<&'a str>,
}

/// The stage step that was posted. Query and body are merged; where both have a field, the body wins.
///
/// # Errors
/// Whatever is wrong with it.
pub fn event(post: &Post<'_>, arrival: &mut Arrival<'_>) -> Result<Event, IngestError> {
    check_size(post.query.len() + post.body.len())?;
    let mut fields = read(post)?;
    let user_id = required(fields.user_id.take(), "userID", MAX_ID_BYTES)?;
    let phone_number = phone_number(fields.phone_number.take())?;
    let flow = required(fields.flow.take(), "flow", MAX_NAME_BYTES)?;
    let stage = required(fields.stage.take(), "stage", MAX_NAME_BYTES)?;
    let sids = Sids::sorted(
        optional(fields.execution_sid.take(), "executionSid", MAX_ID_BYTES)?,
        optional(fields.flow_sid.take(), "flowSid", MAX_ID_BYTES)?,
    );
    let original = timestamp(fields.timestamp.take())?;
    let given = message_id(fields.message_id.take(), post.idempotency_token)?;
    let mut properties = Map::with_capacity(5 + fields.others.len());
    for (key, value) in [("phoneNumber", phone_number), ("flow", flow), ("stage", stage)] {
        properties.insert(key.to_owned(), Value::String(value));
    }
    for (key, value) in [("executionSid", sids.execution), ("flowSid", sids.flow)] {
        if let Some(value) = value {
            properties.insert(key.to_owned(), Value::String(value));
        }
    }
    keep_others(fields.others, arrival.source.properties.as_deref(), &mut properties)?;
    let times = correct(original, None, arrival.now);
    let (message_id, dedupe) = arrival.message_id(given);
    Ok(Event {
        // The writer gives the real one.
        id: EventId::floor(Timestamp::default()),
        message_id,
        dedupe,
        source: arrival.source.key.clone(),
        user_id: Some(user_id),
        anonymous_id: None,
        call: Call::Track { event: STUDIO_STEP.to_owned(), properties },
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".to_owned(),
        timestamp: times.timestamp,
        original_timestamp: times.original,
        sent_at: None,
        received_at: arrival.now,
    })
}

/// The fields that mean something here, and the others as they came.
#[derive(Debug, Default)]
struct Fields {
    user_id: Option<Value>,
    phone_number: Option<Value>,
    flow: Option<Value>,
    stage: Option<Value>,
    execution_sid: Option<Value>,
    flow_sid: Option<Value>,
    timestamp: Option<Value>,
    message_id: Option<Value>,
    others: Map<String, Value>,
}

impl Fields {
    /// Takes a field in, over one of the same meaning. Liquid that resolves to nothing sends an empty text, so that
    /// empty is absent and overwrites nothing.
    fn put(&mut self, key: String, value: Value) {
        let slot = match key.as_str() {
            "userID" | "userId" | "user_id" => &mut self.user_id,
            "phoneNumber" | "phone_number" => &mut self.phone_number,
            "flow" => &mut self.flow,
            "stage" => &mut self.stage,
            "executionSid" | "execution_sid" => &mut self.execution_sid,
            "flowSid" | "flow_sid" => &mut self.flow_sid,
            "timestamp" => &mut self.timestamp,
            "messageId" => &mut self.message_id,
            _ => {
                self.others.insert(key, value);
                return;
            }
        };
        let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
        if !empty {
            *slot = Some(value);
        }
    }
}

fn read(post: &Post<'_>) -> Result<Fields, IngestError> {
    let mut fields = Fields::default();
    for (key, value) in form::pairs(post.query.as_bytes())? {
        // Twilio's own addition to the URL, part of the signature.
        if key != "bodySHA256" {
            fields.put(key, Value::String(value));
        }
    }
    match post.kind {
        BodyKind::Empty => {}
        BodyKind::Form => {
            for (key, value) in form::pairs(post.body.trim_ascii_end())? {
                fields.put(key, Value::String(value));
            }
        }
        BodyKind::Json => {
            for (key, value) in json::object(json::text(post.body)?)? {
                fields.put(key, value);
            }
        }
    }
    Ok(fields)
}

fn required(value: Option<Value>, field: &str, most: usize) -> Result<String, IngestError> {
    optional(value, field, most)?.ok_or_else(|| IngestError::missing(field))
}

fn optional(value: Option<Value>, name: &str, most: usize) -> Result<Option<String>, IngestError> {
    let Some(text) = field::text(value, name)? else { return Ok(None) };
    check_template(&text, name)?;
    if text.len() > most {
        return Err(IngestError::invalid(name, format_args!("is longer than {most} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(IngestError::invalid(name, "contains control characters"));
    }
    Ok(Some(text))
}

fn phone_number(value: Option<Value>) -> Result<String, IngestError> {
    let text = field::text(value, "phoneNumber")?.ok_or_else(|| IngestError::missing("phoneNumber"))?;
    check_template(&text, "phoneNumber")?;
    phone::mended(text, "phoneNumber")
}

fn timestamp(value: Option<Value>) -> Result<Option<Timestamp>, IngestError> {
    let Some(value) = value else { return Ok(None) };
    let text = field::text(Some(value), "timestamp")?.unwrap_or_default();
    check_template(&text, "timestamp")?;
    // A form has no numbers: digits alone are one.
    let epoch =
        text.parse::<i64>().ok().map(Value::from).or_else(|| text.parse::<f64>().ok().map(Value::from));
    let at = instant(&epoch.unwrap_or(Value::String(text)));
    let why = "is no instant; write it as 2026-11-21T10:00:00Z, or leave it out";
    at.map(Some).ok_or_else(|| IngestError::invalid("timestamp", why))
}

/// The field, else Twilio's token for a repeated request.
fn message_id(value: Option<Value>, token: Option<&str>) -> Result<Option<String>, IngestError> {
    let given = field::message_id(value)?;
    if let Some(id) = &given {
        check_template(id, "messageId")?;
    }
    let token = token.map(str::trim).filter(|token| !token.is_empty());
    let named =
        token.map(|token| format!("twilio:{token}")).filter(|id| id.chars().count() <= MAX_MESSAGE_ID_CHARS);
    Ok(given.or(named))
}

/// Refuses a `{{…}}` that Studio did not replace: a slip in the author's template, not a value.
fn check_template(text: &str, field: &str) -> Result<(), IngestError> {
    let open = text.find("{{");
    if open.is_none_or(|open| !text[open..].contains("}}")) {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    let message = format!(
        "`{field}` arrived as `{shown}`: Studio did not replace the variable; check its spelling in the widget \
         (for example {{{{flow.sid}}}}, {{{{contact.channel.address}}}}, {{{{flow.data.userID}}}})"
    );
    Err(IngestError::at(Code::UnresolvedTemplate, field, message))
}

/// The execution's and the flow's SID.
struct Sids {
    execution: Option<String>,
    flow: Option<String>,
}

impl Sids {
    /// `{{flow.sid}}` is the execution's SID (`FN…`) and `{{flow.flow_sid}}` the flow's (`FW…`): the names mislead, so
    /// each is known by its prefix, whichever field it arrives in.
    fn sorted(execution: Option<String>, flow: Option<String>) -> Self {
        let is =
            |sid: &Option<String>, prefix: &str| sid.as_deref().is_some_and(|sid| sid.starts_with(prefix));
        match (is(&execution, "FW"), is(&flow, "FN")) {
            (false, false) => Self { execution, flow },
            (true, true) => Self { execution: flow, flow: execution },
            // The execution's SID in both fields: it says nothing of the flow.
            (false, true) => {
                Self { execution: execution.filter(|sid| sid.starts_with("FN")).or(flow), flow: None }
            }
            (true, false) => {
                Self { execution: None, flow: flow.filter(|sid| sid.starts_with("FW")).or(execution) }
            }
        }
    }
}

/// Keeps further fields as properties as they came: all of them, or those that the source names.
fn keep_others(
    others: Map<String, Value>,
    wanted: Option<&[String]>,
    properties: &mut Map<String, Value>,
) -> Result<(), IngestError> {
    for (key, value) in others {
        if wanted.is_some_and(|wanted| !wanted.contains(&key)) {
            continue;
        }
        // People may write braces in a reply; only a value that is nothing but a template is one.
        if let Some(text) = value.as_str().map(str::trim)
            && text.starts_with("{{")
            && text.ends_with("}}")
        {
            check_template(text, &key)?;
        }
        properties.insert(key, value);
    }
    Ok(())
}

#[cfg(test)]
#[path = "studio_tests.rs"]
mod tests;
