//! From a preset and its settings to the definition of a webhook action.

use serde_json::{Map, Value};

use super::{Form, Preset, Setting};

/// Part of a text with `${setting}` in it.
enum Piece<'t> {
    Plain(&'t str),
    Setting(&'t str),
}

impl Preset {
    /// The definition of a webhook action that comes of these settings, which were found right before.
    pub fn expand(&self, settings: &Map<String, Value>) -> Map<String, Value> {
        let values = self.values(settings);
        let expanded = self.definition.iter();
        expanded.filter_map(|(key, value)| Some((key.clone(), fill(value, &values)?))).collect()
    }

    /// The keys of destinations that it writes itself, beside what a kind has of its own.
    pub fn written_keys(&self) -> impl Iterator<Item = &str> {
        self.definition.keys().map(String::as_str)
    }

    /// The condition that holds beside a destination's own trigger, with these settings.
    pub fn condition(&self, settings: &Map<String, Value>) -> Option<String> {
        let values = self.values(settings);
        Some(pieces(self.only.as_ref()?).map(|piece| written(&piece, &values)).collect())
    }

    /// The settings that stand behind what the expanded definition has at `path` (`mapping.headers.Authorization`), those
    /// that a default of another names included.
    pub fn settings_behind(&self, path: &str) -> Vec<&str> {
        let mut found = Vec::new();
        if let Some(text) = self.written_at(path) {
            self.note_settings(text, &mut found);
        }
        found
    }

    fn note_settings<'p>(&'p self, text: &'p str, found: &mut Vec<&'p str>) {
        for piece in pieces(text) {
            let Piece::Setting(key) = piece else { continue };
            if found.contains(&key) {
                continue;
            }
            found.push(key);
            let default = self.settings.iter().find(|it| it.key == key).and_then(|it| it.default.as_ref());
            if let Some(text) = default.and_then(Value::as_str) {
                self.note_settings(text, found);
            }
        }
    }

    /// The text that stands at that path, or around it, before anything is filled in.
    fn written_at(&self, path: &str) -> Option<&str> {
        let mut keys = path.split(['.', '[']).map(|key| key.trim_end_matches(']'));
        let mut value = self.definition.get(keys.next()?)?;
        for key in keys {
            let inner = match value {
                Value::Object(members) => members.get(key),
                Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            };
            let Some(inner) = inner else { break };
            value = inner;
        }
        value.as_str()
    }

    /// What stands for each setting: its choice's word replaced, its default where nothing was written.
    fn values(&self, settings: &Map<String, Value>) -> Map<String, Value> {
        let mut values = Map::new();
        for setting in &self.settings {
            let written = settings.get(&setting.key).filter(|value| !value.is_null()).cloned();
            let value =
                written.or_else(|| setting.default.as_ref().and_then(|default| fill(default, &values)));
            let Some(value) = value else { continue };
            values.insert(setting.key.clone(), setting.meaning(value));
        }
        values
    }
}

impl Setting {
    /// What comes in the place of a value that was written.
    fn meaning(&self, value: Value) -> Value {
        let Some(text) = value.as_str() else { return value };
        match self.choices.get(text) {
            Some(chosen) => Value::from(chosen.as_str()),
            None if self.form == Form::Url => Value::from(text.trim_end_matches('/')),
            None => value,
        }
    }
}

/// `value` with the settings filled in; `None` where it is nothing but one that is not set.
fn fill(value: &Value, values: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        Value::String(text) => {
            let found: Vec<Piece<'_>> = pieces(text).collect();
            match found.as_slice() {
                [Piece::Setting(key)] => values.get(*key)?.clone(),
                several => {
                    Value::from(several.iter().map(|piece| written(piece, values)).collect::<String>())
                }
            }
        }
        Value::Array(items) => items.iter().filter_map(|item| fill(item, values)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().filter_map(|(key, item)| Some((key.clone(), fill(item, values)?))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// A piece of a longer text.
fn written(piece: &Piece<'_>, values: &Map<String, Value>) -> String {
    match piece {
        Piece::Plain(text) => (*text).to_owned(),
        Piece::Setting(key) => match values.get(*key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        },
    }
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if let Some((key, after)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
            rest = after;
            return Some(Piece::Setting(key));
        }
        if rest.is_empty() {
            return None;
        }
        // From the second character on: a `${` without an end is a text like any other.
        let end = rest.char_indices().skip(1).find(|(at, _)| rest[*at..].starts_with("${"));
        let (plain, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        Some(Piece::Plain(plain))
    })
}
