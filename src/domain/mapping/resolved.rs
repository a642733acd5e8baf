//! The result of a part of a mapping: borrowed from the payload where it can be, and able to be missing.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::budget::{Budget, check_depth};
use super::error::Failure;

/// Members of an object, in order, each key once.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Resolved<'a>)>;

/// A result. Its parts may be missing, too: `@merge` and `@flatten` tell a missing member from none.
#[derive(Debug)]
pub(super) enum Resolved<'a> {
    /// JavaScript's undefined.
    Missing,
    /// Of the payload, or of the definition.
    Borrowed(&'a Value),
    /// Made, and counted in the budget.
    Owned(Value),
    Object(Members<'a>),
    Array(Vec<Resolved<'a>>),
}

/// A result taken apart by one level.
pub(super) enum Opened<'a> {
    Object(Members<'a>),
    Array(Vec<Resolved<'a>>),
    /// Missing, null, a truth value, a number or a text.
    Plain(Resolved<'a>),
}

impl<'a> Resolved<'a> {
    /// The value itself unless it is missing or put together of others.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Borrowed(value) => Some(value),
            Self::Owned(value) => Some(value),
            Self::Missing | Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// Whether it is neither missing nor null.
    pub(super) fn exists(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Object(_) | Self::Array(_) => true,
            Self::Borrowed(value) => !value.is_null(),
            Self::Owned(value) => !value.is_null(),
        }
    }

    /// Its text, if it is one.
    pub(super) fn into_text(self) -> Result<Cow<'a, str>, Self> {
        match self {
            Self::Borrowed(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Self::Owned(Value::String(text)) => Ok(Cow::Owned(text)),
            other => Err(other),
        }
    }

    /// The name of its type as JavaScript programmers say it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing => "undefined",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::Borrowed(value) => type_name(value),
            Self::Owned(value) => type_name(value),
        }
    }

    /// Takes it apart. Every member costs a step.
    pub(super) fn open(self, budget: &mut Budget) -> Result<Opened<'a>, Failure> {
        let opened = match self {
            Self::Object(members) => Opened::Object(members),
            Self::Array(entries) => Opened::Array(entries),
            Self::Borrowed(Value::Object(members)) => Opened::Object(
                members
                    .iter()
                    .map(|(key, value)| (Cow::Borrowed(key.as_str()), Self::Borrowed(value)))
                    .collect(),
            ),
            Self::Borrowed(Value::Array(entries)) => {
                Opened::Array(entries.iter().map(Self::Borrowed).collect())
            }
            Self::Owned(Value::Object(members)) => Opened::Object(
                members.into_iter().map(|(key, value)| (Cow::Owned(key), Self::Owned(value))).collect(),
            ),
            Self::Owned(Value::Array(entries)) => {
                Opened::Array(entries.into_iter().map(Self::Owned).collect())
            }
            Self::Missing | Self::Borrowed(_) | Self::Owned(_) => Opened::Plain(self),
        };
        let members = match &opened {
            Opened::Object(members) => members.len(),
            Opened::Array(entries) => entries.len(),
            Opened::Plain(_) => 0,
        };
        for _ in 0..members {
            budget.step()?;
        }
        Ok(opened)
    }

    /// As one JSON value, borrowed if it is: missing members are gone, missing entries are null. None if all is missing.
    pub(super) fn settle(self, budget: &mut Budget) -> Result<Option<Cow<'a, Value>>, Failure> {
        match self {
            Self::Borrowed(value) => Ok(Some(Cow::Borrowed(value))),
            other => Ok(other.into_value(budget)?.map(Cow::Owned)),
        }
    }

    /// As one JSON value of its own; see [`Resolved::settle`].
    pub(super) fn into_value(self, budget: &mut Budget) -> Result<Option<Value>, Failure> {
        self.value_at(0, budget)
    }

    fn value_at(self, depth: usize, budget: &mut Budget) -> Result<Option<Value>, Failure> {
        check_depth(depth)?;
        match self {
            Self::Missing => Ok(None),
            Self::Borrowed(value) => copy(value, depth, budget).map(Some),
            Self::Owned(value) => {
                budget.value(0)?;
                check_depths(&value, depth)?;
                Ok(Some(value))
            }
            Self::Object(members) => {
                budget.value(0)?;
                let mut object = Map::with_capacity(members.len());
                for (key, member) in members {
                    if let Some(value) = member.value_at(depth + 1, budget)? {
                        budget.make(key.len())?;
                        object.insert(key.into_owned(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
            Self::Array(entries) => {
                budget.value(0)?;
                let mut array = Vec::with_capacity(entries.len());
                for entry in entries {
                    array.push(entry.value_at(depth + 1, budget)?.unwrap_or_default());
                }
                Ok(Some(Value::Array(array)))
            }
        }
    }

    /// The same, borrowing nothing.
    pub(super) fn into_owned(self, budget: &mut Budget) -> Result<Resolved<'static>, Failure> {
        self.owned_at(0, budget)
    }

    fn owned_at(self, depth: usize, budget: &mut Budget) -> Result<Resolved<'static>, Failure> {
        check_depth(depth)?;
        Ok(match self {
            Self::Missing => Resolved::Missing,
            Self::Borrowed(value) => Resolved::Owned(copy(value, depth, budget)?),
            Self::Owned(value) => Resolved::Owned(value),
            Self::Object(members) => {
                let mut owned = Vec::with_capacity(members.len());
                for (key, member) in members {
                    budget.make(key.len())?;
                    owned.push((Cow::Owned(key.into_owned()), member.owned_at(depth + 1, budget)?));
                }
                Resolved::Object(owned)
            }
            Self::Array(entries) => {
                let mut owned = Vec::with_capacity(entries.len());
                for entry in entries {
                    budget.step()?;
                    owned.push(entry.owned_at(depth + 1, budget)?);
                }
                Resolved::Array(owned)
            }
        })
    }
}

/// A copy that is counted while it is made.
fn copy(value: &Value, depth: usize, budget: &mut Budget) -> Result<Value, Failure> {
    check_depth(depth)?;
    match value {
        Value::String(text) => {
            budget.value(text.len())?;
            Ok(Value::String(text.clone()))
        }
        Value::Array(entries) => {
            budget.value(0)?;
            let copies: Result<Vec<Value>, Failure> =
                entries.iter().map(|entry| copy(entry, depth + 1, budget)).collect();
            copies.map(Value::Array)
        }
        Value::Object(members) => {
            budget.value(0)?;
            let mut object = Map::with_capacity(members.len());
            for (key, member) in members {
                budget.make(key.len())?;
                object.insert(key.clone(), copy(member, depth + 1, budget)?);
            }
            Ok(Value::Object(object))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            budget.value(0)?;
            Ok(value.clone())
        }
    }
}

/// Refuses a value that would be nested too deep if it stood at `depth`.
fn check_depths(value: &Value, depth: usize) -> Result<(), Failure> {
    check_depth(depth)?;
    match value {
        Value::Array(entries) => entries.iter().try_for_each(|entry| check_depths(entry, depth + 1)),
        Value::Object(members) => members.values().try_for_each(|member| check_depths(member, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// What JavaScript takes for false: null, false, 0 and the empty text.
pub(super) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// The name of a value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
