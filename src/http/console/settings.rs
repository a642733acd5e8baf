//! Definitions as forms: a field for each setting, and one for what no field holds. Definitions come in the shape in which the API
//! takes and shows them, so that what is shown in place of a secret keeps it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::form::Fields;
use super::texts::{filled, text};
use crate::domain::definition::Problem;

/// The field with everything that has no field of its own.
const MORE: &str = "more";
/// What the API shows beside a definition.
const SHOWN_ONLY: [&str; 4] = ["key", "kind", "createdAt", "updatedAt"];

/// What is typed, or wrong, by the names of fields.
pub(super) type ByField = BTreeMap<String, String>;

/// The sections of `texts.toml` that have the labels and the hints of settings.
pub(super) type Words = (&'static str, &'static str);

/// What is typed into a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum How {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A text that is never shown.
    Secret,
    /// Texts, one in each line.
    Lines,
    /// `Name: value` in each line.
    Headers,
    /// JSON.
    Json,
    /// A text, or JSON where it begins with `{`.
    TextOrJson,
    /// A box to tick.
    Check,
    /// One of some words, or none of them.
    Choice(Vec<String>),
    /// `true` or `false`, or neither.
    Truth,
}

/// A setting as it is filled in.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Its place in the definition, `mapping.url`, `urls[0].url`.
    pub name: String,
    /// What is typed.
    pub how: How,
    /// What it is called.
    pub label: String,
    /// What helps to fill it in; may be empty.
    pub hint: String,
}

impl Setting {
    /// A setting in words of `texts.toml`: those two sections have labels and hints, by the names of settings.
    pub fn new((labels, hints): Words, name: &str, how: How) -> Self {
        let word = name.rsplit_once("].").map_or(name, |(_, last)| last).replace('.', "_");
        let hint = format!("{hints}.{word}");
        let hint = Some(text(&hint)).filter(|found| *found != hint).unwrap_or_default();
        Self { name: name.to_owned(), how, label: text(&format!("{labels}.{word}")), hint }
    }

    /// The field for everything else.
    pub fn more() -> Self {
        Self::new(("definition.fields", "definition.hints"), MORE, How::Json)
    }

    /// For templates.
    pub fn shown(&self, typed: &ByField, wrong: &ByField) -> Value {
        let (form, options) = match &self.how {
            How::Text | How::Number | How::TextOrJson => ("text", Vec::new()),
            How::Secret => ("password", Vec::new()),
            How::Lines | How::Headers | How::Json => ("area", Vec::new()),
            How::Check => ("check", Vec::new()),
            How::Choice(words) => ("choice", words.clone()),
            How::Truth => ("choice", vec!["true".to_owned(), "false".to_owned()]),
        };
        let value = typed.get(&self.name).map_or("", String::as_str);
        json!({
            "name": self.name,
            "form": form,
            "label": self.label,
            "hint": self.hint,
            "value": value,
            "rows": (value.lines().count() + 1).clamp(2, 20),
            "is_code": matches!(self.how, How::Headers | How::Json),
            "options": options,
            "wrong": wrong.get(&self.name).map_or("", String::as_str),
        })
    }

    /// A value of a definition as it is typed.
    fn typed(&self, value: &Value) -> String {
        let line = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &self.how {
            How::Lines => value.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n"),
            How::Headers => {
                let entries = value.as_object().into_iter().flatten();
                entries.map(|(name, value)| format!("{name}: {}", line(value))).collect::<Vec<_>>().join("\n")
            }
            How::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
            How::Text
            | How::Number
            | How::Secret
            | How::TextOrJson
            | How::Check
            | How::Choice(_)
            | How::Truth => line(value),
        }
    }

