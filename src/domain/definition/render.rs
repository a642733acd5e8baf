//! Definitions as the API shows them: the shape in which they are written, without secrets.

use serde_json::{Map, Value, json};

use super::{
    Class, Computation, Definition, Destination, DestinationKind, Flow, Level, Source, Status, WebhookUrl,
};
use crate::domain::time::Timestamp;

/// What is shown in place of a secret. Written back, it means: keep the secret.
pub const REDACTED: &str = "********";

/// What is shown of a computation beside its definition.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// How many are in, where it is an audience.
    pub size: u64,
    /// How far its computing has come, where it is computing.
    pub progress: Option<Value>,
}

/// A definition of any kind; `shown` is looked at where it is a computation.
pub fn definition(definition: &Definition, shown: &Shown) -> Value {
    match definition {
        Definition::Source(it) => source(it),
        Definition::Flow(it) => flow(it),
        Definition::Destination(it) => destination(it),
        Definition::Audience(it) | Definition::Trait(it) => computation(it, shown),
    }
}

/// A source. Its write key is shown: it is what has to be typed into Studio.
pub fn source(source: &Source) -> Value {
    let mut shown = Map::new();
    shown.insert("key".into(), source.key.as_str().into());
    shown.insert("kind".into(), source.kind.as_str().into());
    shown.insert("write_key".into(), source.write_key.as_str().into());
    if !source.twilio_auth_tokens.is_empty() {
        let tokens = source.twilio_auth_tokens.iter().map(|_| Value::from(REDACTED));
        shown.insert("twilio_auth_tokens".into(), tokens.collect());
    }
    if let Some(properties) = &source.properties {
        shown.insert("properties".into(), json!(properties));
    }
    with_times(shown, source.created_at, source.updated_at)
}

/// A flow that is configured.
pub fn flow(flow: &Flow) -> Value {
    let mut shown = Map::new();
    shown.insert("name".into(), flow.name.as_str().into());
    if let Some(initial) = &flow.initial {
        shown.insert("initial".into(), initial.as_str().into());
    }
    shown.insert("terminal".into(), json!(flow.terminal));
    shown.insert("expire_after".into(), flow.expire_after.to_string().into());
    shown.insert("escalation".into(), flow.escalation.iter().map(level).collect());
    shown.insert("configured".into(), true.into());
    with_times(shown, flow.created_at, flow.updated_at)
}

fn level(level: &Level) -> Value {
    // Level and channel are one table in the document, and so they are as a record.
    let mut shown = Map::new();
    shown.insert("stage".into(), level.stage.as_str().into());
    shown.insert("after".into(), level.after.to_string().into());
    shown.insert("channel".into(), level.channel.as_str().into());
    match &level.channel {
        super::Channel::Email { to, template } => {
            shown.insert("to".into(), json!(to));
            shown.insert("template".into(), template.as_str().into());
        }
    }
    Value::Object(shown)
}

/// A destination.
pub fn destination(destination: &Destination) -> Value {
    let mut shown = Map::new();
    shown.insert("key".into(), destination.key.as_str().into());
    shown.insert("kind".into(), destination.kind.as_str().into());
    match &destination.kind {
        DestinationKind::Webhook { urls, signing, gzip: _ } => {
            shown.insert("urls".into(), urls.iter().map(webhook_url).collect());
            if signing.shared_secret.is_some() {
                shown.insert("shared_secret".into(), REDACTED.into());
            }
        }
        DestinationKind::WebhookAction(_) | DestinationKind::Preset { .. } => {}
    }
    shown.insert("enabled".into(), destination.enabled.into());
    shown.insert("timeout".into(), destination.timeout.to_string().into());
    shown.insert("max_in_flight".into(), destination.max_in_flight.into());
    if let Some(rate_limit) = destination.rate_limit {
        shown.insert("rate_limit".into(), rate_limit.into());
    }
    shown.insert("retry_for".into(), destination.retry_for.to_string().into());
    shown.insert("events".into(), destination.events.as_str().into());
    with_times(shown, destination.created_at, destination.updated_at)
}

fn webhook_url(url: &WebhookUrl) -> Value {
    let shown = |(name, value): (&String, &String)| {
        let value = if is_secret_header(name) { REDACTED } else { value };
        (name.clone(), Value::from(value))
    };
    json!({ "url": url.url, "headers": url.headers.iter().map(shown).collect::<Map<_, _>>() })
}

/// Whether the value of a header, or setting, with that name is likely to be a secret.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "password", "cookie", "credential", "signature"]
        .iter()
        .any(|word| name.contains(word))
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
