//! The definitions in force, prepared for deciding: which computations an event or a trait touches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::compute::Touched;
use crate::domain::backfill::Backfill;
use crate::domain::definition::{
    Class, Computation, Definitions, Destination, EventsWanted, LeafUse, PartUse,
};
use crate::domain::ids::{LeafId, UserKey};
use crate::domain::leaf::Reading;
use crate::domain::query::{Inputs, LeafSpec, Query, Tally, Target};
use crate::domain::time::Timestamp;

/// One query that is evaluated for profiles: a computation's own, or a part of an account-level one, which is evaluated
/// for users.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub computation: Arc<Computation>,
    /// Which part; `None` for the computation's own query.
    pub part: Option<usize>,
}

impl Rule {
    pub fn query(&self) -> &Query {
        let part = self.part.and_then(|part| self.computation.query.parts().get(part));
        part.map_or(&self.computation.query, |part| &part.condition)
    }

    pub fn leaves(&self) -> &[LeafUse] {
        let part = self.part.and_then(|part| self.computation.parts.get(part));
        part.map_or(&self.computation.leaves, |part| &part.leaves)
    }

    /// The parts whose users are counted where it is evaluated.
    pub fn tallied(&self) -> &[PartUse] {
        if self.part.is_some() { &[] } else { &self.computation.parts }
    }

    /// Whether it is evaluated for profiles of that key.
    pub fn is_about(&self, key: &UserKey) -> bool {
        match self.part {
            Some(_) => self.computation.counts_person(key),
            None => self.computation.is_about(key),
        }
    }

    /// Its value for those that it is not about, and who never did anything.
    pub fn of_nobody(&self) -> Value {
        match (self.part, self.computation.class) {
            (Some(_), _) | (None, Class::Audience) => Value::Bool(false),
            (None, Class::Trait) => self.leaves().first().map_or(Value::Null, |leaf| leaf.spec.empty()),
        }
    }
}

/// A leaf that counts events as they arrive, with the rules that ask it.
#[derive(Clone, Debug)]
pub(super) struct CountingLeaf {
    pub used: LeafUse,
    /// Places in [`Rules::rules`].
    pub rules: Vec<usize>,
    /// Whether the accounts of a user count it, too.
    pub is_for_accounts: bool,
}

/// What decisions have to know beside the definitions.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where people reach this server, without a trailing slash; for links in mails.
    pub public_url: Option<String>,
    /// Mail addresses of the people who run it; nobody is told where there are none.
    pub operators: Vec<String>,
}

/// The definitions in force, prepared for deciding.
#[derive(Debug, Default)]
pub struct Rules {
    /// The definitions.
    pub definitions: Arc<Definitions>,
    /// What the server stands in.
    pub surroundings: Surroundings,
    /// Readings of the past under way, in the order they were begun.
    pub backfills: Vec<Backfill>,
    prepared: Arc<Prepared>,
}

/// What follows from the definitions alone.
#[derive(Debug, Default)]
pub struct Prepared {
    /// Those that are asked about before those that ask, so that each is evaluated once, on what is true by then.
    pub(super) rules: Vec<Rule>,
    pub(super) leaves_by_event: HashMap<String, Vec<CountingLeaf>>,
    pub(super) leaf_specs: HashMap<LeafId, LeafSpec>,
    /// By leaf, and by part.
    pub(super) rules_by_leaf: HashMap<LeafId, Vec<usize>>,
    pub(super) rules_by_trait: HashMap<String, Vec<usize>>,
    /// Rules that time alone can change through a trait.
    pub(super) timed: Vec<usize>,
    /// Rules that are true of somebody of whom nothing is known.
    pub(super) of_nobody: Vec<usize>,
    /// Rules that count users.
    pub(super) with_parts: Vec<usize>,
    /// Parts there are.
    pub(super) parts: HashSet<LeafId>,
    /// Leaves that accounts have.
    pub(super) account_leaves: HashSet<LeafId>,
    /// The destinations that want source events, those that are switched off included.
    pub(super) event_destinations: Vec<Arc<Destination>>,
}

impl std::ops::Deref for Rules {
    type Target = Prepared;

    fn deref(&self) -> &Prepared {
        &self.prepared
    }
}

