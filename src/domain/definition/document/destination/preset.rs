//! `kind = "pendo"` and all other presets: their settings, and the webhook action that comes of them.

use serde_json::{Map, Value};

use super::super::check;
use super::{common, mapping};
use crate::domain::definition::document::reader::{Field, Problems, Table};
use crate::domain::definition::{Destination, DestinationKind, Problem, REDACTED};
use crate::domain::fql::Fql;
use crate::domain::limits::MAX_SETTING_ENTRIES;
use crate::domain::preset::{self, Form, Preset, Setting};

/// Reads a destination that uses `preset`.
pub(super) fn read(
    preset: &'static Preset,
    key: Option<&str>,
    mut table: Table<'_, '_>,
) -> Option<Destination> {
    let mut settings = Map::new();
    let mut is_whole = true;
    for setting in &preset.settings {
        let field = if setting.required && setting.default.is_none() {
            let field = table.required(&setting.key);
            is_whole &= field.is_some();
            field
        } else {
            table.optional(&setting.key)
        };
        let Some(field) = field else { continue };
        is_whole &= setting_fits(setting, &field);
        settings.insert(setting.key.clone(), field.value.clone());
    }
    let mut written = Map::new();
    for (key, field) in common::KEYS.into_iter().filter_map(|key| Some((key, table.optional(key)?))) {
        written.insert(key.to_owned(), field.value.clone());
    }
    let mut found = Vec::new();
    let destination = if is_whole {
        filled_in(preset, key.unwrap_or_default(), &settings, &written).map_err(|problems| found = problems)
    } else {
        // What is written beside the settings is looked at all the same.
        let mut beside = preset.expand(&Map::new());
        beside.retain(|key, _| common::KEYS.contains(&key.as_str()));
        beside.extend(written.clone());
        let problems = Problems::default();
        let beside = Value::Object(beside);
        let _ = Field::new("", &beside, &problems).table().map(|mut table| common::read(&mut table));
        found = problems.into_all();
        Err(())
    };
    for problem in found {
        let Problem { field, message } = blamed(preset, problem, &settings, &written);
        table.problem_at(table.path(&field).trim_end_matches('.'), message);
    }
    table.close(&[]);
    let destination = destination.ok()?;
    key.map(|_| destination)
}

/// The destination that comes of a preset and of settings that were read before, with nothing else written: its key is the
/// preset's.
///
/// # Errors
/// There is no such preset, or its settings are no longer what it takes.
pub fn read_preset(key: &str, settings: &Map<String, Value>) -> Result<Destination, Vec<Problem>> {
    let preset = preset::find(key)
        .ok_or_else(|| vec![Problem::new("kind", "there is no such preset in this version")])?;
    filled_in(preset, key, settings, &Map::new())
}

/// The preset's definition, with what is written beside the settings in the place of its own, read as any definition is.
fn filled_in(
    preset: &'static Preset,
    key: &str,
    settings: &Map<String, Value>,
    written: &Map<String, Value>,
) -> Result<Destination, Vec<Problem>> {
    let mut definition = Map::new();
    // A key that was refused is not needed to find out what else is wrong.
    definition.insert("key".to_owned(), Value::from(if key.is_empty() { "unnamed" } else { key }));
    definition.insert("kind".to_owned(), Value::from("webhook_action"));
    definition.extend(preset.expand(&standing_in(preset, settings)));
    definition.extend(written.clone());
    let definition = Value::Object(definition);
    let problems = Problems::default();
    let read = Field::new("", &definition, &problems).table().and_then(super::read);
    let mut destination = problems.finish(read)?;
    let only = preset.condition(settings).map(|text| Fql::parse(&text)).transpose();
    let only = only.map_err(|error| vec![Problem::new("kind", format!("the preset's condition {error}"))])?;
    if let DestinationKind::WebhookAction(action) = destination.kind {
        let (preset, settings) = (preset.key.clone(), settings.clone());
        destination.kind = DestinationKind::Preset { preset, settings, only, action };
    }
    Ok(destination)
}

