//! What a value may be asked.

use crate::domain::time::{Span, Timestamp};

/// What a value is compared with, and how; `S` is what values are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparator<S> {
    /// With other values: with one, or for those of [`Matching::takes_list`] with at least one.
    Value(Matching, Vec<S>),
    /// `before_date`: strictly earlier.
    BeforeDate(Timestamp),
    /// `after_date`: strictly later.
    AfterDate(Timestamp),
    /// With the present instant.
    Relative(Relative, Span),
    /// `exists`: not null.
    Exists,
    /// `absent`: null.
    Absent,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Matching {
    Equals,
    Differs,
    GreaterThan,
    AtLeast,
    LessThan,
    AtMost,
    StartsWith,
    EndsWith,
    /// Any of the texts is inside.
    Contains,
    /// None of the texts is inside.
    Omits,
    /// Equal to any.
    OneOf,
    /// There, and equal to none.
    NoneOf,
}

/// How a date is compared with the present instant and a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relative {
    /// now - span ≤ date ≤ now
    WithinLast,
    /// now ≤ date ≤ now + span
    WithinNext,
    /// date ≤ now - span
    BeforeLast,
    /// now + span ≤ date
    AfterNext,
}

impl<S> Comparator<S> {
    /// The values it compares with.
    pub(super) fn operands(&self) -> &[S] {
        match self {
            Self::Value(_, operands) => operands,
            Self::BeforeDate(_) | Self::AfterDate(_) | Self::Relative(..) | Self::Exists | Self::Absent => {
                &[]
            }
        }
    }

    /// The same comparator over other values.
    pub(super) fn map<T>(&self, change: &mut dyn FnMut(&S) -> T) -> Comparator<T> {
        match self {
            Self::Value(matching, operands) => {
                Comparator::Value(*matching, operands.iter().map(change).collect())
            }
            Self::BeforeDate(date) => Comparator::BeforeDate(*date),
            Self::AfterDate(date) => Comparator::AfterDate(*date),
            Self::Relative(relative, span) => Comparator::Relative(*relative, *span),
            Self::Exists => Comparator::Exists,
            Self::Absent => Comparator::Absent,
        }
    }
}

impl Matching {
    const ALL: [Self; 12] = [
        Self::Equals,
        Self::Differs,
        Self::GreaterThan,
        Self::AtLeast,
        Self::LessThan,
        Self::AtMost,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Omits,
        Self::OneOf,
        Self::NoneOf,
    ];

    /// The one whose function is called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|matching| matching.name() == name)
    }

    /// The name of its function.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::Differs => "differs",
            Self::GreaterThan => "greater_than",
            Self::AtLeast => "at_least",
            Self::LessThan => "less_than",
            Self::AtMost => "at_most",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Contains => "contains",
            Self::Omits => "omits",
            Self::OneOf => "one_of",
            Self::NoneOf => "none_of",
        }
    }

    /// Its symbol, if it has one.
    pub(super) fn symbol(self) -> Option<&'static str> {
        match self {
            Self::Equals => Some("="),
            Self::Differs => Some("!="),
            Self::GreaterThan => Some(">"),
            Self::AtLeast => Some(">="),
            Self::LessThan => Some("<"),
            Self::AtMost => Some("<="),
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::Omits | Self::OneOf | Self::NoneOf => {
                None
            }
        }
    }

    /// The one that `symbol` stands for; `==` is `=`.
    pub(super) fn of_symbol(symbol: &str) -> Option<Self> {
        let symbol = if symbol == "==" { "=" } else { symbol };
        Self::ALL.into_iter().find(|matching| matching.symbol() == Some(symbol))
    }

    /// Whether it asks which value is greater.
    pub(super) fn is_order(self) -> bool {
        matches!(self, Self::GreaterThan | Self::AtLeast | Self::LessThan | Self::AtMost)
    }

    /// Whether its function takes several values.
    pub(super) fn takes_list(self) -> bool {
        matches!(self, Self::Contains | Self::Omits | Self::OneOf | Self::NoneOf)
    }
}

impl Relative {
    const ALL: [Self; 4] = [Self::WithinLast, Self::WithinNext, Self::BeforeLast, Self::AfterNext];

    /// The one whose function is called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relative| relative.name() == name)
    }

    /// The name of its function.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WithinLast => "within_last",
            Self::WithinNext => "within_next",
            Self::BeforeLast => "before_last",
            Self::AfterNext => "after_next",
        }
    }

    /// From when to when it holds of `date`, both included, in milliseconds since 1970.
    pub(super) fn time(self, date: Timestamp, span: Span) -> (Option<i64>, Option<i64>) {
        let (date, span) = (date.millis(), span.millis());
        let (earlier, later) = (date.saturating_sub(span), date.saturating_add(span));
        match self {
            Self::WithinLast => (Some(date), Some(later)),
            Self::WithinNext => (Some(earlier), Some(date)),
            Self::BeforeLast => (Some(later), None),
            Self::AfterNext => (None, Some(earlier)),
        }
    }
}
