//! What can be filled in for a destination of each kind.

use serde_json::{Value, json};

use super::super::settings::{How, Setting, Words};
use crate::domain::preset::{self, Form};

/// The kinds that are no presets.
pub(super) const OWN_KINDS: [&str; 3] = ["webhook", "webhook_action", "twilio"];

/// The labels and hints of settings.
const WORDS: Words = ("destination_edit.fields", "destination_edit.hints");

/// Settings that stand together, under a heading of `texts.toml`.
pub(super) struct Group {
    pub name: &'static str,
    pub settings: Vec<Setting>,
}

/// Whether there are destinations of that kind.
pub(super) fn is_kind(kind: &str) -> bool {
    OWN_KINDS.contains(&kind) || preset::find(kind).is_some()
}

/// The settings of that kind; of a webhook with fields for `urls` addresses.
pub(super) fn of(kind: &str, urls: usize) -> Vec<Group> {
    let (own, calls) = match kind {
        "webhook" => (webhook(urls), true),
        "webhook_action" => (action(), true),
        "twilio" => (twilio(), false),
        key => (filled_in(key), true),
    };
    let mut groups = vec![Group { name: "own", settings: own }];
    if calls {
        groups.push(Group { name: "which", settings: which() });
    }
    groups.push(Group { name: "how", settings: how(calls) });
    groups
}

/// The key, which is chosen once.
pub(super) fn key() -> Setting {
    setting("key", How::Text)
}

fn setting(name: &str, how: How) -> Setting {
    Setting::new(WORDS, name, how)
}

fn words(words: &[&str]) -> How {
    How::Choice(words.iter().map(|word| (*word).to_owned()).collect())
}

fn webhook(urls: usize) -> Vec<Setting> {
    let mut settings = Vec::new();
    for index in 0..urls {
        settings.push(setting(&format!("urls[{index}].url"), How::Text));
        settings.push(setting(&format!("urls[{index}].headers"), How::Headers));
    }
    settings.extend(signing());
    settings
}

fn signing() -> [Setting; 3] {
    [
        setting("shared_secret", How::Secret),
        setting("signing_secrets", How::Lines),
        setting("gzip", How::Truth),
    ]
}

fn action() -> Vec<Setting> {
    let mut settings = vec![
        setting("mapping.url", How::TextOrJson),
        setting("mapping.method", How::TextOrJson),
        setting("mapping.headers", How::Json),
        setting("mapping.data", How::Json),
        setting("mapping.batch_size", How::Number),
        setting("auth", How::Json),
        setting("required", How::Lines),
        setting("expected", How::Lines),
    ];
    settings.extend(signing());
    settings
}

fn twilio() -> Vec<Setting> {
    vec![
        setting("account_sid", How::Text),
        setting("auth_token", How::Secret),
        setting("api_key", How::Text),
        setting("api_secret", How::Secret),
        setting("from", How::Text),
        setting("messaging_service_sid", How::Text),
        setting("workspace_sid", How::Text),
        setting("auth_tokens", How::Lines),
    ]
}

/// The settings of a preset, in its own words.
fn filled_in(key: &str) -> Vec<Setting> {
    let settings = preset::find(key).into_iter().flat_map(|preset| &preset.settings);
    settings
        .map(|it| {
            let how = match it.form {
                Form::List => How::Lines,
                Form::Table => How::Json,
                Form::Text | Form::Word | Form::Url | Form::Webhook if it.secret => How::Secret,
                Form::Text | Form::Word | Form::Url | Form::Webhook if !it.choices.is_empty() => {
                    How::Choice(it.choices.keys().cloned().collect())
                }
                Form::Text | Form::Word | Form::Url | Form::Webhook => How::Text,
            };
            Setting { name: it.key.clone(), how, label: it.key.clone(), hint: it.help.clone() }
        })
        .collect()
}

/// Which events it gets.
fn which() -> Vec<Setting> {
    vec![
        setting("events", words(&["computed", "all", "none"])),
        setting("trigger", How::Text),
        setting("sources", How::Lines),
        setting("filter", How::Json),
        setting("profile_traits", How::Lines),
        setting("integration_names", How::Lines),
    ]
}

/// How it is sent.
fn how(calls: bool) -> Vec<Setting> {
    let mut settings = vec![
        setting("enabled", How::Check),
        setting("timeout", How::Text),
        setting("max_in_flight", How::Number),
        setting("rate_limit", How::Number),
        setting("burst", How::Number),
        setting("rate_group", How::Text),
        setting("retry_for", How::Text),
        setting("expire_after", How::Text),
        setting("pause_after", How::Text),
        setting("probe_every", How::Text),
    ];
    if calls {
        settings.push(setting("coalesce", How::Truth));
    }
    settings.push(Setting::more());
    settings
}

/// A definition as the API shows it, without what says nothing: that none of something is wanted where that is usual.
pub(super) fn without_usual(kind: &str, mut shown: Value) -> Value {
    if preset::find(kind).is_some() {
        if shown.get("enabled").is_none() {
            shown["enabled"] = true.into();
        }
        // Of a preset, none of something is shown only where that is not what the preset has.
        return shown;
    }
    if let Some(members) = shown.as_object_mut() {
        members.retain(|key, value| {
            let is_none = *value == json!([]) && key != "integration_names";
            let is_of_calls = kind == "twilio" && matches!(key.as_str(), "events" | "coalesce");
            !is_none && !is_of_calls
        });
    }
    shown
}