/// The settings, with an address in the place of one that is kept: it is filled in once it is known which.
fn standing_in(preset: &Preset, settings: &Map<String, Value>) -> Map<String, Value> {
    let mut known = settings.clone();
    for setting in preset.settings.iter().filter(|setting| setting.form == Form::Webhook) {
        if let Some(kept) = known.get_mut(&setting.key).filter(|value| **value == REDACTED) {
            *kept = "https://kept.invalid/".into();
        }
    }
    known
}

/// A problem with what came of a preset, as one with what was written: the setting behind it that was given.
fn blamed(
    preset: &Preset,
    problem: Problem,
    settings: &Map<String, Value>,
    written: &Map<String, Value>,
) -> Problem {
    let first = problem.field.split(['.', '[']).next().unwrap_or_default();
    if written.contains_key(first) {
        return problem;
    }
    let behind = preset.settings_behind(&problem.field);
    match behind.into_iter().find(|key| settings.contains_key(*key)) {
        Some(key) => Problem::new(key, problem.message),
        None => Problem::new("", problem.to_string()),
    }
}

/// Whether a setting is as it has to be; what is wrong is noted.
fn setting_fits(setting: &Setting, field: &Field<'_, '_>) -> bool {
    match setting.form {
        Form::Text => field.parse(|text| text_fits(setting, text, check::header_value)).is_some(),
        Form::Word => field.parse(|text| text_fits(setting, text, word)).is_some(),
        Form::Url => field.parse(|text| text_fits(setting, text, base_url)).is_some(),
        Form::Webhook => field.parse(|text| text_fits(setting, text, check::http_url)).is_some(),
        Form::List => {
            let texts =
                field.texts(MAX_SETTING_ENTRIES, |text| text_fits(setting, text, check::header_value));
            if texts.as_ref().is_some_and(Vec::is_empty) && field.value.as_array().is_some_and(Vec::is_empty)
            {
                field.problem("name at least one");
            }
            texts.is_some_and(|texts| {
                Some(texts.len()) == field.value.as_array().map(Vec::len) && !texts.is_empty()
            })
        }
        Form::Table => field.table().is_some_and(|table| {
            let fits = table.entries().count() <= MAX_SETTING_ENTRIES;
            if !fits {
                field.problem(format!("has more than {MAX_SETTING_ENTRIES} entries"));
            }
            // Its values may be directives, and are told of by the place where they stand here.
            mapping::parse(field, |_, _| {}).is_some() && fits
        }),
    }
}

fn text_fits<'t>(
    setting: &Setting,
    text: &'t str,
    check: fn(&str) -> Result<&str, String>,
) -> Result<&'t str, String> {
    // Stands for the one that is kept.
    if setting.secret && text == REDACTED {
        return Ok(text);
    }
    if !setting.choices.is_empty() && !setting.choices.contains_key(text) {
        let words: Vec<&str> = setting.choices.keys().map(String::as_str).collect();
        let hint = super::super::did_you_mean(text, words.iter().copied());
        return Err(format!("expected {}, found another text{hint}", words.join(" or ")));
    }
    check(text)?;
    if !setting.lengths.is_empty() && !setting.lengths.contains(&text.chars().count()) {
        let lengths: Vec<String> = setting.lengths.iter().map(ToString::to_string).collect();
        return Err(format!("must be {} characters long", lengths.join(" or ")));
    }
    Ok(text)
}

fn word(text: &str) -> Result<&str, String> {
    if text.len() <= 256
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Ok(text);
    }
    Err("must be letters, digits, - and _ only, since it stands in an address".to_owned())
}

fn base_url(text: &str) -> Result<&str, String> {
    if text.contains(['?', '#']) {
        return Err("must be an address without ? and #, to which a path is added".to_owned());
    }
    check::http_url(text)
}
