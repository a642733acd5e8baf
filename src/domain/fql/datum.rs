//! A value while an event is judged: a part of the event, a constant, or what a function made.

use std::borrow::Cow;
use std::io;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::domain::limits::MAX_FQL_TEXT_BYTES;

use super::ast::Type;
use super::fault::{Budget, FqlFault};
use super::number::Number;

/// A value. What belongs to the event is not copied.
#[derive(Clone, Debug)]
pub(super) enum Datum<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// A list of the event.
    Array(&'a [Value]),
    /// A list that the filter writes out.
    List(Vec<Datum<'a>>),
    Map(&'a Map<String, Value>),
}

impl<'a> Datum<'a> {
    /// A value of the event.
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Number::of_json(number).map_or(Self::Null, Self::Number),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(items) => Self::Array(items),
            Value::Object(fields) => Self::Map(fields),
        }
    }

    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Array(_) | Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
        }
    }

    /// Whether both are of the same type and equal; lists entry by entry, objects field by field.
    pub(super) fn equals(&self, other: &Self, budget: &mut Budget) -> Result<bool, FqlFault> {
        budget.spend(1)?;
        match (self, other) {
            (Self::Null, Self::Null) => Ok(true),
            (Self::Bool(left), Self::Bool(right)) => Ok(left == right),
            (Self::Number(left), Self::Number(right)) => Ok(left == right),
            (Self::Text(left), Self::Text(right)) => Ok(left == right),
            (Self::Map(left), Self::Map(right)) => equal_maps(left, right, budget),
            (Self::Array(_) | Self::List(_), Self::Array(_) | Self::List(_)) => {
                if self.length() != other.length() {
                    return Ok(false);
                }
                for place in 0..self.length() {
                    let (left, right) = (self.entry(place), other.entry(place));
                    if !left.equals(&right, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// How many entries a list has; of other values 0.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Array(items) => items.len(),
            Self::List(items) => items.len(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Map(_) => 0,
        }
    }

    /// An entry of a list; null beyond its end.
    pub(super) fn entry(&self, place: usize) -> Entry<'_, 'a> {
        match self {
            Self::Array(items) => Entry::Read(items.get(place).map_or(Datum::Null, Datum::of)),
            Self::List(items) => items.get(place).map_or(Entry::Read(Datum::Null), Entry::Made),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Map(_) => {
                Entry::Read(Datum::Null)
            }
        }
    }

    /// Its JSON text, of at most [`MAX_FQL_TEXT_BYTES`].
    pub(super) fn json(&self) -> Result<String, FqlFault> {
        let mut text = Bounded(Vec::new());
        serde_json::to_writer(&mut text, self).map_err(|_| FqlFault::TooLong)?;
        // JSON is always UTF-8.
        String::from_utf8(text.0).map_err(|_| FqlFault::TooLong)
    }
}

/// An entry of a list: made on the way, or lying in it.
pub(super) enum Entry<'l, 'a> {
    Read(Datum<'a>),
    Made(&'l Datum<'a>),
}

impl<'a> std::ops::Deref for Entry<'_, 'a> {
    type Target = Datum<'a>;

    fn deref(&self) -> &Datum<'a> {
        match self {
            Self::Read(datum) => datum,
            Self::Made(datum) => datum,
        }
    }
}

fn equal_maps(
    left: &Map<String, Value>,
    right: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<bool, FqlFault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (name, value) in left {
        let Some(other) = right.get(name) else { return Ok(false) };
        if !Datum::of(value).equals(&Datum::of(other), budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Serialize for Datum<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Whole(whole)) => serializer.serialize_i128(*whole),
            Self::Number(Number::Real(real)) => serializer.serialize_f64(*real),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(fields) => fields.serialize(serializer),
        }
    }
}

/// Memory that takes no more than it may: texts in lists in texts grow with every level.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_FQL_TEXT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
