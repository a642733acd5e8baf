//! A problem, and where it stands in a file.

use std::fmt;

/// Something wrong in a file, or in the environment or a flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The file; or the variable or flag, and then there is no line.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The column, from 1, of a fault in the syntax.
    pub column: Option<usize>,
    /// The key: `flow[0].escalation[1].after`; empty where it concerns no key.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl FileProblem {
    /// A problem with a whole file, or with a variable or flag.
    pub fn whole(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, key: String::new(), message: message.into() }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{place}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        // A message of several lines shows a text with a mark beneath it; indenting keeps the mark in place.
        write!(f, ": {}", self.message.replace('\n', "\n    "))
    }
}
