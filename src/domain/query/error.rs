//! Why a query was refused, and where. Filters ([`crate::domain::fql`]) are refused in the same form.

use std::fmt;

/// The first thing wrong with a query text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// What is wrong, in one line without the position.
    pub message: String,
    /// What could have stood there instead; may be empty.
    pub expected: Vec<String>,
    /// Where, in bytes from the beginning of the text; always on a character boundary.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What was probably meant, as text to write there.
    pub suggestion: Option<String>,
}

impl QueryError {
    /// An error at a byte offset of `text`.
    pub(in crate::domain) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let offset = text.floor_char_boundary(offset);
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            message: message.into(),
            expected: Vec::new(),
            offset,
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            suggestion: None,
        }
    }

    /// Adds what could have stood there.
    pub(in crate::domain) fn expecting<'a>(mut self, expected: impl IntoIterator<Item = &'a str>) -> Self {
        self.expected = expected.into_iter().map(str::to_owned).collect();
        self
    }

    /// Adds what was probably meant.
    pub(in crate::domain) fn suggesting(mut self, suggestion: Option<&str>) -> Self {
        self.suggestion = suggestion.map(str::to_owned);
        self
    }

    /// The offending line of `text` (the text that was parsed) and beneath it a caret at the column.
    pub fn caret(&self, text: &str) -> String {
        let line = text.split('\n').nth(self.line - 1).unwrap_or("").trim_end_matches('\r');
        // Tabs are kept so that the caret stays under its character however wide they are shown.
        let indent: String =
            line.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        format!("{line}\n{indent}^")
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.message, self.line, self.column)?;
        if let Some((last, others)) = self.expected.split_last() {
            f.write_str("; expected ")?;
            if !others.is_empty() {
                write!(f, "{} or ", others.join(", "))?;
            }
            f.write_str(last)?;
        }
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for QueryError {}
