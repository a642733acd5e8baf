//! What a call says, and what a message is.

use minijinja::value::Serde;
use serde_json::{Map, Value};

use super::environment::Kind;
use super::{FALLBACK, Templates, complete, explain, one_line, samples};

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// Is spoken: one line.
    Call,
    /// Is read on a telephone.
    Sms,
}

impl TextKind {
    fn kind(self) -> Kind {
        match self {
            Self::Call => Kind::Call,
            Self::Sms => Kind::Sms,
        }
    }
}

/// The text that is made of the template `text`; of `<kind>/stalled.txt` where that is `None`. A template that fails must not keep
/// an alarm from going out: the built-in text takes its place, and the log says so.
///
/// # Errors
/// A message, when not even the built-in text could be made.
pub fn render_text(
    templates: &Templates,
    kind: TextKind,
    text: Option<&str>,
    context: &Map<String, Value>,
) -> Result<String, String> {
    attempt(templates, kind, text, context).or_else(|problem| {
        tracing::warn!(
            kind = kind.kind().folder(),
            "a text template failed, the built-in one is used: {problem}"
        );
        attempt(&Templates::built_in(), kind, None, context)
    })
}

/// Whether texts can be made of the template `text`, or of `<kind>/stalled.txt`: it compiles, and comes out with a sample.
///
/// # Errors
/// A message that names the line.
pub fn check_text(templates: &Templates, kind: TextKind, text: Option<&str>) -> Result<(), String> {
    samples::of_journeys().iter().try_for_each(|context| attempt(templates, kind, text, context).map(drop))
}

/// A text about a journey that never was, with what `about` says of it, to be looked at.
///
/// # Errors
/// A message that names the line.
pub fn preview_text(
    templates: &Templates,
    kind: TextKind,
    text: Option<&str>,
    about: &Map<String, Value>,
) -> Result<String, String> {
    attempt(templates, kind, text, &samples::of_journey(about))
}

fn attempt(
    templates: &Templates,
    kind: TextKind,
    text: Option<&str>,
    context: &Map<String, Value>,
) -> Result<String, String> {
    let env = templates.environment(kind.kind(), context);
    let context = minijinja::Value::from(Serde(complete(context)));
    let made = match text {
        Some(text) => env.render_named_str("text", text, context),
        None => env.get_template(&format!("{FALLBACK}.txt")).and_then(|file| file.render(context)),
    };
    let made = tidy(kind, &made.map_err(|error| explain(&error))?);
    if made.is_empty() { Err("the text came out empty".to_owned()) } else { Ok(made) }
}

/// Without what has no place in it: a message keeps its lines, what is spoken has none.
fn tidy(kind: TextKind, text: &str) -> String {
    match kind {
        TextKind::Call => one_line(text),
        TextKind::Sms => {
            let lines = text.lines().map(one_line).filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}
