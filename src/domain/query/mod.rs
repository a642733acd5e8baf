//! The audience query language: a condition over one user's events and traits.
//!
//! [`Query::parse`] reads a text such as
//! `event('Bought').where(property('price') >= 100).within(7 days).count() >= 2 AND trait('plan') = 'pro'`.
//! A query is a tree of comparisons over *leaves* ([`LeafSpec`]: an event stream reduced to a number) and traits.
//! What a leaf has to remember of one user is a [`LeafState`]; [`Query::evaluate`] says whether the condition holds
//! and until when it cannot change by itself.
//!
//! The language follows Segment's query language. Parts of it that are not here yet (sums, nested events, relative
//! dates, account level…) are recognised and refused by name.
//!
//! ```text
//! lexer → parser → ast ─▶ format (canonical text)
//!                   │
//!                   ├─ compare, number, path: one value against one comparator
//!                   ├─ leaf, state: what is kept of a user's events
//!                   └─ evaluate: the whole condition at an instant
//! ```

mod ast;
mod compare;
mod error;
mod evaluate;
mod format;
mod instant;
mod leaf;
mod lexer;
mod number;
mod parser;
mod path;
mod state;
mod stored;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::time::Span;

pub use ast::{Condition, Reducer};
pub use error::QueryError;
pub use evaluate::Evaluation;
pub use leaf::LeafSpec;
pub use state::LeafState;

use ast::{Comparison, Logic, Scalar};

/// The longest query text, in bytes, as written and as written out canonically.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;
/// How deep parentheses, `NOT` and `where` may be nested, and how many segments a path may have.
pub const MAX_NESTING: usize = 32;
/// The most comparisons in one query, those inside `where` included (Segment: "50 primary expressions").
pub const MAX_EXPRESSIONS: usize = 50;
/// The shortest window of a stream.
pub const MIN_WINDOW: Span = Span::from_hours(1);
/// The longest window of a stream: ten years of 365 days.
pub const MAX_WINDOW: Span = Span::from_days(3650);
/// The largest number that a count may be compared with. It bounds how many timestamps a leaf keeps.
pub const MAX_COUNT_THRESHOLD: u32 = 1000;
/// The longest text, event name, path or number in a query, in characters.
pub const MAX_TEXT_CHARACTERS: usize = 1000;
/// The most events with a timestamp in the future that a windowed leaf keeps; the farthest are dropped.
pub const MAX_FUTURE: usize = 1000;

/// A parsed, valid audience query. Its `Display` is the canonical text, which parses to an equal query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    expression: Logic<Comparison<Scalar>>,
    leaves: Vec<LeafSpec>,
}

impl Query {
    /// Reads a query. Never panics, and its time is linear in the length of `text`.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let (expression, leaves) = parser::query(text)?;
        let query = Self { expression, leaves };
        // Quotes and spaces may make the canonical text longer than what was written; it has to stay readable.
        let written = query.to_string().len();
        if written > MAX_QUERY_BYTES {
            let message = format!(
                "query text is too long when written out in full ({written} > {MAX_QUERY_BYTES} bytes)"
            );
            return Err(QueryError::at(text, 0, message));
        }
        Ok(query)
    }

    /// The different leaves of this query, in the order of first appearance. [`Query::evaluate`] asks for their
    /// states by index into this slice.
    pub fn leaves(&self) -> &[LeafSpec] {
        &self.leaves
    }

    /// The names of the events that can change this query's value.
    pub fn event_names(&self) -> BTreeSet<&str> {
        self.leaves.iter().map(|leaf| leaf.event.as_str()).collect()
    }

    /// The names of the traits that can change this query's value (of `trait('address.city')`: `address`).
    pub fn trait_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.expression.visit(&mut |comparison| match &comparison.left {
            Scalar::Trait(path) => {
                names.insert(path.root());
            }
            Scalar::Leaf(_) => {}
        });
        names
    }
}
