//! The query language: a condition over one user's (or account's) events and traits, or a value made of events.
//!
//! [`Query::parse`] reads an audience, a condition such as
//! `event('Bought').where(property('price') >= 100).within(7 days).count() >= 2 AND trait('plan') = 'pro'`;
//! [`Query::parse_value`] reads a computed trait, a value such as `event('Bought').within(30 days).sum(property('price'))`.
//! A query is a tree of comparisons over *leaves* ([`LeafSpec`]: an event stream reduced to a value) and traits, and for
//! accounts over *parts* ([`Part`]: how many of the account's users meet a condition). [`Query::evaluate`] says what it
//! comes to, and until when it cannot change by itself.
//!
//! The language follows Segment's query language.
//!
//! ```text
//! lexer → parser → ast, logic, comparator ─▶ format (canonical text)
//!                   │
//!                   ├─ compare, number, instant, path: one value against one comparator
//!                   ├─ leaf, seen: what is kept of an event
//!                   ├─ listed, reduce: the value of a leaf whose filter looks beyond the event
//!                   └─ evaluate: the whole query at an instant
//! ```

mod ast;
pub mod builder;
mod comparator;
mod compare;
mod error;
mod evaluate;
mod format;
mod instant;
mod leaf;
mod lexer;
mod listed;
mod logic;
mod moment;
mod number;
mod parser;
mod path;
mod reduce;
mod seen;
mod stored;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::time::Span;

pub use error::QueryError;
pub use evaluate::{Evaluation, Finding, Inputs, Tally};
pub use leaf::LeafSpec;
pub(in crate::domain) use lexer::shorten;
pub(in crate::domain) use words::near_miss;

use ast::{Comparison, Scalar, Term};
use comparator::Comparator;
use logic::Logic;

/// The longest query text, in bytes, as written and as written out canonically.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;
/// How deep parentheses, `NOT`, `ANY`, `ALL` and `where` may be nested, and how many segments a path may have.
pub const MAX_NESTING: usize = 32;
/// How deep event streams may be nested in each other's `where`, the outermost one included.
pub const MAX_STREAM_NESTING: usize = 4;
/// The most comparisons in one query, those inside `where` included (Segment: "50 primary expressions").
pub const MAX_EXPRESSIONS: usize = 50;
/// The most event streams in one query. Comparisons of two streams each stay below it.
pub const MAX_STREAMS: usize = 2 * MAX_EXPRESSIONS;
/// The shortest window of a stream, and the shortest span that a date is compared with.
pub const MIN_WINDOW: Span = Span::from_hours(1);
/// The longest window of a stream, and the longest span that a date is compared with: ten years of 365 days.
pub const MAX_WINDOW: Span = Span::from_days(3650);
/// The shortest pause that ends a session.
pub const MIN_SESSION: Span = Span::from_secs(30 * 60);
/// The longest pause that ends a session.
pub const MAX_SESSION: Span = Span::from_days(90);
/// The largest number that a count of a window is compared with for which no more events are kept than it takes.
pub const MAX_KEPT_COUNT: u32 = 100;
/// The longest text, event name, path or number in a query, in characters.
pub const MAX_TEXT_CHARACTERS: usize = 1000;
/// The most that is kept of one event for one leaf, in bytes of JSON text; an event with more does not count for it.
pub const MAX_KEPT_BYTES: usize = 1000;

/// A parsed, valid query. Its `Display` is the canonical text, which parses to an equal query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    expression: Expression,
    leaves: Vec<LeafSpec>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Expression {
    /// An audience.
    Condition(Logic<Term>),
    /// A computed trait: the value of the only leaf.
    Value,
}

/// Whose events and traits a query is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One user's.
    #[default]
    Users,
    /// An account's: the events of all its users together, its own traits, and its users one by one.
    Accounts,
}

impl Target {
    /// The name in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Accounts => "accounts",
        }
    }
}

/// A condition on the users of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// How many of them have to meet it.
    pub quantifier: Quantifier,
    /// What each is asked; without parts of its own.
    pub condition: Query,
}

/// How many of an account's users have to meet a condition. Without users neither holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One at least.
    Any,
    /// Every one.
    All,
}

impl Query {
    /// Reads a condition. Never panics, and its time is linear in the length of `text`.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::within_limits(text, parser::condition(text)?)
    }

    /// Reads a value. Never panics, and its time is linear in the length of `text`.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse_value(text: &str) -> Result<Self, QueryError> {
        Self::within_limits(text, parser::value(text)?)
    }

    /// Quotes and spaces may make the canonical text longer than what was written; it has to stay readable.
    fn within_limits(text: &str, query: Self) -> Result<Self, QueryError> {
        let written = query.to_string().len();
        if written > MAX_QUERY_BYTES {
            let message = format!(
                "query text is too long when written out in full ({written} > {MAX_QUERY_BYTES} bytes)"
            );
            return Err(QueryError::at(text, 0, message));
        }
        Ok(query)
    }

    /// Whose events and traits it is about: accounts' if it has an `ANY` or `ALL`.
    pub fn target(&self) -> Target {
        if self.parts.is_empty() { Target::Users } else { Target::Accounts }
    }

    /// Whether it is a condition, not a value.
    pub fn is_condition(&self) -> bool {
        matches!(self.expression, Expression::Condition(_))
    }

    /// The different leaves of this query, in the order of first appearance. [`Query::evaluate`] asks for their
    /// values by index into this slice.
    pub fn leaves(&self) -> &[LeafSpec] {
        &self.leaves
    }

    /// The different conditions on an account's users, in the order of first appearance. [`Query::evaluate`] asks for
    /// their tallies by index into this slice.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the events that can change this query's value, those of its parts included.
    pub fn event_names(&self) -> BTreeSet<&str> {
        let of_parts = self.parts.iter().flat_map(|part| part.condition.event_names());
        self.leaves.iter().flat_map(LeafSpec::event_names).chain(of_parts).collect()
    }

    /// The names of the traits that can change this query's value (of `trait('address.city')`: `address`), those in its
    /// leaves included, those in its parts not.
    pub fn trait_names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.leaves.iter().flat_map(LeafSpec::trait_names).collect();
        for comparison in self.comparisons() {
            comparison.scalars().for_each(|scalar| scalar.collect_traits(&mut names));
        }
        names
    }

    /// Whether time alone can change the value for one who has no events: a trait (or a constant) is compared with the
    /// present instant.
    pub fn timed_traits(&self) -> bool {
        self.comparisons().into_iter().any(|comparison| {
            let is_relative = matches!(comparison.comparator, Comparator::Relative(..));
            is_relative && !matches!(comparison.left, Scalar::Leaf(_))
        })
    }

    /// The comparisons of this query, without those in its leaves and parts.
    fn comparisons(&self) -> Vec<&Comparison<Scalar>> {
        let mut found = Vec::new();
        if let Expression::Condition(condition) = &self.expression {
            condition.visit(&mut |term| {
                if let Term::Compare(comparison) = term {
                    found.push(comparison);
                }
            });
        }
        found
    }
}
