//! One value against one comparator.
//!
//! Text and other types are interchangeable: two values that both read as decimal numbers are compared as numbers,
//! otherwise as texts, case-sensitively and untrimmed. Objects and arrays are their compact JSON text.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::time::Timestamp;

use super::ast::{Comparison, Literal};
use super::comparator::{Comparator, Matching};
use super::instant::instant;
use super::moment::Moment;
use super::number::Decimal;

/// A value as comparisons see it.
#[derive(Clone, Debug)]
pub(super) enum Datum<'a> {
    /// Most numbers are small and whole; nothing has to be allocated to compare those.
    Integer(i64),
    /// Everything else.
    Text {
        /// How it is written.
        text: Cow<'a, str>,
        /// Whether it is neither a number nor a boolean.
        is_text: bool,
    },
}

/// What is asked of each value that a scalar stands for; `None` is an absent one or a JSON null.
pub(super) type Test<'t> = &'t mut dyn FnMut(Option<&Datum<'_>>) -> bool;

/// Shows a test the values that a scalar stands for (several only with `$` in its path) until one passes, and says
/// whether one did.
pub(super) type Values<'v, S> = &'v dyn Fn(&S, Test<'_>) -> bool;

impl<S> Comparison<S> {
    /// Whether it holds.
    pub(super) fn holds(&self, values: Values<'_, S>, moment: &Moment) -> bool {
        values(&self.left, &mut |left| self.comparator.test(left, values, moment))
    }
}

impl<S> Comparator<S> {
    fn test(&self, left: Option<&Datum<'_>>, values: Values<'_, S>, moment: &Moment) -> bool {
        let date = || left.and_then(Datum::instant);
        match self {
            Self::Value(matching, operands) => matching.test(left, &mut |test| {
                operands.iter().any(|operand| values(operand, &mut |right| test(left, right)))
            }),
            Self::BeforeDate(bound) => date().is_some_and(|date| date < *bound),
            Self::AfterDate(bound) => date().is_some_and(|date| date > *bound),
            Self::Relative(relative, span) => date().is_some_and(|date| {
                let (from, to) = relative.time(date, *span);
                moment.is_in(from, to)
            }),
            Self::Exists => left.is_some(),
            Self::Absent => left.is_none(),
        }
    }
}

/// What is asked of a left and a right value.
type PairTest<'t> = &'t dyn Fn(Option<&Datum<'_>>, Option<&Datum<'_>>) -> bool;

impl Matching {
    /// Whether `left` passes; `any` says whether a test passes for it and any of the right values.
    ///
    /// A right value that is not there fails every comparison. On the left, all but `omits` fail.
    fn test(self, left: Option<&Datum<'_>>, any: &mut dyn FnMut(PairTest<'_>) -> bool) -> bool {
        match self {
            Self::Omits => !any(&|left, right| match (left, right) {
                (Some(left), Some(right)) => left.text().contains(&*right.text()),
                (_, right) => right.is_none(),
            }),
            Self::NoneOf => {
                left.is_some() && !any(&|left, right| right.is_none() || both(left, right, Datum::equals))
            }
            Self::Equals | Self::OneOf => any(&|left, right| both(left, right, Datum::equals)),
            Self::Differs => any(&|left, right| both(left, right, |left, right| !left.equals(right))),
            Self::Contains => any(&|left, right| both(left, right, |l, r| l.text().contains(&*r.text()))),
            Self::StartsWith => {
                any(&|left, right| both(left, right, |l, r| l.text().starts_with(&*r.text())))
            }
            Self::EndsWith => any(&|left, right| both(left, right, |l, r| l.text().ends_with(&*r.text()))),
            Self::GreaterThan => any(&|left, right| ordered(left, right, Ordering::is_gt)),
            Self::AtLeast => any(&|left, right| ordered(left, right, Ordering::is_ge)),
            Self::LessThan => any(&|left, right| ordered(left, right, Ordering::is_lt)),
            Self::AtMost => any(&|left, right| ordered(left, right, Ordering::is_le)),
        }
    }
}

fn both<'d>(
    left: Option<&Datum<'d>>,
    right: Option<&Datum<'d>>,
    test: impl Fn(&Datum<'d>, &Datum<'d>) -> bool,
) -> bool {
    left.zip(right).is_some_and(|(left, right)| test(left, right))
}

fn ordered(left: Option<&Datum<'_>>, right: Option<&Datum<'_>>, wanted: fn(Ordering) -> bool) -> bool {
    left.zip(right).and_then(|(left, right)| left.order(right)).is_some_and(wanted)
}

impl Datum<'_> {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Text { text, .. } => Cow::Borrowed(text),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        if let (Self::Integer(left), Self::Integer(right)) = (self, other) {
            return left == right;
        }
        let (left, right) = (self.text(), other.text());
        match (Decimal::parse(&left), Decimal::parse(&right)) {
            (Some(left), Some(right)) => left == right,
            (_, _) => left == right,
        }
    }

    /// As numbers if both are, else as texts if both are (UTF-8 bytes sort in code point order), else not at all.
    fn order(&self, other: &Self) -> Option<Ordering> {
        if let (Self::Integer(left), Self::Integer(right)) = (self, other) {
            return Some(left.cmp(right));
        }
        let (left, right) = (self.text(), other.text());
        if let (Some(left), Some(right)) = (Decimal::parse(&left), Decimal::parse(&right)) {
            return Some(left.cmp(&right));
        }
        (self.is_text() && other.is_text()).then(|| left.cmp(&right))
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Text { is_text: true, .. })
    }

    fn instant(&self) -> Option<Timestamp> {
        match self {
            Self::Text { text, is_text: true } => instant(text),
            Self::Text { .. } | Self::Integer(_) => None,
        }
    }

    /// A text that is the same for values that are equal, and for no others.
    pub(super) fn key(&self) -> String {
        let text = self.text();
        Decimal::parse(&text).map_or_else(|| text.to_string(), Decimal::shortest)
    }
}

impl<'a> Datum<'a> {
    /// How comparisons see a JSON value; a null is none.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        let is_text = match value {
            Value::Null => return None,
            Value::Bool(_) => false,
            Value::Number(number) => match number.as_i64() {
                Some(integer) => return Some(Self::Integer(integer)),
                None => false,
            },
            Value::String(_) | Value::Array(_) | Value::Object(_) => true,
        };
        Some(Self::Text { text: text_of(value), is_text })
    }

    /// How comparisons see a constant.
    pub(super) fn of_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Number(number) if let Ok(integer) = number.parse() => Self::Integer(integer),
            _ => Self::Text {
                text: Cow::Borrowed(literal.text()),
                is_text: matches!(literal, Literal::Text(_)),
            },
        }
    }
}

/// The value as text. Floating-point numbers are written without exponent and, when whole, without fraction.
pub(super) fn text_of(value: &Value) -> Cow<'_, str> {
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
