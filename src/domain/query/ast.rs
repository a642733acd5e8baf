//! What a query is made of. Only the parser builds these, so their invariants hold everywhere else.

use crate::domain::time::Timestamp;

use super::path::Path;

/// A boolean combination of tests.
///
/// `And` and `Or` have at least two members, none of which is the same junction again, so that one meaning has one
/// shape whatever the parentheses were.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Logic<T> {
    /// True when all members are.
    And(Vec<Logic<T>>),
    /// True when a member is.
    Or(Vec<Logic<T>>),
    /// True when the inner one is not.
    Not(Box<Logic<T>>),
    /// A single test.
    Test(T),
}

impl<T> Logic<T> {
    /// All of `items`, of which there is at least one.
    pub(super) fn and(items: Vec<Self>) -> Self {
        Self::join(items, Self::And, |item| match item {
            Self::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Any of `items`, of which there is at least one.
    pub(super) fn or(items: Vec<Self>) -> Self {
        Self::join(items, Self::Or, |item| match item {
            Self::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn join(
        items: Vec<Self>,
        junction: fn(Vec<Self>) -> Self,
        open: fn(Self) -> Result<Vec<Self>, Self>,
    ) -> Self {
        let mut members = Vec::with_capacity(items.len());
        for item in items {
            match open(item) {
                Ok(inner) => members.extend(inner),
                Err(item) => members.push(item),
            }
        }
        if members.len() > 1 {
            return junction(members);
        }
        members.pop().unwrap_or_else(|| junction(Vec::new()))
    }

    /// Shows every test to `see`, from left to right.
    pub(super) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a T)) {
        match self {
            Self::And(items) | Self::Or(items) => items.iter().for_each(|item| item.visit(see)),
            Self::Not(inner) => inner.visit(see),
            Self::Test(test) => see(test),
        }
    }

    /// Whether it is true, given the truth of each test.
    pub(super) fn holds(&self, test: &dyn Fn(&T) -> bool) -> bool {
        match self {
            Self::And(items) => items.iter().all(|item| item.holds(test)),
            Self::Or(items) => items.iter().any(|item| item.holds(test)),
            Self::Not(inner) => !inner.holds(test),
            Self::Test(one) => test(one),
        }
    }

    /// How many parentheses and `NOT`s its canonical text has around its innermost test.
    pub(super) fn nesting(&self) -> usize {
        let deepest = |items: &[Self]| items.iter().map(|item| item.grouped_nesting(self)).max().unwrap_or(0);
        match self {
            Self::And(items) | Self::Or(items) => deepest(items),
            Self::Not(inner) => 1 + inner.grouped_nesting(self),
            Self::Test(_) => 0,
        }
    }

    fn grouped_nesting(&self, parent: &Self) -> usize {
        usize::from(self.needs_parentheses(parent)) + self.nesting()
    }

    /// Whether it has to stand in parentheses directly under `parent`: `NOT` binds before AND, AND before OR.
    pub(super) fn needs_parentheses(&self, parent: &Self) -> bool {
        match (parent, self) {
            (Self::Not(_), Self::And(_) | Self::Or(_)) | (Self::And(_), Self::Or(_)) => true,
            (_, _) => false,
        }
    }
}

/// A value against a comparator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Comparison<S> {
    /// What is compared.
    pub(super) left: S,
    /// With what, and how.
    pub(super) comparator: Comparator,
}

/// A value of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scalar {
    /// A custom trait, computed trait, or audience key.
    Trait(Path),
    /// A reduced event stream: the query's leaf of that index.
    Leaf(usize),
}

/// A value of the event under test, inside `where`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventScalar {
    /// A property of the event.
    Property(Path),
}

/// The condition that a stream's events have to meet: all its `where` filters together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition(pub(super) Logic<Comparison<EventScalar>>);

/// How a stream of events becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// The number of events; 0 when there are none.
    Count,
}

/// An order or equality relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Equals,
    Differs,
    GreaterThan,
    AtLeast,
    LessThan,
    AtMost,
}

/// What a value is compared with. Semantics: see `compare`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Comparator {
    /// `=`, `!=`, `>`, `>=`, `<`, `<=` and their function forms.
    Relation(Relation, Literal),
    /// `contains`: any of the texts is inside.
    Contains(Vec<Literal>),
    /// `omits`: none of the texts is inside.
    Omits(Vec<Literal>),
    /// `one_of`: equal to any.
    OneOf(Vec<Literal>),
    /// `none_of`: there, and equal to none.
    NoneOf(Vec<Literal>),
    /// `starts_with`.
    StartsWith(Literal),
    /// `ends_with`.
    EndsWith(Literal),
    /// `before_date`: strictly earlier.
    BeforeDate(Timestamp),
    /// `after_date`: strictly later.
    AfterDate(Timestamp),
    /// `exists`: not null.
    Exists,
    /// `absent`: null.
    Absent,
}

impl Comparator {
    /// The literals it compares with.
    pub(super) fn literals(&self) -> &[Literal] {
        match self {
            Self::Relation(_, literal) | Self::StartsWith(literal) | Self::EndsWith(literal) => {
                std::slice::from_ref(literal)
            }
            Self::Contains(list) | Self::Omits(list) | Self::OneOf(list) | Self::NoneOf(list) => list,
            Self::BeforeDate(_) | Self::AfterDate(_) | Self::Exists | Self::Absent => &[],
        }
    }
}

/// A constant in a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    /// A decimal number in its shortest form (`5`, `-0.25`), of any size and precision.
    Number(String),
    /// A text, or an unquoted date.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
}

impl Literal {
    /// The text it is compared as where texts are compared.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
            Self::Boolean(true) => "true",
            Self::Boolean(false) => "false",
        }
    }
}
