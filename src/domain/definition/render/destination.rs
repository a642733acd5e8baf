//! Destinations as the API shows them.

use serde_json::{Map, Value, json};

use super::with_times;
use crate::domain::definition::document::read_preset;
use crate::domain::definition::secrets::{REDACTED, in_headers, is_secret_header, marked};
use crate::domain::definition::{
    Action, Auth, Batch, Destination, DestinationKind, Effect, Filter, Signing, Twilio, WebhookUrl,
};
use crate::domain::preset;
use crate::domain::time::Span;

/// A destination. Of a preset, what is as the preset has it is not shown: `GET /api/presets/{key}` does, and whoever changes
/// a setting and writes the rest back gets what follows from the setting.
pub fn destination(destination: &Destination) -> Value {
    let mut shown = Map::new();
    shown.insert("key".into(), destination.key.as_str().into());
    shown.insert("kind".into(), destination.kind.as_str().into());
    match &destination.kind {
        DestinationKind::Webhook { urls, signing: keys, gzip } => {
            shown.insert("urls".into(), urls.iter().map(webhook_url).collect());
            signing(&mut shown, keys);
            shown.insert("gzip".into(), (*gzip).into());
            common(&mut shown, destination);
        }
        DestinationKind::WebhookAction(made_by) => {
            action(&mut shown, made_by);
            common(&mut shown, destination);
        }
        DestinationKind::Preset { preset, settings, only: _, action: _ } => {
            filled_in(&mut shown, preset, settings, destination);
        }
        DestinationKind::Twilio(account) => {
            twilio(&mut shown, account);
            common(&mut shown, destination);
        }
    }
    with_times(shown, destination.created_at, destination.updated_at)
}

/// What destinations of every kind have.
fn common(shown: &mut Map<String, Value>, destination: &Destination) {
    let mut show = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    show("enabled", destination.enabled.into());
    show("timeout", destination.timeout.to_string().into());
    show("max_in_flight", destination.max_in_flight.into());
    if let Some(rate_limit) = destination.rate_limit {
        show("rate_limit", rate_limit.into());
    }
    if let Some(burst) = destination.burst {
        show("burst", burst.into());
    }
    if let Some(group) = &destination.rate_key {
        show("rate_group", group.as_str().into());
    }
    show("retry_for", destination.retry_for.to_string().into());
    show("expire_after", span_or_never(destination.expire_after));
    show("pause_after", span_or_never(destination.pause_after));
    show("probe_every", destination.probe_every.to_string().into());
    show("coalesce", destination.coalesce.into());
    show("events", destination.events.as_str().into());
    let routing = &destination.routing;
    if let Some(sources) = &routing.sources {
        show("sources", json!(sources));
    }
    if let Some(trigger) = &routing.trigger {
        show("trigger", trigger.to_string().into());
    }
    // Shown also where there are none, which may be another thing than what a preset has.
    show("filter", routing.filters.iter().map(filter).collect());
    show("profile_traits", json!(routing.profile_traits));
    if let Some(names) = &destination.integration_names {
        show("integration_names", json!(names));
    }
}

fn span_or_never(span: Option<Span>) -> Value {
    span.map_or_else(|| "never".into(), |span| span.to_string().into())
}

fn filter(filter: &Filter) -> Value {
    let mut shown = Map::new();
    if let Some(when) = &filter.when {
        shown.insert("if".into(), when.to_string().into());
    }
    let (key, value) = match &filter.effect {
        Effect::DropEvent => ("drop_event", json!(true)),
        Effect::DropFields(paths) => ("drop", json!(paths)),
        Effect::AllowFields(paths) => ("allow", json!(paths)),
    };
    shown.insert(key.into(), value);
    Value::Object(shown)
}

fn signing(shown: &mut Map<String, Value>, signing: &Signing) {
    if signing.shared_secret.is_some() {
        shown.insert("shared_secret".into(), REDACTED.into());
    }
    if !signing.signing_secrets.is_empty() {
        let secrets = signing.signing_secrets.iter().map(|secret| Value::from(marked(secret)));
        shown.insert("signing_secrets".into(), secrets.collect());
    }
}

