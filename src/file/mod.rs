//! Files of definitions and settings.
//!
//! One file may hold either or both: the tables `source`, `flow`, `destination`, `audience` and their like, and `twilio`, are
//! definitions, every other key is a setting.

mod bundle;
mod problem;
mod toml;
pub mod write;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::domain::definition::document::{self, TABLES, TWILIO_TABLE};
use crate::domain::definition::{Definition, Kind, Problem};
use crate::domain::limits::MAX_DEFINITIONS_BYTES;

pub use bundle::Bundle;
pub use problem::FileProblem;

use self::toml::Lines;

/// What an environment variable is set to.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A file that was read.
#[derive(Debug)]
pub struct File {
    /// Its name, as it was given.
    pub name: String,
    /// Its settings; the variables in them are replaced.
    pub settings: Map<String, Value>,
    /// Its definitions as they can be sent to the API; the variables in them are replaced.
    pub document: Map<String, Value>,
    /// Its definitions; empty where something is wrong with one.
    pub definitions: Vec<Definition>,
    /// What is wrong with it: its syntax, its variables, its definitions. Settings are for
    /// [`Config::load`](crate::config::Config::load) to judge.
    pub problems: Vec<FileProblem>,
    lines: Lines,
}

impl File {
    /// Reads the file at `path`.
    pub fn load(path: &Path, environment: Lookup<'_>) -> Self {
        let name = path.display().to_string();
        match read_text(path) {
            Ok(text) => Self::parse(&name, &text, environment),
            Err(message) => Self::failed(&name, vec![FileProblem::whole(&name, message)]),
        }
    }

    /// Reads `text`, which stands in a file of that name.
    pub fn parse(name: &str, text: &str, environment: Lookup<'_>) -> Self {
        let (whole, lines) = match toml::parse(text) {
            Ok(parsed) => parsed,
            Err(faults) => {
                let problems = faults.into_iter().map(|fault| FileProblem {
                    file: name.to_owned(),
                    line: Some(fault.line),
                    column: Some(fault.column),
                    key: String::new(),
                    message: fault.message,
                });
                return Self::failed(name, problems.collect());
            }
        };
        let mut whole = Value::Object(whole);
        let mut problems = document::substitute(&mut whole, environment);
        let (document, settings) = split(whole);
        let document = Value::Object(document);
        let definitions = document::read(&document).unwrap_or_else(|found| {
            // A variable that is not set is the problem, not that its name in ${…} is no URL.
            let known: Vec<String> = problems.iter().map(|problem| problem.field.clone()).collect();
            problems.extend(found.into_iter().filter(|problem| !known.contains(&problem.field)));
            Vec::new()
        });
        let Value::Object(document) = document else { return Self::failed(name, Vec::new()) };
        let mut file =
            Self { name: name.to_owned(), settings, document, definitions, problems: Vec::new(), lines };
        file.problems = problems.into_iter().map(|problem| file.locate(problem)).collect();
        file.problems.sort();
        file
    }

    fn failed(name: &str, problems: Vec<FileProblem>) -> Self {
        Self {
            name: name.to_owned(),
            settings: Map::new(),
            document: Map::new(),
            definitions: Vec::new(),
            problems,
            lines: Lines::default(),
        }
    }

    /// Where the definition stands that is the `index`th of its kind: the table `[twilio]` is the last of the destinations.
    fn place(&self, kind: Kind, index: usize) -> String {
        let listed = self.document.get(kind.as_str()).and_then(Value::as_array).map_or(0, Vec::len);
        if kind == Kind::Destination && index == listed && self.document.contains_key(TWILIO_TABLE) {
            return TWILIO_TABLE.to_owned();
        }
        format!("{}[{index}]", kind.as_str())
    }

    /// Where in this file a problem stands.
    pub fn locate(&self, problem: Problem) -> FileProblem {
        FileProblem {
            file: self.name.clone(),
            line: self.lines.of(&problem.field),
            column: None,
            key: problem.field,
            message: problem.message,
        }
    }
}

/// Definitions and settings of a whole file.
fn split(whole: Value) -> (Map<String, Value>, Map<String, Value>) {
    let Value::Object(whole) = whole else { return (Map::new(), Map::new()) };
    whole
        .into_iter()
        .partition(|(key, _)| TABLES.contains(&key.as_str()) || key == TWILIO_TABLE)
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| format!("can't be opened: {error}"))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_DEFINITIONS_BYTES).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() > MAX_DEFINITIONS_BYTES {
        return Err(format!("is larger than {MAX_DEFINITIONS_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        format!("is not UTF-8 (line {})", lines + 1)
    })
}
