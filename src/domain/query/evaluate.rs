//! The whole query at an instant, and until when it cannot change by itself.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::{Value, json};

use crate::domain::leaf::Reading;
use crate::domain::time::Timestamp;

use super::ast::{Comparison, Scalar, Term};
use super::compare::{Datum, Test};
use super::logic::Logic;
use super::moment::Moment;
use super::{Expression, Quantifier, Query};

/// The value of a query for one user or account at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Of a condition a boolean; of a computed trait its value, null when there is none.
    pub value: Value,
    /// The earliest later instant at which the value may be another if no event and no trait arrives. Until then it
    /// is surely the same; evaluating again at that instant gives the value there. `None`: it stays for ever.
    pub holds_until: Option<Timestamp>,
}

impl Evaluation {
    /// Whether it is the value of a condition that holds.
    pub fn is_true(&self) -> bool {
        self.value == Value::Bool(true)
    }
}

/// What one condition of a query comes to, for one user or account.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The condition, as canonical text.
    pub condition: String,
    /// What it looks at: the value of its stream or trait (with `$` in the path a list), null when there is none; of an `ANY` or
    /// `ALL`, of how many users it is true.
    pub value: Value,
    /// Whether it holds.
    pub holds: bool,
}

/// Where the values of one user or account come from.
pub trait Inputs {
    /// What the leaf of that index in [`Query::leaves`] yields; without events [`LeafSpec::empty`](super::LeafSpec::empty).
    fn leaf(&self, index: usize) -> Reading;
    /// How many of the account's users meet the condition of the part of that index in [`Query::parts`].
    fn part(&self, index: usize) -> Tally;
    /// The trait of that name.
    fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>>;
}

/// How many of an account's users meet a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those who do.
    pub yes: u64,
    /// All of them.
    pub all: u64,
}

impl Quantifier {
    fn holds(self, tally: Tally) -> bool {
        match self {
            Self::Any => tally.yes > 0,
            Self::All => tally.all > 0 && tally.yes >= tally.all,
        }
    }
}

/// What a condition comes to: its truth, and until when.
#[derive(Clone, Copy)]
struct Outcome {
    value: bool,
    holds_until: Option<Timestamp>,
}

struct Evaluator<'a> {
    query: &'a Query,
    inputs: &'a dyn Inputs,
    now: Timestamp,
    /// Each leaf is read once, however often it is compared.
    readings: Vec<OnceCell<Reading>>,
}

impl Query {
    /// Evaluates the query at `now`.
    pub fn evaluate(&self, inputs: &dyn Inputs, now: Timestamp) -> Evaluation {
        let readings = self.leaves.iter().map(|_| OnceCell::new()).collect();
        let evaluator = Evaluator { query: self, inputs, now, readings };
        match &self.expression {
            Expression::Condition(condition) => {
                let Outcome { value, holds_until } = evaluator.logic(condition);
                Evaluation { value: Value::Bool(value), holds_until }
            }
            Expression::Value => {
                let Reading { value, holds_until } = inputs.leaf(0);
                Evaluation { value, holds_until }
            }
        }
    }
}

impl Query {
    /// What each condition comes to at `now`, in the order of the text; nothing for a value. It is what tells why somebody is in.
    pub fn findings(&self, inputs: &dyn Inputs, now: Timestamp) -> Vec<Finding> {
        let readings = self.leaves.iter().map(|_| OnceCell::new()).collect();
        let evaluator = Evaluator { query: self, inputs, now, readings };
        let mut findings = Vec::new();
        if let Expression::Condition(condition) = &self.expression {
            condition.visit(&mut |term| {
                let holds = evaluator.logic(&Logic::Test(term.clone())).value;
                findings.push(Finding {
                    condition: self.term_text(term),
                    value: evaluator.value_of(term),
                    holds,
                });
            });
        }
        findings
    }
}

impl Evaluator<'_> {
    /// What a test looks at.
    fn value_of(&self, term: &Term) -> Value {
        let comparison = match term {
            Term::Compare(comparison) => comparison,
            Term::Part(index) => {
                let Tally { yes, all } = self.inputs.part(*index);
                return json!({ "yes": yes, "all": all });
            }
        };
        match &comparison.left {
            Scalar::Leaf(index) => self.inputs.leaf(*index).value,
            Scalar::Literal(literal) => literal.text().into(),
            Scalar::Trait(path) => {
                let mut found = Vec::new();
                path.any_under(self.inputs.trait_value(path.root()).as_deref(), &mut |value| {
                    found.push(value.cloned().unwrap_or_default());
                    false
                });
                if path.is_many() { found.into() } else { found.pop().unwrap_or_default() }
            }
            // Only inside `where`, which leaves look after.
            Scalar::Field(_) | Scalar::Parent(_) | Scalar::Stream(_) => Value::Null,
        }
    }

    fn logic(&self, logic: &Logic<Term>) -> Outcome {
        let each =
            |items: &[Logic<Term>]| -> Vec<Outcome> { items.iter().map(|item| self.logic(item)).collect() };
        match logic {
            Logic::And(items) => combine(&each(items), false),
            Logic::Or(items) => combine(&each(items), true),
            Logic::Not(inner) => {
                let inner = self.logic(inner);
                Outcome { value: !inner.value, ..inner }
            }
            Logic::Test(Term::Compare(comparison)) => self.comparison(comparison),
            Logic::Test(Term::Part(index)) => {
                let part = self.query.parts.get(*index);
                let value = part.is_some_and(|part| part.quantifier.holds(self.inputs.part(*index)));
                Outcome { value, holds_until: None }
            }
        }
    }

    fn comparison(&self, comparison: &Comparison<Scalar>) -> Outcome {
        let moment = Moment::new(self.now);
        let value = comparison.holds(&|scalar, test| self.any(scalar, test, &moment), &moment);
        Outcome { value, holds_until: moment.until() }
    }

    fn any(&self, scalar: &Scalar, test: Test<'_>, moment: &Moment) -> bool {
        match scalar {
            Scalar::Trait(path) => path
                .any_under(self.inputs.trait_value(path.root()).as_deref(), &mut |value| {
                    test(value.and_then(Datum::of).as_ref())
                }),
            Scalar::Literal(literal) => test(Some(&Datum::of_literal(literal))),
            Scalar::Leaf(index) => {
                let Some(reading) = self.readings.get(*index) else { return test(None) };
                let reading = reading.get_or_init(|| self.inputs.leaf(*index));
                reading.holds_until.into_iter().for_each(|until| moment.note(until.millis()));
                test(Datum::of(&reading.value).as_ref())
            }
            // Only inside `where`, which leaves look after.
            Scalar::Field(_) | Scalar::Parent(_) | Scalar::Stream(_) => test(None),
        }
    }
}

/// Joins the members of a junction that a single `deciding` value decides: false for AND, true for OR.
///
/// As long as one deciding member keeps its value the junction does, so the last of them to change counts. With none,
/// the first member to change may decide.
fn combine(members: &[Outcome], deciding: bool) -> Outcome {
    let never = Timestamp::from_millis(i64::MAX);
    let decided = members.iter().any(|member| member.value == deciding);
    if decided {
        let deciders = members.iter().filter(|member| member.value == deciding);
        // An option without an instant is later than any instant.
        let last = deciders.map(|member| member.holds_until.unwrap_or(never)).max();
        return Outcome { value: deciding, holds_until: last.filter(|instant| *instant != never) };
    }
    Outcome { value: !deciding, holds_until: members.iter().filter_map(|member| member.holds_until).min() }
}
