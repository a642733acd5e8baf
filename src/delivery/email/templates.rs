//! Mail templates: `<name>/{subject.txt,body.txt,body.html}`, built in or from the operator's own folder.
//!
//! A file in that folder wins over the built-in one of the same name, one by one. Templates are read when a mail is made,
//! so a change takes effect at once. They are minijinja; what is written into `.html` is escaped.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter,
};
use serde_json::{Map, Value, json};

use super::filters;
use crate::domain::limits::{MAIL_SUBJECT_CHARS, TEMPLATE_FUEL};

/// The built-in template that fits every stall.
pub const FALLBACK: &str = "stalled";

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/email");

/// Largest template file that is read.
const MAX_FILE: u64 = 256 * 1024;

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

    /// Those that are built in, and those in `folder`, which win.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Whether mails can be made from the template `name`: it exists, compiles, and comes out with a sample.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn check(&self, name: &str) -> Result<(), String> {
        for context in samples() {
            self.render(name, &context)?;
        }
        Ok(())
    }

    /// Makes a mail.
    ///
    /// # Errors
    /// A message that names file and line.
    pub fn render(&self, name: &str, context: &Map<String, Value>) -> Result<Mail, String> {
        check_name(name)?;
        let env = self.environment();
        let context = minijinja::Value::from(minijinja::value::Serde(complete(context)));
        let part = |file: &str| {
            let template = env.get_template(&format!("{name}/{file}")).map_err(|error| explain(&error))?;
            template.render(context.clone()).map_err(|error| explain(&error))
        };
        let subject = one_line(&part("subject.txt")?);
        if subject.is_empty() {
            return Err(format!("{name}/subject.txt: the subject came out empty"));
        }
        Ok(Mail { subject, text: part("body.txt")?, html: part("body.html")? })
    }

    fn environment(&self) -> Environment<'static> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(TEMPLATE_FUEL));
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            env.set_syntax(syntax);
        }
        env.set_formatter(write_value);
        env.set_auto_escape_callback(|file| {
            if file.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        filters::add_to(&mut env);
        let folder = self.folder.clone();
        env.set_loader(move |path| load(folder.as_ref(), path));
        env
    }
}

/// As usual, but slashes stay as they are in HTML: links are readable in the source, and no less safe.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::Html) || value.is_safe() || value.is_undefined() {
        return escape_formatter(out, state, value);
    }
    for letter in value.to_string().chars() {
        match letter {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&#39;"),
            other => out.write_char(other),
        }?;
    }
    Ok(())
}

/// The file at `path`, which has to be plain names with slashes between: nothing leads out of the folder.
fn load(folder: Option<&PathBuf>, path: &str) -> Result<Option<String>, Error> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if !path.split('/').all(plain) {
        return Ok(None);
    }
    if let Some(file) = folder.map(|folder| folder.join(path)) {
        match fs::metadata(&file) {
            Ok(found) if found.len() > MAX_FILE => return Err(unreadable(path, "it is larger than 256 KiB")),
            Ok(_) => return fs::read_to_string(&file).map(Some).map_err(|error| unreadable(path, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, error)),
        }
    }
    Ok(BUILT_IN.get_file(path).and_then(|file| file.contents_utf8()).map(str::to_owned))
}

fn unreadable(path: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{path} can't be read: {why}"))
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

fn explain(error: &Error) -> String {
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

/// One line, without what could end a header, and not too long.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MAIL_SUBJECT_CHARS {
        return words;
    }
    let mut cut: String = words.chars().take(MAIL_SUBJECT_CHARS - 1).collect();
    cut.push('…');
    cut
}

/// `context` with everything that templates may count on; what is not known is null.
fn complete(context: &Map<String, Value>) -> Map<String, Value> {
    let mut whole = context.clone();
    for key in ["level", "levels", "after", "stalledFor", "link", "now"] {
        whole.entry(key).or_insert(Value::Null);
    }
    let journey = whole.entry("journey").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(journey) = journey {
        for key in
            ["id", "userId", "phoneNumber", "flow", "stage", "status", "executionSid", "startedAt", "stageAt"]
        {
            journey.entry(key).or_insert(Value::Null);
        }
        journey.entry("steps").or_insert_with(|| Value::Array(Vec::new()));
    }
    whole
}

/// A journey with everything, and one of which little is known.
pub(super) fn samples() -> [Map<String, Value>; 2] {
    let step = |stage: &str, at: &str, received: &str| json!({ "stage": stage, "at": format!("2026-11-21T{at}.000Z"), "receivedAt": format!("2026-11-21T{received}.000Z") });
    let full = json!({
        "journey": {
            "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
            "userId": "019mr8mf4r",
            "phoneNumber": "+15550001111",
            "flow": "appointment_confirmation",
            "stage": "no_reply",
            "status": "stalled",
            "executionSid": "FN0123456789abcdef0123456789abcdef",
            "startedAt": "2026-11-21T09:12:04.000Z",
            "stageAt": "2026-11-21T09:29:10.000Z",
            "steps": [
                step("initiation", "09:12:04", "09:12:04"),
                step("reminder_sent", "09:20:00", "09:26:31"),
                step("no_reply", "09:29:10", "09:29:10"),
            ],
        },
        "level": 1,
        "levels": 2,
        "after": "30m",
        "stalledFor": "31 minutes",
        "link": "https://stagepost.example.com/api/journeys/jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
        "now": "2026-11-21T10:00:10.000Z",
    });
    let bare = json!({
        "journey": {
            "id": "jny_01m8x3q4r5s6t7v8w9x0y1z2a3",
            "userId": "019mr8mf4r",
            "phoneNumber": null,
            "flow": "appointment_confirmation",
            "stage": "initiation",
            "status": "stalled",
            "executionSid": null,
            "startedAt": "2026-11-21T09:12:04.000Z",
            "stageAt": "2026-11-21T09:12:04.000Z",
            "steps": [],
        },
        "level": 1,
        "levels": 1,
        "after": "30m",
        "stalledFor": "30 minutes",
        "link": null,
        "now": "2026-11-21T09:42:04.000Z",
    });
    [full, bare].map(|sample| match sample {
        Value::Object(sample) => sample,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    })
}
