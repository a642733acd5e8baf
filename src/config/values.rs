//! Where the text of a setting comes from: a flag, else the environment, else the file, else its default.

use serde_json::{Map, Value};

use super::settings::{OTHER_VARIABLES, SETTINGS, Setting, Shape};
use crate::domain::definition::Problem;
use crate::domain::definition::document::{TABLES, TWILIO_TABLE, did_you_mean};

/// What is said about settings, from three sides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// The settings of the file.
    pub file: Option<&'a Map<String, Value>>,
    /// The environment; variables that are not stagepost's may be among it.
    pub environment: &'a [(String, String)],
    /// Flags: the setting's key and its value.
    pub flags: &'a [(&'static str, String)],
}

/// Reads settings one by one and notes what is wrong with them.
pub(super) struct Values<'a> {
    said: Said<'a>,
    pub problems: Vec<Problem>,
}

impl<'a> Values<'a> {
    pub fn new(said: Said<'a>) -> Self {
        Self { said, problems: said.file.map(unknown_keys).unwrap_or_default() }
    }

    /// What `parse` makes of the setting's text; `None` when there is none, or it is wrong.
    pub fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        let (field, text) = self.text(setting)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.push(Problem::new(field, message));
                None
            }
        }
    }

    /// The text of a setting, and what a problem with it is to name: the flag, the variable or the key.
    fn text(&mut self, setting: &Setting) -> Option<(String, String)> {
        let flag = self.said.flags.iter().find(|(key, _)| *key == setting.key);
        if let Some((key, value)) = flag {
            return Some((format!("--{}", key.replace('_', "-")), value.clone()));
        }
        // An empty variable is how a container's settings say "not set".
        let set = |(name, value): &&(String, String)| name == setting.env && !value.is_empty();
        if let Some((name, value)) = self.said.environment.iter().find(set) {
            return Some((name.clone(), value.clone()));
        }
        if let Some(value) = self.said.file.and_then(|file| file.get(setting.key)) {
            return match file_text(setting.shape, value) {
                Ok(text) => Some((setting.key.to_owned(), text)),
                Err(message) => {
                    self.problems.push(Problem::new(setting.key, message));
                    None
                }
            };
        }
        (!setting.default.is_empty()).then(|| (setting.key.to_owned(), setting.default.to_owned()))
    }
}

/// A value of the file in the form that it has in the environment.
fn file_text(shape: Shape, value: &Value) -> Result<String, String> {
    match (shape, value) {
        (Shape::Text | Shape::Choice, Value::String(text)) => Ok(text.clone()),
        (Shape::Number, Value::Number(number)) => Ok(number.to_string()),
        (Shape::Choice, Value::Bool(choice)) => Ok(choice.to_string()),
        (Shape::Choice, Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            match texts {
                Some(texts) if texts.is_empty() => Ok("false".to_owned()),
                Some(texts) => Ok(texts.join(",")),
                None => Err("must be a list of texts".to_owned()),
            }
        }
        (Shape::Text, _) => Err("must be a text in quotes".to_owned()),
        (Shape::Number, _) => Err("must be a whole number, without quotes".to_owned()),
        (Shape::Choice, _) => Err("must be true, false or a list of texts".to_owned()),
    }
}

/// A problem for each key of a file that is no setting.
pub fn unknown_keys(file: &Map<String, Value>) -> Vec<Problem> {
    let known = || SETTINGS.iter().map(|setting| setting.key).chain(TABLES).chain([TWILIO_TABLE]);
    let unknown = file.keys().filter(|key| SETTINGS.iter().all(|setting| setting.key != **key));
    unknown
        .map(|key| Problem::new(key, format!("unknown key `{key}`{}", did_you_mean(key, known()))))
        .collect()
}

/// A warning for each variable that looks like stagepost's and is not.
pub(super) fn unknown_variables(environment: &[(String, String)]) -> Vec<String> {
    let known = || SETTINGS.iter().map(|setting| setting.env).chain(OTHER_VARIABLES);
    let ours = environment.iter().map(|(name, _)| name).filter(|name| name.starts_with("STAGEPOST_"));
    let unknown = ours.filter(|name| !known().any(|known| known == name.as_str()));
    unknown
        .map(|name| {
            let hint = did_you_mean(name, known());
            format!("the environment variable {name} is not known and has no effect{hint}")
        })
        .collect()
}
