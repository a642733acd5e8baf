//! The old way of evaluating, for counts within a window only. Nothing new is to use it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::leaf::{Reading, Window};
use crate::domain::time::{Span, Timestamp};

use super::seen::Seen;
use super::{Inputs, LeafSpec, LeafState, Query, Tally};

/// Whether a condition holds, and until when surely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountEvaluation {
    /// Whether it holds.
    pub value: bool,
    /// As of an [`Evaluation`](super::Evaluation).
    pub holds_until: Option<Timestamp>,
}

struct Counts<'i, 'v> {
    leaf: &'i dyn Fn(usize) -> Option<&'v LeafState>,
    traits: &'i dyn Fn(&str) -> Option<Cow<'v, Value>>,
    query: &'i Query,
    now: Timestamp,
}

impl Inputs for Counts<'_, '_> {
    fn leaf(&self, index: usize) -> Reading {
        match (self.query.leaves().get(index), (self.leaf)(index)) {
            (Some(spec), Some(state)) => {
                let count = state.count(spec, self.now);
                let holds_until = state.flips_at(spec, self.now, &|other| other == count);
                Reading { value: count.into(), holds_until }
            }
            (_, _) => Reading { value: 0.into(), holds_until: None },
        }
    }
    fn part(&self, _index: usize) -> Tally {
        Tally::default()
    }
    fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>> {
        (self.traits)(name)
    }
}

impl Query {
    /// Evaluates a condition over counts at `now`.
    pub fn evaluate_counts<'v>(
        &self,
        leaf: &dyn Fn(usize) -> Option<&'v LeafState>,
        traits: &dyn Fn(&str) -> Option<Cow<'v, Value>>,
        now: Timestamp,
    ) -> CountEvaluation {
        let evaluation = self.evaluate(&Counts { leaf, traits, query: self, now }, now);
        CountEvaluation { value: evaluation.is_true(), holds_until: evaluation.holds_until }
    }
}

impl LeafSpec {
    /// The name of its own events.
    pub fn event(&self) -> &str {
        &self.stream().event
    }

    /// Whether an event of its name with these properties counts.
    pub fn matches(&self, properties: &Map<String, Value>) -> bool {
        self.counts(&Seen::of_properties(self.event(), properties))
    }

    pub(super) fn keep(&self) -> u32 {
        self.shape().keep.unwrap_or(1001)
    }

    /// How far back its events count, if it is no longer than that.
    pub fn within(&self) -> Option<Span> {
        match self.shape().window {
            Window::Within(span) => Some(span),
            Window::All | Window::Between { .. } | Window::Session(_) => None,
        }
    }
}
