//! What is wrong with a definition.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `flow[0].escalation[1].after`, or empty for the whole document.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// The same problem in a larger whole, in which its field stands under `at`.
    pub fn under(self, at: &str) -> Self {
        let field = if self.field.is_empty() { at.to_owned() } else { format!("{at}.{}", self.field) };
        Self { field, ..self }
    }

    /// The same problem as seen from the one definition that was put: without `flow[0].` in front of its field.
    pub fn of_one(self) -> Self {
        let field = match self.field.split_once("[0]") {
            Some((table, rest)) if !table.contains('.') => rest.trim_start_matches('.').to_owned(),
            Some(_) | None => return self,
        };
        Self { field, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}