impl Rules {
    /// Prepares `definitions`.
    pub fn new(definitions: Arc<Definitions>, surroundings: Surroundings, backfills: Vec<Backfill>) -> Self {
        let mut prepared = Prepared::default();
        // Definitions refuse circles; should there be one all the same, its members come last.
        let (ordered, circle) = definitions.in_order_of_asking();
        for computation in ordered.into_iter().chain(circle).filter(|it| it.status.counts_events()) {
            prepared.add(computation);
        }
        prepared.event_destinations = definitions
            .destinations
            .values()
            .filter(|destination| destination.events == EventsWanted::All)
            .cloned()
            .collect();
        Self { definitions, surroundings, backfills, prepared: Arc::new(prepared) }
    }

    /// The same definitions, with the past read farther.
    pub fn with_backfills(&self, backfills: Vec<Backfill>) -> Self {
        Self {
            definitions: Arc::clone(&self.definitions),
            surroundings: self.surroundings.clone(),
            backfills,
            prepared: Arc::clone(&self.prepared),
        }
    }

    /// Places of the rules of these computations, by id.
    pub fn places_of(&self, computations: &BTreeSet<String>) -> Vec<usize> {
        let is_one = |rule: &Rule| computations.contains(&rule.computation.id);
        (0..self.rules.len()).filter(|place| is_one(&self.rules[*place])).collect()
    }

    /// How many times an event is written: itself, and once for each destination that is sent all.
    pub fn copies(&self) -> usize {
        1 + self.event_destinations.iter().filter(|destination| destination.enabled).count()
    }
}

impl Prepared {
    /// The rules that ask about the value of the rule in that place, which stand after it.
    pub(super) fn asking(&self, rule: &Rule, place: usize) -> Touched {
        if rule.part.is_some() {
            return Touched::new();
        }
        let asking = self.rules_by_trait.get(&rule.computation.key).into_iter().flatten();
        asking.filter(|asking| **asking > place).copied().collect()
    }

    /// Whether anything is computed of accounts.
    pub fn has_accounts(&self) -> bool {
        !self.parts.is_empty() || !self.account_leaves.is_empty()
    }

    fn add(&mut self, computation: &Arc<Computation>) {
        for part in 0..computation.parts.len() {
            self.add_rule(Rule { computation: Arc::clone(computation), part: Some(part) });
        }
        let place = self.add_rule(Rule { computation: Arc::clone(computation), part: None });
        for part in &computation.parts {
            self.parts.insert(part.id);
            self.rules_by_leaf.entry(part.id).or_default().push(place);
        }
        if !computation.parts.is_empty() {
            self.with_parts.push(place);
        }
    }

    fn add_rule(&mut self, rule: Rule) -> usize {
        let place = self.rules.len();
        let is_for_accounts = rule.part.is_none() && rule.computation.target == Target::Accounts;
        for leaf in rule.leaves() {
            self.leaf_specs.insert(leaf.id, leaf.spec.clone());
            self.rules_by_leaf.entry(leaf.id).or_default().push(place);
            if is_for_accounts {
                self.account_leaves.insert(leaf.id);
            }
            for event in leaf.spec.event_names() {
                let leaves = self.leaves_by_event.entry(event.to_owned()).or_default();
                match leaves.iter_mut().find(|known| known.used.id == leaf.id) {
                    Some(known) => {
                        known.rules.push(place);
                        known.is_for_accounts |= is_for_accounts;
                    }
                    None => {
                        leaves.push(CountingLeaf { used: leaf.clone(), rules: vec![place], is_for_accounts })
                    }
                }
            }
        }
        for name in rule.query().trait_names() {
            self.rules_by_trait.entry(name.to_owned()).or_default().push(place);
        }
        if rule.query().timed_traits() {
            self.timed.push(place);
        }
        if is_true_of_nobody(&rule) {
            self.of_nobody.push(place);
        }
        self.rules.push(rule);
        place
    }
}

/// Somebody of whom nothing is known.
struct Nobody<'a>(&'a Rule);

impl Inputs for Nobody<'_> {
    fn leaf(&self, index: usize) -> Reading {
        let leaf = self.0.leaves().get(index);
        Reading { value: leaf.map_or(Value::Null, |leaf| leaf.spec.empty()), holds_until: None }
    }

    fn part(&self, _index: usize) -> Tally {
        Tally::default()
    }

    fn trait_value(&self, _name: &str) -> Option<std::borrow::Cow<'_, Value>> {
        None
    }
}

fn is_true_of_nobody(rule: &Rule) -> bool {
    let is_condition = rule.part.is_some() || rule.computation.class == Class::Audience;
    is_condition && rule.query().evaluate(&Nobody(rule), Timestamp::default()).value == Value::Bool(true)
}