    /// What was typed as a value of a definition; `None` where nothing was.
    fn value(&self, typed: &str) -> Result<Option<Value>, String> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok((self.how == How::Check).then_some(Value::Bool(false)));
        }
        let lines = || typed.lines().map(str::trim).filter(|line| !line.is_empty());
        let value = match &self.how {
            How::Text | How::Secret | How::Choice(_) => typed.into(),
            // What is no number is for the definition's reader to complain of.
            How::Number => typed.parse::<u64>().map_or_else(|_| typed.into(), Value::from),
            How::Check => true.into(),
            How::Truth => (typed == "true").into(),
            How::Lines => lines().collect(),
            How::Headers => {
                let mut headers = Map::new();
                for line in lines() {
                    let wrong = || filled("definition.no_header", &[("line", line)]);
                    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
                    headers.insert(name.trim().to_owned(), value.trim().into());
                }
                headers.into()
            }
            How::TextOrJson if !typed.starts_with('{') => typed.into(),
            How::Json | How::TextOrJson => serde_json::from_str(typed)
                .map_err(|error| filled("definition.no_json", &[("why", &error.to_string())]))?,
        };
        Ok(Some(value))
    }
}

/// What stands in the fields for that definition.
pub(super) fn typed(settings: &[Setting], definition: &Value) -> ByField {
    let mut rest = definition.clone();
    if let Some(members) = rest.as_object_mut() {
        members.retain(|key, _| !SHOWN_ONLY.contains(&key.as_str()));
    }
    let mut typed = ByField::new();
    for setting in settings {
        if let Some(value) = definition.pointer(&pointer(&setting.name)) {
            // An empty field means what is usual. That there are to be none of something, no field of lines can say.
            let is_none = setting.how == How::Lines && *value == json!([]);
            typed.insert(setting.name.clone(), setting.typed(value));
            if !is_none {
                take(&mut rest, &steps(&setting.name));
            }
        }
    }
    if rest.as_object().is_some_and(|rest| !rest.is_empty()) {
        typed.insert(MORE.to_owned(), serde_json::to_string_pretty(&rest).unwrap_or_default());
    }
    typed
}

/// What was sent in the fields.
pub(super) fn sent(settings: &[Setting], fields: &Fields) -> ByField {
    settings.iter().map(|setting| (setting.name.clone(), fields.text(&setting.name).to_owned())).collect()
}

/// The definition that was typed, and what can't be read of it.
pub(super) fn definition(settings: &[Setting], typed: &ByField) -> (Value, Vec<Problem>) {
    let (mut definition, mut problems) = (json!({}), Vec::new());
    // What has no field of its own comes first: a field says more.
    let (more, own): (Vec<&Setting>, Vec<&Setting>) = settings.iter().partition(|it| it.name == MORE);
    for setting in more.into_iter().chain(own) {
        match setting.value(typed.get(&setting.name).map_or("", String::as_str)) {
            Ok(None) => {}
            Ok(Some(Value::Object(rest))) if setting.name == MORE => definition = rest.into(),
            Ok(Some(_)) if setting.name == MORE => {
                problems.push(Problem::new(MORE, text("definition.no_table")));
            }
            Ok(Some(value)) => put(&mut definition, &steps(&setting.name), value),
            Err(message) => problems.push(Problem::new(&setting.name, message)),
        }
    }
    (definition, problems)
}

