//! Definitions as the API shows them: the shape in which they are written, without secrets.

mod audited;
mod destination;
mod flow;
mod team;

use serde_json::{Map, Value, json};

use super::secrets::marked;
use super::{Class, Computation, Definition, Source, Status};
use crate::domain::time::Timestamp;

pub use super::secrets::{REDACTED, is_secret_header};
pub use audited::audited;
pub use destination::destination;
pub use flow::flow;
pub use team::team;

/// What is shown beside a definition.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// How many are in, where it is an audience.
    pub size: u64,
    /// How far its computing has come, where it is computing.
    pub progress: Option<Value>,
    /// Whether a source's write keys are shown, which let whoever has them post.
    pub write_keys: bool,
}

/// A definition of any kind, and what `shown` says of it.
pub fn definition(definition: &Definition, shown: &Shown) -> Value {
    match definition {
        Definition::Source(it) => source(it, shown.write_keys),
        Definition::Team(it) => team(it),
        Definition::Flow(it) => flow(it),
        Definition::Destination(it) => destination(it),
        Definition::Audience(it) | Definition::Trait(it) => computation(it, shown),
    }
}

/// A source. Its write key, which is what has to be typed into Studio, is only told apart from others where it is not shown.
pub fn source(source: &Source, shows_keys: bool) -> Value {
    let write_key = |key: &str| if shows_keys { key.to_owned() } else { marked(key) };
    let mut shown = Map::new();
    shown.insert("key".into(), source.key.as_str().into());
    shown.insert("kind".into(), source.kind.as_str().into());
    shown.insert("write_key".into(), write_key(&source.write_key).into());
    if let Some(previous) = &source.previous_write_key {
        shown.insert("previous_write_key".into(), write_key(&previous.write_key).into());
        shown.insert("previous_write_key_until".into(), previous.until.to_rfc3339().into());
    }
    if !source.twilio_auth_tokens.is_empty() {
        let tokens = source.twilio_auth_tokens.iter().map(|token| Value::from(marked(token)));
        shown.insert("twilio_auth_tokens".into(), tokens.collect());
    }
    if let Some(properties) = &source.properties {
        shown.insert("properties".into(), json!(properties));
    }
    with_times(shown, source.created_at, source.updated_at)
}

/// An audience or computed trait.
pub fn computation(it: &Computation, beside: &Shown) -> Value {
    let emit: Vec<&str> = it.emit.iter().map(|emit| emit.as_str()).collect();
    let mut shown = Map::new();
    shown.insert("id".into(), it.id.as_str().into());
    shown.insert("key".into(), it.key.as_str().into());
    shown.insert("name".into(), it.name.as_str().into());
    if !it.description.is_empty() {
        shown.insert("description".into(), it.description.as_str().into());
    }
    shown.insert("query".into(), it.query.to_string().into());
    shown.insert("target".into(), it.target.as_str().into());
    shown.insert("status".into(), it.status.as_str().into());
    if let Some(progress) = &beside.progress {
        shown.insert("progress".into(), progress.clone());
    }
    if matches!(it.status, Status::Leaving) {
        shown.insert("deleting".into(), true.into());
    }
    if it.class == Class::Audience {
        shown.insert("size".into(), beside.size.into());
    }
    shown.insert("destinations".into(), json!(it.destinations));
    shown.insert("emit".into(), json!(emit));
    shown.insert("enabled".into(), it.enabled.into());
    shown.insert("include_anonymous".into(), it.include_anonymous.into());
    shown.insert("history".into(), it.history.to_string().into());
    with_times(shown, it.created_at, it.updated_at)
}

fn with_times(mut shown: Map<String, Value>, created_at: Timestamp, updated_at: Timestamp) -> Value {
    shown.insert("createdAt".into(), created_at.to_rfc3339().into());
    shown.insert("updatedAt".into(), updated_at.to_rfc3339().into());
    Value::Object(shown)
}
