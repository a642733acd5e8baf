//! The whole condition at an instant, and until when it cannot change by itself.

use std::borrow::Cow;

use serde_json::Value;

use crate::domain::time::Timestamp;

use super::ast::{Comparator, Comparison, Logic, Scalar};
use super::path::Path;
use super::{LeafState, Query};

/// The value of a query for one user at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether the condition holds.
    pub value: bool,
    /// The earliest later instant at which the value may be another if no event and no trait arrives. Until then it
    /// is surely the same; evaluating again at that instant gives the value there. `None`: it stays for ever.
    pub holds_until: Option<Timestamp>,
}

/// Where the values come from.
struct Inputs<'i, 'v> {
    leaf: &'i dyn Fn(usize) -> Option<&'v LeafState>,
    traits: &'i dyn Fn(&str) -> Option<Cow<'v, Value>>,
    now: Timestamp,
}

impl Query {
    /// Evaluates the query at `now`.
    ///
    /// `leaf` gives the state of the leaf of that index in [`Query::leaves`] (`None`: no such event yet), `traits` the
    /// value of a trait by name. The states must have been kept for at least the leaves' `keep`, and with no `now`
    /// later than this one.
    pub fn evaluate<'v>(
        &self,
        leaf: &dyn Fn(usize) -> Option<&'v LeafState>,
        traits: &dyn Fn(&str) -> Option<Cow<'v, Value>>,
        now: Timestamp,
    ) -> Evaluation {
        self.evaluate_logic(&self.expression, &Inputs { leaf, traits, now })
    }

    fn evaluate_logic(&self, logic: &Logic<Comparison<Scalar>>, inputs: &Inputs<'_, '_>) -> Evaluation {
        let each = |items: &[Logic<Comparison<Scalar>>]| -> Vec<Evaluation> {
            items.iter().map(|item| self.evaluate_logic(item, inputs)).collect()
        };
        match logic {
            Logic::And(items) => combine(&each(items), false),
            Logic::Or(items) => combine(&each(items), true),
            Logic::Not(inner) => {
                let inner = self.evaluate_logic(inner, inputs);
                Evaluation { value: !inner.value, holds_until: inner.holds_until }
            }
            Logic::Test(comparison) => match &comparison.left {
                Scalar::Trait(path) => evaluate_trait(path, &comparison.comparator, inputs),
                Scalar::Leaf(index) => self.evaluate_leaf(*index, &comparison.comparator, inputs),
            },
        }
    }

    fn evaluate_leaf(&self, index: usize, comparator: &Comparator, inputs: &Inputs<'_, '_>) -> Evaluation {
        let test = |count: u64| comparator.test(Some(&Value::from(count)));
        match (self.leaves.get(index), (inputs.leaf)(index)) {
            (Some(spec), Some(state)) => Evaluation {
                value: test(state.count(spec, inputs.now)),
                holds_until: state.flips_at(spec, inputs.now, &test),
            },
            (_, _) => Evaluation { value: test(0), holds_until: None },
        }
    }
}

/// A trait does not change with time.
fn evaluate_trait(path: &Path, comparator: &Comparator, inputs: &Inputs<'_, '_>) -> Evaluation {
    let root = (inputs.traits)(path.root());
    let value = path.any_under(root.as_deref(), &|value| comparator.test(value));
    Evaluation { value, holds_until: None }
}

/// Joins the members of a junction that a single `deciding` value decides: false for AND, true for OR.
///
/// As long as one deciding member keeps its value the junction does, so the last of them to change counts. With none,
/// the first member to change may decide.
fn combine(members: &[Evaluation], deciding: bool) -> Evaluation {
    let never = Timestamp::from_millis(i64::MAX);
    let decided = members.iter().any(|member| member.value == deciding);
    if decided {
        let deciders = members.iter().filter(|member| member.value == deciding);
        // An option without an instant is later than any instant.
        let last = deciders.map(|member| member.holds_until.unwrap_or(never)).max();
        return Evaluation { value: deciding, holds_until: last.filter(|instant| *instant != never) };
    }
    Evaluation { value: !deciding, holds_until: members.iter().filter_map(|member| member.holds_until).min() }
}
