//! Mappings: JSON that says how an event becomes the body, URL or header of a call.
//!
//! [`Mapping::parse`] reads a mapping such as `{"user": {"@path": "$.userId"}, "text": {"@template": "Hi {{userId}}"}}`;
//! [`Mapping::evaluate`] gives what it comes to for one event. An object whose only key begins with `@` (beside
//! `_metadata`) is a *directive* and is replaced by its result; other objects and arrays are resolved member by member,
//! and everything else stands for itself.
//!
//! The language is that of Segment's mapping kit (the `action-destinations` project), its odd corners included, so that a
//! mapping made there gives the same call here. Where its code and common sense part, the file of the directive says
//! which was chosen. A *missing* value (JavaScript's undefined) is not a null: it takes its key out of the object.
//!
//! ```text
//! parse ─▶ expression, path, template ─▶ evaluate ─▶ condition, text, json, shape: one family of directives each
//!   └─ measure: too deep, too large              └─ resolved (a result, borrowed where it can be), budget (its bounds)
//! ```

mod budget;
mod condition;
mod error;
mod evaluate;
mod expression;
mod json;
mod json_text;
mod parse;
mod path;
mod resolved;
mod shape;
mod template;
mod text;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use error::{MappingError, MappingProblem};

use budget::Budget;
use expression::Expression;

/// The directives, in the order in which the documentation names them.
pub const DIRECTIVES: [&str; 12] = [
    "@path",
    "@literal",
    "@template",
    "@if",
    "@case",
    "@replace",
    "@merge",
    "@flatten",
    "@json",
    "@arrayPath",
    "@transform",
    "@excludeWhenNull",
];

/// A valid mapping. Two of them are equal if they were written equally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    source: Value,
    root: Expression,
}

impl Mapping {
    /// Reads a definition. Never panics; its time goes by the size of the definition, which is limited.
    ///
    /// A definition is any JSON value of at most [`MAX_MAPPING_BYTES`](super::limits::MAX_MAPPING_BYTES), nested at most
    /// [`MAX_MAPPING_DEPTH`](super::limits::MAX_MAPPING_DEPTH) deep. If its root has the key
    /// `__segment_internal_directive`, the value of that is one `@transform`, and the other root keys are its `mapping`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place, but never more than
    /// [`MAX_MAPPING_PROBLEMS`](super::limits::MAX_MAPPING_PROBLEMS); what is too large or too deep is not looked into.
    pub fn parse(definition: &Value) -> Result<Self, Vec<MappingProblem>> {
        let root = parse::parse(definition)?;
        Ok(Self { source: definition.clone(), root })
    }

    /// What the mapping comes to for `event`, an object; `None` if that is a missing value, as of a path at the root that
    /// leads nowhere. Never panics, and gives the same answer each time.
    ///
    /// # Errors
    /// The event is no object; a directive got a value that it cannot work on (a template that is no text); or the work
    /// or the result is beyond [`MAX_MAPPING_STEPS`](super::limits::MAX_MAPPING_STEPS),
    /// [`MAX_MAPPED_BYTES`](super::limits::MAX_MAPPED_BYTES) or [`MAX_MAPPED_DEPTH`](super::limits::MAX_MAPPED_DEPTH).
    /// To try again with the same event is of no use.
    pub fn evaluate(&self, event: &Value) -> Result<Option<Value>, MappingError> {
        let mut budget = Budget::new();
        evaluate::evaluate(&self.root, event, &mut budget).map_err(MappingError::from)
    }

    /// What it comes to whatever the event is, if it has no directive: a URL, say, that can be checked at once.
    pub fn constant(&self) -> Option<&Value> {
        match &self.root {
            Expression::Constant(value) => Some(value),
            Expression::Object(_) | Expression::Array(_) | Expression::Directive(_) => None,
        }
    }

    /// The definition, as it was written.
    pub fn to_json(&self) -> &Value {
        &self.source
    }
}

impl serde::Serialize for Mapping {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Mapping {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Value::deserialize(deserializer)?;
        Self::parse(&source).map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            serde::de::Error::custom(first.unwrap_or_else(|| "it is no mapping".to_owned()))
        })
    }
}
