//! A leaf: one aggregate over a user's events, shared by every query that contains it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ast::{Condition, EventScalar, Reducer};
use super::format::write_leaf;
use super::{MAX_COUNT_THRESHOLD, QueryError, Span, parser};

/// What a leaf counts, and how much has to be kept for it.
///
/// It is stored as its canonical text and `keep`. Its parts come from the parser, so they are within the limits of
/// the language.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct LeafSpec {
    /// The name of the events, exact and case-sensitive.
    pub event: String,
    /// The condition that the events' properties have to meet.
    pub filter: Option<Condition>,
    /// How far back events count; without it all of them do, those in the future too.
    pub window: Option<Span>,
    /// What the events are reduced to.
    pub reducer: Reducer,
    /// How many of the newest timestamps suffice to answer every comparison: one more than the largest number the
    /// value is compared with, so 1 to [`MAX_COUNT_THRESHOLD`] + 1.
    pub keep: u32,
}

impl LeafSpec {
    /// The text that names this leaf: equal for leaves that differ in `keep` only.
    pub fn canonical(&self) -> String {
        Canonical(self).to_string()
    }

    /// Reads what [`LeafSpec::canonical`] wrote. `keep` is clamped to its range.
    pub fn parse(canonical: &str, keep: u32) -> Result<Self, QueryError> {
        let mut leaf = parser::leaf(canonical)?;
        leaf.keep = keep.clamp(1, MAX_COUNT_THRESHOLD + 1);
        Ok(leaf)
    }

    /// Whether an event with these properties counts. That the event has the leaf's name is for the caller to know.
    pub fn matches(&self, properties: &Map<String, Value>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.holds(properties))
    }

    /// Whether it is the same aggregate, whatever its `keep`.
    pub(super) fn is_same_aggregate(&self, other: &Self) -> bool {
        self.event == other.event
            && self.filter == other.filter
            && self.window == other.window
            && self.reducer == other.reducer
    }
}

impl Condition {
    /// Whether an event with these properties meets it.
    pub fn holds(&self, properties: &Map<String, Value>) -> bool {
        self.0.holds(&|comparison| match &comparison.left {
            EventScalar::Property(path) => {
                path.any_in(properties, &|value| comparison.comparator.test(value))
            }
        })
    }
}

struct Canonical<'a>(&'a LeafSpec);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_leaf(f, self.0)
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    leaf: String,
    keep: u32,
}

impl From<LeafSpec> for Stored {
    fn from(spec: LeafSpec) -> Self {
        Self { leaf: spec.canonical(), keep: spec.keep }
    }
}

impl TryFrom<Stored> for LeafSpec {
    type Error = QueryError;

    fn try_from(stored: Stored) -> Result<Self, QueryError> {
        Self::parse(&stored.leaf, stored.keep)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Query;
    use super::*;

    #[test]
    fn leaves_round_trip_through_their_stored_form() {
        let query = Query::parse(
            r#"event("it's").where(property('a\.b.$.c').contains('x', "\"")).where({property('n') > 1.50
               OR NOT property('n').exists()}).within(48 hours).count() = 7"#,
        )
        .unwrap();
        let leaf = &query.leaves()[0];
        assert_eq!(leaf.keep, 8);
        assert_eq!(
            leaf.canonical(),
            r#"event('it\'s').where(property('a\\.b.$.c').contains('x', '"') AND (property('n') > 1.5 "#
                .to_owned()
                + r#"OR NOT property('n').exists())).within(2 days).count()"#
        );
        let json = serde_json::to_string(leaf).unwrap();
        assert_eq!(&serde_json::from_str::<LeafSpec>(&json).unwrap(), leaf);
        let packed = rmp_serde::to_vec_named(leaf).unwrap();
        assert_eq!(&rmp_serde::from_slice::<LeafSpec>(&packed).unwrap(), leaf);
        assert!(serde_json::from_str::<LeafSpec>(r#"{"leaf":"event('A')","keep":2}"#).is_err());
    }

    #[test]
    fn one_aggregate_is_one_leaf_with_the_larger_keep() {
        let query = Query::parse(
            "event('A').within(1 day).count() >= 2 AND event('A').within(24 hours).count() < 10
             OR event('A').count() = 0 AND event('A').within(1 day).count().none_of(3, 4)",
        )
        .unwrap();
        let keeps: Vec<(String, u32)> =
            query.leaves().iter().map(|leaf| (leaf.canonical(), leaf.keep)).collect();
        assert_eq!(
            keeps,
            [("event('A').within(1 day).count()".to_owned(), 11), ("event('A').count()".to_owned(), 1)]
        );
    }
}