/// What is wrong, beside the fields that it is wrong with; what is beside none is under the empty name.
pub(super) fn faults(settings: &[Setting], problems: &[Problem]) -> ByField {
    let mut faults = ByField::new();
    for problem in problems {
        let holds = |setting: &&Setting| {
            let rest = problem.field.strip_prefix(&setting.name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        // What is missing as a whole is missing where its first part is typed.
        let is_part = |setting: &&Setting| {
            let rest = setting.name.strip_prefix(&problem.field);
            !problem.field.is_empty() && rest.is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let setting = settings.iter().filter(holds).max_by_key(|setting| setting.name.len());
        let setting = setting.or_else(|| settings.iter().find(is_part));
        let name = setting.map_or("", |setting| setting.name.as_str());
        let place = problem.field.strip_prefix(name).unwrap_or_default().trim_start_matches('.');
        let line =
            if place.is_empty() { problem.message.clone() } else { format!("{place}: {}", problem.message) };
        let said = faults.entry(name.to_owned()).or_default();
        if !said.is_empty() {
            said.push('\n');
        }
        said.push_str(&line);
    }
    faults
}

/// The steps of a place: `urls[0].url` is `urls`, `0`, `url`.
fn steps(name: &str) -> Vec<&str> {
    name.split(['.', '[']).map(|step| step.trim_end_matches(']')).collect()
}

fn pointer(name: &str) -> String {
    steps(name).iter().map(|step| format!("/{step}")).collect()
}

/// Takes out what stands at that place, and what is empty without it.
fn take(from: &mut Value, steps: &[&str]) {
    let Some((first, rest)) = steps.split_first() else { return };
    let is_empty = |value: &Value| match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.iter().all(|item| item.as_object().is_some_and(Map::is_empty)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match from {
        Value::Object(members) => {
            if let Some(value) = members.get_mut(*first) {
                take(value, rest);
                if rest.is_empty() || is_empty(value) {
                    members.remove(*first);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = first.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                take(item, rest);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts `value` to that place, and makes the tables and lists on the way.
fn put(into: &mut Value, steps: &[&str], value: Value) {
    let Some((first, rest)) = steps.split_first() else {
        *into = value;
        return;
    };
    if let Ok(index) = first.parse::<usize>() {
        if !into.is_array() {
            *into = json!([]);
        }
        if let Some(items) = into.as_array_mut() {
            items.resize(items.len().max(index + 1), Value::Null);
            put(&mut items[index], rest, value);
        }
    } else {
        if !into.is_object() {
            *into = json!({});
        }
        put(&mut into[*first], rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Vec<Setting> {
        [
            ("urls[0].url", How::Text),
            ("urls[0].headers", How::Headers),
            ("mapping.data", How::Json),
            ("mapping.url", How::TextOrJson),
            ("rate_limit", How::Number),
            ("sources", How::Lines),
            ("names", How::Lines),
            ("enabled", How::Check),
            ("coalesce", How::Truth),
            (MORE, How::Json),
        ]
        .map(|(name, how)| Setting::new(("definition.fields", "definition.hints"), name, how))
        .into()
    }

    #[test]
    fn a_definition_comes_back_from_its_fields() {
        let whole = json!({
            "urls": [{ "url": "https://x.example", "headers": { "X-A": "b: c", "X-D": "********" } }],
            "mapping": { "url": { "@path": "$.url" }, "data": { "a": [1, { "@path": "$.b" }] }, "batch_size": 7 },
            "rate_limit": 5,
            "sources": ["web", "app"],
            "names": [],
            "enabled": true,
            "coalesce": false,
            "auth": { "type": "bearer", "token": "********" },
        });
        let typed = typed(&settings(), &whole);
        assert_eq!(typed["urls[0].headers"], "X-A: b: c\nX-D: ********");
        let more: Value = serde_json::from_str(&typed[MORE]).unwrap();
        assert_eq!(
            more,
            json!({ "mapping": { "batch_size": 7 }, "auth": whole["auth"], "names": [] }),
            "no field holds these"
        );
        assert_eq!(definition(&settings(), &typed), (whole, Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_is_said_beside_its_field() {
        let typed = [("urls[0].headers", "no colon"), ("mapping.data", "{"), (MORE, "[]")];
        let typed = typed.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let (_, problems) = definition(&settings(), &typed);
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, [MORE, "urls[0].headers", "mapping.data"]);
        let problems = [
            Problem::new("mapping.data.user", "bad"),
            Problem::new("sources[1]", "none"),
            Problem::new("urls", "is missing"),
            Problem::new("x", "y"),
        ];
        let faults = faults(&settings(), &problems);
        assert_eq!(faults["mapping.data"], "user: bad");
        assert_eq!(faults["sources"], "[1]: none");
        assert_eq!(faults["urls[0].url"], "is missing");
        assert_eq!(faults[""], "x: y");
    }
}
