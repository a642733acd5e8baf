//! FQL, Segment's destination filter query language: a condition on one event, such as
//! `type = "track" and match(event, "Order *") and properties.total >= 100`.
//!
//! [`Fql::parse`] reads it, [`Fql::matches`] asks an event (as JSON), and its `Display` is the canonical text, which
//! parses to an equal filter. A filter is used as a destination's filter or as a trigger of a webhook action; what an
//! absent field means differs between the two, see [`Dialect`].
//!
//! The language is that of Segment's page "Destination Filter Query Language"; what differs in triggers follows the
//! triggers of Segment's destination actions. Where these say nothing:
//!
//! * `and` binds tighter than `or`; both look at the right side only if the left one does not decide.
//! * `!a = b` is `!(a = b)`; `!null` is true.
//! * A text, number, list or object where true or false is needed is an error, and so is a function given a type that it
//!   does not take. An event that cannot be judged does not match: what is not known to be wanted is not sent.
//! * Later names of a path may begin with a digit or a minus (`properties.2fa`).
//! * A keyword written with capitals (`AND`, `NULL`) is refused, lest it be taken for a field that no event has. A
//!   backslash makes it a field: `\NULL`.
//! * `[!a]` and `[^a]` in a pattern are no negation; these characters stand for themselves.
//! * `typeof` of an object is `"map"`. `bool` is false for null, 0, an empty list and the texts `""`, `"false"` and `"0"`.
//!   `string(null)` is `""`, a list becomes its JSON. `number(null)` is null, a text that is no number an error.
//!
//! ```text
//! lexer → parser → ast, function, glob, number ─▶ format (canonical text)
//!                    └─ datum, evaluate: one event against it ─▶ fault: why it could not be judged
//! ```

mod ast;
mod datum;
mod evaluate;
mod fault;
mod format;
mod function;
mod glob;
mod lexer;
mod number;
mod parser;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::limits::MAX_FQL_BYTES;
use super::query::QueryError;

pub use fault::FqlFault;

use ast::Expression;

/// The first thing wrong with the text of a filter, and where; the same form as for any query.
pub type FqlError = QueryError;

/// A parsed, valid filter: at most [`MAX_FQL_BYTES`] long, written out canonically too. Its `Display` is the canonical
/// text, which parses to an equal filter; serde writes and reads that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fql {
    expression: Expression,
}

/// What a filter is used as. That decides what holds of a field that is not there, or is of another type than it is
/// tested for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As in destination filters: such a test is false, so that its negation is true (`!contains(properties.missing, "x")`
    /// and `properties.missing != 5` hold).
    Filter,
    /// As in the triggers of destination actions: a comparison with a constant number, an order, `contains` and `match`
    /// are unknown then: neither they nor their negation hold. Everything else is as in [`Dialect::Filter`]:
    /// `properties.missing != "x"` holds.
    Trigger,
}

impl Fql {
    /// Reads a filter. Never panics, and its time is linear in the length of `text`.
    ///
    /// # Errors
    /// The first thing that is wrong, and where: no FQL, one of the `MAX_FQL_…` limits, or a condition that can only be
    /// an error (a text alone, a constant that a function does not take, a broken pattern). A text of spaces alone is none.
    pub fn parse(text: &str) -> Result<Self, FqlError> {
        let filter = Self { expression: parser::parse(text)? };
        // Escapes, spaces and brackets may make the canonical text longer than what was written.
        let written = filter.to_string().len();
        if written > MAX_FQL_BYTES {
            let message =
                format!("filter is too long when written out in full ({written} > {MAX_FQL_BYTES} bytes)");
            return Err(FqlError::at(text, 0, message));
        }
        Ok(filter)
    }

    /// Whether an event matches. One that cannot be judged does not.
    pub fn matches(&self, event: &Value, dialect: Dialect) -> bool {
        self.evaluate(event, dialect).unwrap_or(false)
    }

    /// Whether an event matches; depends on nothing else, never panics, and is bounded in time by
    /// [`MAX_FQL_STEPS`](super::limits::MAX_FQL_STEPS).
    ///
    /// # Errors
    /// Why the event could not be judged. It is not to be sent then.
    pub fn evaluate(&self, event: &Value, dialect: Dialect) -> Result<bool, FqlFault> {
        evaluate::evaluate(&self.expression, event, dialect)
    }
}

impl std::str::FromStr for Fql {
    type Err = FqlError;

    fn from_str(text: &str) -> Result<Self, FqlError> {
        Self::parse(text)
    }
}

impl serde::Serialize for Fql {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fql {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
