//! Leaf states follow the events.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Decision;
use super::accounts::Effect;
use super::compute::Touched;
use super::rules::Rules;
use crate::domain::definition::LeafUse;
use crate::domain::delivery::Cause;
use crate::domain::event::Event;
use crate::domain::ids::LeafId;
use crate::domain::leaf::{Entry, LeafState, Pages, Reading};
use crate::domain::profile::Profile;
use crate::domain::query::LeafSpec;
use crate::domain::time::Timestamp;

/// Pages of a profile's leaf states that are to be loaded: of which leaf, and which.
pub type MissingPages = Vec<(LeafId, u32)>;

/// Adds one event to a leaf; says whether there was room.
pub(super) fn add(
    profile: &mut Profile,
    leaf: LeafId,
    spec: &LeafSpec,
    entry: Entry,
    now: Timestamp,
) -> bool {
    let state = profile.leaves.get_or_default(leaf);
    state.add(spec.shape(), entry, now, profile.pages.of_mut(leaf))
}

/// What a leaf says of a profile now.
pub(super) fn read(profile: &mut Profile, used: &LeafUse, now: Timestamp) -> Reading {
    let shape = used.spec.shape();
    let Some(state) = profile.leaves.get_mut(used.id) else {
        return Reading { value: used.spec.empty(), holds_until: None };
    };
    let pages = profile.pages.of_mut(used.id);
    state.advance(shape, now, pages);
    if used.spec.is_listed() {
        let entries = state.entries(pages);
        let traits = |name: &str| -> Option<Cow<'_, serde_json::Value>> { profile.trait_value(name) };
        return used.spec.read(&entries, &traits, now);
    }
    state.value(shape, now, pages)
}

impl Decision<'_> {
    /// Adds an event to the leaves that it concerns, on the user's profile and on those of his accounts; answers the
    /// computations whose leaves changed.
    pub(super) fn count_event(&mut self, profile: &mut Profile, event: &Event) -> Touched {
        let mut touched = Touched::new();
        let Some((name, _)) = event.as_behaviour() else { return touched };
        let rules = std::sync::Arc::clone(&self.rules);
        let mut counted = Vec::new();
        for leaf in rules.leaves_by_event.get(name).into_iter().flatten() {
            if leaf.used.is_too_old(event.timestamp) {
                continue;
            }
            let Some(entry) = leaf.used.spec.observe(event) else { continue };
            if leaf.is_for_accounts && !profile.groups.is_empty() {
                counted.push((leaf.used.id, entry.clone()));
            }
            if add(profile, leaf.used.id, &leaf.used.spec, entry, self.now) {
                touched.extend(leaf.rules.iter().copied());
            } else {
                self.left_out.leaf_entries += 1;
            }
        }
        if !counted.is_empty() {
            self.tell_accounts(profile, &Effect::Counted(counted), &Cause::Event(event.id));
        }
        touched
    }

    /// Adds states that were made from the past. Nothing is evaluated: the profiles' turn comes when all of it is there.
    pub fn pour(&mut self, profile: &mut Profile, states: Vec<(LeafId, LeafState, Pages)>) {
        let rules = std::sync::Arc::clone(&self.rules);
        let mut of_accounts = Vec::new();
        for (leaf, state, pages) in states {
            let Some(spec) = rules.leaf_specs.get(&leaf) else { continue };
            let own = profile.leaves.get_or_default(leaf);
            self.left_out.leaf_entries +=
                own.merge(spec.shape(), &state, &pages, self.now, profile.pages.of_mut(leaf));
            if rules.account_leaves.contains(&leaf) {
                of_accounts.push((leaf, state, pages));
            }
        }
        if !of_accounts.is_empty() {
            self.tell_accounts(profile, &Effect::Poured(of_accounts), &Cause::Backfill);
        }
    }

    /// All computations that time can change for this profile.
    pub(super) fn all_with_state(&self, profile: &Profile) -> Touched {
        let places = profile.leaves.keys().filter_map(|leaf| self.rules.rules_by_leaf.get(&leaf));
        places.flatten().chain(&self.rules.timed).copied().collect()
    }

    /// Removes what no computation asks for any more, if there can be any: not once a backfill has passed by all profiles
    /// since the last computation was edited or removed. (Until it begins, what is left behind stays, and counts nothing.)
    pub(super) fn forget_during_backfill(&mut self, profile: &mut Profile) {
        if !self.rules.backfills.is_empty() {
            self.forget(profile);
        }
    }

    /// Removes what no computation asks for any more; says whether there was something.
    pub(super) fn forget(&mut self, profile: &mut Profile) -> bool {
        let rules = &self.rules;
        let is_gone = |(leaf, _): &(LeafId, _)| !rules.leaf_specs.contains_key(leaf);
        let gone: Vec<(LeafId, bool)> =
            profile.leaves.held().filter(is_gone).map(|(leaf, held)| (leaf, held.had_pages())).collect();
        for (leaf, had_pages) in &gone {
            profile.leaves.remove(*leaf);
            profile.pages.forget(*leaf);
            self.changes.drop_leaves.extend(had_pages.then(|| (profile.key.clone(), *leaf)));
        }
        let before = (profile.parts.len(), profile.users.yes.len());
        profile.parts.retain(|part, _| rules.parts.contains(part));
        profile.users.yes.retain(|part, _| rules.parts.contains(part));
        !gone.is_empty() || before != (profile.parts.len(), profile.users.yes.len())
    }
}

impl Rules {
    /// The pages of a profile's leaf states that have to be in memory before these events of its user are taken in, and
    /// before anything is evaluated, at `now`. To be asked again until there are none.
    pub fn missing_pages(&self, profile: &Profile, events: &[&Event], now: Timestamp) -> MissingPages {
        let mut missing = BTreeSet::new();
        let none = Pages::default();
        for leaf in paged(profile) {
            let Some(spec) = self.leaf_specs.get(&leaf) else { continue };
            // Should it be damaged, whoever needs its value finds that out.
            let Some(state) = profile.leaves.peek(leaf) else { continue };
            let pages = profile.pages.of(leaf).unwrap_or(&none);
            let mut note =
                |numbers: Vec<u32>| missing.extend(numbers.into_iter().map(|number| (leaf, number)));
            if spec.is_listed() {
                note(state.missing_all(pages));
                continue;
            }
            let entries: Vec<Entry> = events.iter().filter_map(|event| spec.observe(event)).collect();
            note(state.missing(spec.shape(), &entries, now, pages));
        }
        missing.into_iter().collect()
    }

    /// All pages of a profile's leaf states that are not in memory. To be asked again until there are none.
    pub fn missing_all_pages(profile: &Profile) -> MissingPages {
        let none = Pages::default();
        let of = |leaf: LeafId| {
            let pages = profile.pages.of(leaf).unwrap_or(&none);
            let missing = profile.leaves.peek(leaf).map(|state| state.missing_all(pages));
            missing.into_iter().flatten().map(move |number| (leaf, number))
        };
        paged(profile).flat_map(of).collect()
    }
}

/// The leaves of which something is on pages.
fn paged(profile: &Profile) -> impl Iterator<Item = LeafId> {
    profile.leaves.held().filter(|(_, held)| held.is_paged()).map(|(leaf, _)| leaf)
}
