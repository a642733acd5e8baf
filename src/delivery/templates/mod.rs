//! Templates: of mails (`email/<name>/{subject.txt,body.txt,body.html}`), of what calls say and messages are (`call/stalled.txt`,
//! `sms/stalled.txt`), built in or from the operator's own folder.
//!
//! A file in that folder wins over the built-in one of the same name, one by one. Templates are read when something is made of
//! them, so a change takes effect at once. They are minijinja; what is written into `.html` is escaped.

mod environment;
mod filters;
pub(in crate::delivery) mod samples;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;

use chrono_tz::Tz;
use minijinja::value::Serde;
use minijinja::{Environment, Error};
use serde_json::{Map, Value};

pub use self::environment::Kind;
pub use self::text::{TextKind, check_text, preview_text, render_text};
use crate::domain::limits::MAIL_SUBJECT_CHARS;

/// The built-in template that fits every stall.
pub const FALLBACK: &str = "stalled";

/// A mail's three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: String,
}

/// Where templates come from; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    folder: Option<PathBuf>,
}

impl Templates {
    /// Only those that are built in.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Those that are built in, and those in `folder` (in its `email`, `call` and `sms`), which win.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Whether mails can be made from the template `name`: it exists, compiles, and comes out with a sample.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn check(&self, name: &str) -> Result<(), String> {
        for context in samples::of_mail(name) {
            self.render(name, &context)?;
        }
        Ok(())
    }

    /// The names of all mail templates, those in the folder too.
    pub fn names(&self) -> Vec<String> {
        environment::mail_names(self.folder.as_deref())
    }

    /// Makes a mail.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn render(&self, name: &str, context: &Map<String, Value>) -> Result<Mail, String> {
        mail(&self.environment(Kind::Email, context), name, context)
    }

    /// What makes mails to be looked at, by the clock of that zone (an IANA name; what is none is UTC).
    pub fn previews(&self, zone: &str) -> Previews {
        let zone = zone.parse().unwrap_or(Tz::UTC);
        Previews { env: environment::new(self.folder.as_deref(), Kind::Email, zone) }
    }

    /// What takes the place of a mail whose template failed: the built-in one of that name, or else the one that fits every stall.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn render_built_in(name: &str, context: &Map<String, Value>) -> Result<Mail, String> {
        let built_in = Self::built_in();
        let env = built_in.environment(Kind::Email, context);
        let is_there = check_name(name).is_ok() && env.get_template(&format!("{name}/subject.txt")).is_ok();
        built_in.render(if is_there { name } else { FALLBACK }, context)
    }

    /// A page of those behind links: `act/<name>`.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn render_page(name: &str, context: &Map<String, Value>) -> Result<String, String> {
        let env = Self::built_in().environment(Kind::Act, context);
        let template = env.get_template(name).map_err(|error| explain(&error))?;
        template.render(minijinja::Value::from(Serde(context.clone()))).map_err(|error| explain(&error))
    }

    fn environment(&self, kind: Kind, context: &Map<String, Value>) -> Environment<'static> {
        environment::new(self.folder.as_deref(), kind, zone(context))
    }
}

/// Makes mails to be looked at, each of its templates read once. Not to be kept: changes of templates take effect at once.
#[derive(Debug)]
pub struct Previews {
    env: Environment<'static>,
}

impl Previews {
    /// A mail about a journey that never was, with what `about` says of it.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn mail(&self, name: &str, about: &Map<String, Value>) -> Result<Mail, String> {
        mail(&self.env, name, &samples::of_journey(about))
    }
}

/// The mail of that name.
fn mail(env: &Environment<'_>, name: &str, context: &Map<String, Value>) -> Result<Mail, String> {
    check_name(name)?;
    let context = minijinja::Value::from(Serde(complete(context)));
    let part = |file: &str| {
        let template = env.get_template(&format!("{name}/{file}")).map_err(|error| explain(&error))?;
        template.render(context.clone()).map_err(|error| explain(&error))
    };
    let subject = one_line(&part("subject.txt")?);
    if subject.is_empty() {
        return Err(format!("{name}/subject.txt: the subject came out empty"));
    }
    Ok(Mail { subject: cut(subject, MAIL_SUBJECT_CHARS), text: part("body.txt")?, html: part("body.html")? })
}

/// An environment for the pages of the console, which are built in.
pub fn pages(zone: Tz) -> Environment<'static> {
    environment::new(None, Kind::Console, zone)
}

/// The zone whose clock times are shown by.
fn zone(context: &Map<String, Value>) -> Tz {
    let name = context.get("timeZone").and_then(Value::as_str);
    name.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(allowed) {
        Ok(())
    } else {
        let shown: String = name.chars().take(64).collect();
        Err(format!("`{shown}` is not a template's name: use a-z, 0-9, _ and -"))
    }
}

/// What went wrong with a template, with its file and line.
pub fn explain(error: &Error) -> String {
    let place = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{name}:{line}: "),
        (Some(name), None) => format!("{name}: "),
        (None, _) => String::new(),
    };
    match error.detail() {
        Some(detail) => format!("{place}{} ({detail})", error.kind()),
        None => format!("{place}{}", error.kind()),
    }
}

/// One line, without what could end a header.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters, with a sign that there was more.
fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `context` with everything that templates may count on; what is not known is null.
fn complete(context: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = context.clone();
    whole.values_mut().for_each(put_on_one_line);
    for key in [
        "level",
        "levels",
        "after",
        "stalledFor",
        "again",
        "nobodyOnCall",
        "outsideHours",
        "thread",
        "link",
        "now",
        "digest",
        "summary",
        "chart",
    ] {
        whole.entry(key).or_insert(Value::Null);
    }
    whole.entry("timeZone").or_insert_with(|| "UTC".into());
    fill(&mut whole, "user", &[]);
    fill(
        &mut whole,
        "links",
        &["acknowledge", "resolve", "snoozeHour", "snoozeTomorrow", "acknowledgeAll", "unsubscribe", "until"],
    );
    fill(
        &mut whole,
        "journey",
        &[
            "id",
            "userId",
            "phoneNumber",
            "flow",
            "stage",
            "status",
            "executionSid",
            "startedAt",
            "stageAt",
            "died",
        ],
    );
    if let Some(Value::Object(journey)) = whole.get_mut("journey") {
        for list in ["steps", "alarms"] {
            journey.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    let oldest = whole.get_mut("summary").and_then(|summary| summary.get_mut("oldest"));
    for journey in oldest.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    {
        for field in ["phoneNumber", "link"] {
            journey.entry(field).or_insert(Value::Null);
        }
    }
    let listed = whole.get_mut("digest").and_then(|digest| digest.get_mut("journeys"));
    for journey in listed.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    {
        journey.entry("acknowledge").or_insert(Value::Null);
    }
    whole
}

/// Nobody is to write lines of a mail by what he calls himself.
fn put_on_one_line(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(char::is_control) => *text = text.replace(char::is_control, " "),
        Value::Object(fields) => fields.values_mut().for_each(put_on_one_line),
        Value::Array(items) => items.iter_mut().for_each(put_on_one_line),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Makes `key` an object that has these fields.
fn fill(context: &mut Map<String, Value>, key: &str, fields: &[&str]) {
    let object = context.entry(key).or_insert(Value::Null);
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    if let Value::Object(object) = object {
        for field in fields {
            object.entry(*field).or_insert(Value::Null);
        }
    }
}
