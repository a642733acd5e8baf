//! From a definition to a mapping, or to everything that is wrong with it.

mod directives;
mod fields;
mod measure;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::limits::MAX_MAPPING_PROBLEMS;

use super::error::{MappingProblem, pointer};
use super::expression::Expression;

/// The key at the root whose directive takes all other root keys as its `mapping`.
const ROOT_DIRECTIVE: &str = "__segment_internal_directive";
/// A key that may stand beside a directive; interfaces keep their own things there.
const METADATA: &str = "_metadata";

/// Reads a whole definition.
pub(super) fn parse(definition: &Value) -> Result<Expression, Vec<MappingProblem>> {
    if let Some(problem) = measure::problem(definition) {
        return Err(vec![problem]);
    }
    let mut parser = Parser { trail: Vec::new(), problems: Vec::new() };
    let root = match definition.as_object() {
        Some(members) if members.contains_key(ROOT_DIRECTIVE) => parser.root_directive(members),
        _ => parser.expression(definition),
    };
    if parser.problems.is_empty() { Ok(root) } else { Err(parser.problems) }
}

/// Reads parts of a definition. What cannot be read is noted, and stands as a null until the whole is refused.
struct Parser<'v> {
    /// The keys that led here.
    trail: Vec<Cow<'v, str>>,
    problems: Vec<MappingProblem>,
}

/// What stands for a part that could not be read.
const UNREAD: Expression = Expression::Constant(Value::Null);

impl<'v> Parser<'v> {
    /// Notes what is wrong here.
    fn problem(&mut self, message: impl Into<String>) {
        if self.problems.len() < MAX_MAPPING_PROBLEMS {
            let path = pointer(self.trail.iter().map(AsRef::as_ref));
            self.problems.push(MappingProblem { path, message: message.into() });
        }
    }

    /// Reads something below this key.
    fn within<T>(&mut self, key: impl Into<Cow<'v, str>>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.trail.push(key.into());
        let read = read(self);
        self.trail.pop();
        read
    }

    /// Reads each entry, with its index on the trail.
    fn entries<T>(
        &mut self,
        entries: &'v [Value],
        mut read: impl FnMut(&mut Self, &'v Value) -> T,
    ) -> Vec<T> {
        let each = entries.iter().enumerate();
        each.map(|(index, entry)| self.within(index.to_string(), |parser| read(parser, entry))).collect()
    }

    /// Reads what may be anything.
    fn expression(&mut self, value: &'v Value) -> Expression {
        match value {
            Value::Object(members) if members.keys().any(|key| key.starts_with('@')) => {
                self.directive(members)
            }
            Value::Object(members) => self.object(members),
            Value::Array(entries) => {
                let entries = self.entries(entries, |parser, entry| parser.expression(entry));
                if entries.iter().all(|entry| matches!(entry, Expression::Constant(_))) {
                    return Expression::Constant(value.clone());
                }
                Expression::Array(entries)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Expression::Constant(value.clone())
            }
        }
    }

    fn object(&mut self, members: &'v Map<String, Value>) -> Expression {
        let read: Vec<(String, Expression)> = members
            .iter()
            .map(|(key, value)| (key.clone(), self.within(key, |parser| parser.expression(value))))
            .collect();
        if read.iter().all(|(_, value)| matches!(value, Expression::Constant(_))) {
            return Expression::Constant(Value::Object(members.clone()));
        }
        Expression::Object(read)
    }

    /// Reads an object with a key that begins with `@`.
    fn directive(&mut self, members: &'v Map<String, Value>) -> Expression {
        let (names, others): (Vec<&str>, Vec<&str>) = members
            .keys()
            .map(String::as_str)
            .filter(|key| *key != METADATA)
            .partition(|key| key.starts_with('@'));
        if names.len() > 1 {
            self.problem(format!("should only have one @-prefixed key but it has {} keys", names.len()));
        }
        if let Some(other) = others.first() {
            self.problem(format!("should only have one @-prefixed key but it has others, too: {other}"));
        }
        let mut read = UNREAD;
        for (key, value) in members {
            if key.starts_with('@') {
                read = self.named(key, value);
            } else if key != METADATA {
                self.within(key, |parser| parser.expression(value));
            }
        }
        read
    }

    /// Reads the directive under [`ROOT_DIRECTIVE`], with the other members of the root as its mapping.
    fn root_directive(&mut self, members: &'v Map<String, Value>) -> Expression {
        let mut mapping = Vec::with_capacity(members.len());
        for (key, value) in members.iter().filter(|(key, _)| *key != ROOT_DIRECTIVE) {
            if key.starts_with('@') {
                self.within(key, |parser| parser.problem(format!("can't stand beside {ROOT_DIRECTIVE}")));
            }
            mapping.push((key.clone(), self.within(key, |parser| parser.expression(value))));
        }
        let Some((key, directive)) = members.get_key_value(ROOT_DIRECTIVE) else { return UNREAD };
        self.within(key, |parser| parser.root_transform(directive, Expression::Object(mapping)))
    }
}

/// The type of a value as messages name it, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(members) if members.keys().any(|key| key.starts_with('@')) => "a directive",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    }
}
