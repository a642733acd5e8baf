//! What is wrong with a mapping, and why one could not be evaluated; always with the place.

use std::fmt;

/// One thing wrong with a definition. Its `Display` is `/@case should be an object but it is a string.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingProblem {
    /// Where: the keys and indexes that lead there, each after a `/`, with `~1` for a `/` and `~0` for a `~` inside one
    /// (a JSON Pointer); `/` for the root.
    pub path: String,
    /// What, in words that follow the path: `should be an object but it is a string`.
    pub message: String,
}

impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.", self.path, self.message)
    }
}

impl std::error::Error for MappingProblem {}

/// Why a valid mapping gives nothing for an event. Its `Display` is `/a/@template: expected string, got undefined`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    /// Which part of the definition failed, as in [`MappingProblem::path`].
    pub path: String,
    /// What happened; never holds values of the event.
    pub message: String,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for MappingError {}

/// A [`MappingError`] on its way up: every level adds where it was.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    /// The innermost key first.
    trail: Vec<String>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), trail: Vec::new() }
    }

    /// Adds the key or index that led to it.
    pub(super) fn within(mut self, key: impl fmt::Display) -> Self {
        self.trail.push(key.to_string());
        self
    }
}

impl From<Failure> for MappingError {
    fn from(failure: Failure) -> Self {
        Self { path: pointer(failure.trail.iter().rev().map(String::as_str)), message: failure.message }
    }
}

/// The path that these keys make.
pub(super) fn pointer<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    let mut path = String::new();
    for key in keys {
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    if path.is_empty() { "/".to_owned() } else { path }
}