fn action(shown: &mut Map<String, Value>, action: &Action) {
    signing(shown, &action.signing);
    shown.insert("gzip".into(), action.gzip.into());
    if let Some(it) = &action.auth {
        shown.insert("auth".into(), auth(it));
    }
    for (key, paths) in [("required", &action.required), ("expected", &action.expected)] {
        if !paths.is_empty() {
            shown.insert(key.into(), json!(paths));
        }
    }
    let mut mapping = Map::new();
    mapping.insert("url".into(), action.url.to_json().clone());
    mapping.insert("method".into(), action.method.to_json().clone());
    let mut headers = action.headers.to_json().clone();
    for place in in_headers(&headers) {
        if let Some(secret) = headers.pointer_mut(&place) {
            *secret = REDACTED.into();
        }
    }
    mapping.insert("headers".into(), headers);
    mapping.insert("data".into(), action.data.to_json().clone());
    match &action.batch {
        Some(Batch { size, wait, keys }) => {
            mapping.insert("batch_size".into(), (*size).into());
            mapping.insert("batch_wait".into(), wait.to_string().into());
            mapping.insert("batch_keys".into(), json!(keys));
        }
        None => drop(mapping.insert("batch_size".into(), 0.into())),
    }
    shown.insert("mapping".into(), mapping.into());
}

fn twilio(shown: &mut Map<String, Value>, twilio: &Twilio) {
    let mut show = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    show("account_sid", twilio.account_sid.as_str().into());
    if twilio.auth_token.is_some() {
        show("auth_token", REDACTED.into());
    }
    if !twilio.auth_tokens.is_empty() {
        show("auth_tokens", twilio.auth_tokens.iter().map(|token| Value::from(marked(token))).collect());
    }
    if let Some(reconcile) = &twilio.reconcile {
        show("reconcile", true.into());
        show("reconcile_every", reconcile.every.to_string().into());
        show("reconcile_window", reconcile.window.to_string().into());
    }
    if let Some(key) = &twilio.api_key {
        show("api_key", key.sid.as_str().into());
        show("api_secret", REDACTED.into());
    }
    for (key, value) in [
        ("from", &twilio.from),
        ("messaging_service_sid", &twilio.messaging_service_sid),
        ("workspace_sid", &twilio.workspace_sid),
    ] {
        if let Some(value) = value {
            show(key, value.as_str().into());
        }
    }
    for (key, url) in twilio.urls.named() {
        show(key, url.into());
    }
}

fn auth(auth: &Auth) -> Value {
    match auth {
        Auth::Bearer { token: _ } => json!({ "type": "bearer", "token": REDACTED }),
        Auth::Basic { user, password: _ } => json!({ "type": "basic", "user": user, "password": REDACTED }),
        Auth::OAuth2 { token_url, client_id, client_secret: _, scope, audience } => {
            let mut shown = json!({
                "type": "oauth2", "token_url": token_url, "client_id": client_id, "client_secret": REDACTED,
            });
            for (key, value) in [("scope", scope), ("audience", audience)] {
                if let Some(value) = value {
                    shown[key] = value.as_str().into();
                }
            }
            shown
        }
    }
}

/// A preset's settings, and what is not as the preset has it.
fn filled_in(
    shown: &mut Map<String, Value>,
    key: &str,
    settings: &Map<String, Value>,
    destination: &Destination,
) {
    let preset = preset::find(key);
    let is_secret = |name: &str| preset.is_none_or(|it| it.is_secret(name));
    for (name, value) in settings {
        let value = if is_secret(name) { REDACTED.into() } else { value.clone() };
        shown.insert(name.clone(), value);
    }
    let mut written = Map::new();
    common(&mut written, destination);
    let mut own = Map::new();
    if let (Some(preset), Ok(own_destination)) = (preset, read_preset(key, settings)) {
        common(&mut own, &own_destination);
        own.retain(|name, _| preset.written_keys().any(|written| written == name));
    }
    shown.extend(written.into_iter().filter(|(name, value)| own.get(name) != Some(value)));
}

fn webhook_url(url: &WebhookUrl) -> Value {
    let shown = |(name, value): (&String, &String)| {
        let value = if is_secret_header(name) { REDACTED } else { value };
        (name.clone(), Value::from(value))
    };
    json!({ "url": url.url, "headers": url.headers.iter().map(shown).collect::<Map<_, _>>() })
}
