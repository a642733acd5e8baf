//! One value against one comparator.
//!
//! Text and other types are interchangeable: two values that both read as decimal numbers are compared as numbers,
//! otherwise as texts, case-sensitively and untrimmed. Objects and arrays are their compact JSON text.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::time::Timestamp;

use super::ast::{Comparator, Literal, Relation};
use super::instant::instant;
use super::number::Decimal;

impl Comparator {
    /// Whether `value` passes; `None` is an absent value or a JSON null.
    pub(super) fn test(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            // Everything but these two is false for a value that is not there, `!=` and `none_of` included.
            return matches!(self, Self::Absent | Self::Omits(_));
        };
        let text = || text_of(value);
        match self {
            Self::Relation(relation, literal) => related(*relation, value, &text(), literal),
            Self::Contains(list) => contains_any(&text(), list),
            Self::Omits(list) => !contains_any(&text(), list),
            Self::OneOf(list) => equal_to_any(&text(), list),
            Self::NoneOf(list) => !equal_to_any(&text(), list),
            Self::StartsWith(literal) => text().starts_with(literal.text()),
            Self::EndsWith(literal) => text().ends_with(literal.text()),
            Self::BeforeDate(date) => instant_of(value).is_some_and(|at| at < *date),
            Self::AfterDate(date) => instant_of(value).is_some_and(|at| at > *date),
            Self::Exists => true,
            Self::Absent => false,
        }
    }
}

fn related(relation: Relation, value: &Value, text: &str, literal: &Literal) -> bool {
    let order = || order(value, text, literal);
    match relation {
        Relation::Equals => equal(text, literal),
        Relation::Differs => !equal(text, literal),
        Relation::GreaterThan => order().is_some_and(Ordering::is_gt),
        Relation::AtLeast => order().is_some_and(Ordering::is_ge),
        Relation::LessThan => order().is_some_and(Ordering::is_lt),
        Relation::AtMost => order().is_some_and(Ordering::is_le),
    }
}

fn equal(text: &str, literal: &Literal) -> bool {
    match (Decimal::parse(text), Decimal::parse(literal.text())) {
        (Some(left), Some(right)) => left == right,
        (_, _) => text == literal.text(),
    }
}

fn equal_to_any(text: &str, list: &[Literal]) -> bool {
    list.iter().any(|literal| equal(text, literal))
}

/// As numbers if both are, else as texts if both are (UTF-8 bytes sort in code point order), else not at all.
fn order(value: &Value, text: &str, literal: &Literal) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (Decimal::parse(text), Decimal::parse(literal.text())) {
        return Some(left.cmp(&right));
    }
    let value_is_text = !matches!(value, Value::Null | Value::Bool(_) | Value::Number(_));
    let literal_is_text = matches!(literal, Literal::Text(_));
    (value_is_text && literal_is_text).then(|| text.cmp(literal.text()))
}

fn contains_any(text: &str, list: &[Literal]) -> bool {
    list.iter().any(|literal| text.contains(literal.text()))
}

fn instant_of(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(instant)
}

/// The value as text. Floating-point numbers are written without exponent and, when whole, without fraction.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Cow::Owned(float.to_string()),
            Some(_) | None => Cow::Owned(number.to_string()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}
