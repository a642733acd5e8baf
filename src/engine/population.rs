//! Everybody as a query that is not stored sees them: leaf states made from the whole log, in memory.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::domain::event::Event;
use crate::domain::ids::UserKey;
use crate::domain::leaf::{LeafState, Pages, Reading};
use crate::domain::profile::Profile;
use crate::domain::query::{Evaluation, Finding, Inputs, LeafSpec, Query, Tally, Target};
use crate::domain::time::Timestamp;

/// What an entry of the map takes beside the user's key and the states: a map has up to twice the room it uses, and each of
/// the two allocations has its own overhead.
const USER_BYTES: usize = 2 * (size_of::<UserKey>() + size_of::<Vec<Held>>()) + 2 * 16;
/// What a user's state of one leaf takes.
const LEAF_BYTES: usize = size_of::<Held>();
/// What an event in a state takes, as a rule.
const ENTRY_BYTES: usize = 48;

/// A state with all of its pages.
type Held = (LeafState, Pages);

/// The states of those met so far, and about how many bytes they take.
pub(super) struct Population<'q> {
    query: &'q Query,
    target: Target,
    /// The query's leaves, then those of each part.
    specs: Vec<&'q LeafSpec>,
    of: HashMap<UserKey, Vec<Held>>,
    /// Accounts of the users that have some; only for an account-level query.
    groups: HashMap<UserKey, Vec<UserKey>>,
    tallies: HashMap<UserKey, Vec<Tally>>,
    bytes: usize,
}

/// What was found of one profile.
pub(super) struct Found {
    /// The value and until when it holds.
    pub evaluation: Evaluation,
    /// What each leaf said.
    pub leaves: Vec<Value>,
    /// Of how many of an account's users each part is true.
    pub tallies: Vec<Tally>,
}

struct Seen<'a> {
    profile: &'a Profile,
    leaves: &'a [Reading],
    tallies: &'a [Tally],
}

impl Inputs for Seen<'_> {
    fn leaf(&self, index: usize) -> Reading {
        self.leaves.get(index).cloned().unwrap_or(Reading { value: Value::Null, holds_until: None })
    }

    fn part(&self, index: usize) -> Tally {
        self.tallies.get(index).copied().unwrap_or_default()
    }

    fn trait_value(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.profile.trait_value(name)
    }
}

impl<'q> Population<'q> {
    pub(super) fn new(query: &'q Query, target: Target) -> Self {
        let of_parts = query.parts().iter().flat_map(|part| part.condition.leaves());
        Self {
            query,
            target,
            specs: query.leaves().iter().chain(of_parts).collect(),
            of: HashMap::new(),
            groups: HashMap::new(),
            tallies: HashMap::new(),
            bytes: 0,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether events have to be read at all.
    pub(super) fn needs_events(&self) -> bool {
        !self.specs.is_empty()
    }

    /// The names of the events that have to be read.
    pub(super) fn event_names(&self) -> BTreeSet<String> {
        self.specs.iter().flat_map(|spec| spec.event_names()).map(str::to_owned).collect()
    }

    /// Whether the accounts of users have to be known before events are read.
    pub(super) fn needs_groups(&self) -> bool {
        self.target == Target::Accounts
    }

    /// Notes the accounts of a user.
    pub(super) fn note_groups(&mut self, profile: &Profile) {
        if !profile.groups.is_empty() {
            self.bytes += USER_BYTES + profile.groups.iter().map(|group| 48 + group.len()).sum::<usize>();
            let groups = profile.groups.iter().map(|group| UserKey::group(group)).collect();
            self.groups.insert(profile.key.clone(), groups);
        }
    }

    /// Counts an event of the log; `user` is whose profile it belongs to now.
    pub(super) fn count(&mut self, user: &UserKey, event: &Event, now: Timestamp) {
        let Some((name, _)) = event.as_behaviour() else { return };
        let own = self.query.leaves().len();
        for (index, spec) in self.specs.clone().into_iter().enumerate() {
            if !spec.event_names().contains(name) {
                continue;
            }
            let Some(entry) = spec.observe(event) else { continue };
            let is_of_accounts = self.target == Target::Accounts && index < own;
            let owners = match self.groups.get(user) {
                Some(groups) if is_of_accounts => groups.clone(),
                None if is_of_accounts => continue,
                Some(_) | None => vec![user.clone()],
            };
            for owner in owners {
                self.add(&owner, index, entry.clone(), now);
            }
        }
    }

    fn add(&mut self, owner: &UserKey, index: usize, entry: crate::domain::leaf::Entry, now: Timestamp) {
        if !self.of.contains_key(owner) {
            self.bytes += USER_BYTES + owner.as_str().len() + self.specs.len() * LEAF_BYTES;
            self.of.insert(owner.clone(), vec![Held::default(); self.specs.len()]);
        }
        let spec = self.specs[index];
        if let Some((state, pages)) = self.of.get_mut(owner).and_then(|held| held.get_mut(index)) {
            self.bytes += ENTRY_BYTES;
            state.add(spec.shape(), entry, now, pages);
        }
    }

    /// Looks at a user of an account-level query: which parts are true of him counts for his accounts.
    pub(super) fn tally(&mut self, profile: &Profile, now: Timestamp) {
        let mut first = self.query.leaves().len();
        let mut truths = Vec::new();
        for part in self.query.parts() {
            let specs = part.condition.leaves();
            let leaves = self.read(profile, first, specs, now);
            first += specs.len();
            let seen = Seen { profile, leaves: &leaves, tallies: &[] };
            truths.push(part.condition.evaluate(&seen, now).value == Value::Bool(true));
        }
        for group in &profile.groups {
            let tallies = self.tallies.entry(UserKey::group(group)).or_default();
            tallies.resize(truths.len(), Tally::default());
            for (tally, yes) in tallies.iter_mut().zip(&truths) {
                tally.all += 1;
                tally.yes += u64::from(*yes);
            }
        }
    }

    /// What the query says of a profile.
    pub(super) fn find(&mut self, profile: &Profile, now: Timestamp) -> Found {
        let query = self.query;
        let leaves = self.read(profile, 0, query.leaves(), now);
        let mut tallies = self.tallies.get(&profile.key).cloned().unwrap_or_default();
        tallies.resize(query.parts().len(), Tally::default());
        let evaluation = query.evaluate(&Seen { profile, leaves: &leaves, tallies: &tallies }, now);
        Found { evaluation, leaves: leaves.into_iter().map(|reading| reading.value).collect(), tallies }
    }

    /// Why: what each condition said of one of whom that was found.
    pub(super) fn explain(&self, profile: &Profile, found: &Found, now: Timestamp) -> Vec<Finding> {
        let reading = |value: &Value| Reading { value: value.clone(), holds_until: None };
        let leaves: Vec<Reading> = found.leaves.iter().map(reading).collect();
        self.query.findings(&Seen { profile, leaves: &leaves, tallies: &found.tallies }, now)
    }

    fn read(&mut self, profile: &Profile, first: usize, specs: &[LeafSpec], now: Timestamp) -> Vec<Reading> {
        let mut held = self.of.get_mut(&profile.key);
        let read_one = |(place, spec): (usize, &LeafSpec)| {
            let Some((state, pages)) = held.as_mut().and_then(|held| held.get_mut(first + place)) else {
                return Reading { value: spec.empty(), holds_until: None };
            };
            state.advance(spec.shape(), now, pages);
            if spec.is_listed() {
                return spec.read(&state.entries(pages), &|name| profile.trait_value(name), now);
            }
            state.value(spec.shape(), now, pages)
        };
        specs.iter().enumerate().map(read_one).collect()
    }
}
