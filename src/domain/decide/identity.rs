//! Identity: two profiles that are one person become one.
//!
//! Leaf states merge because they commute; traits, journeys and what the person was told follow. What is left of the other
//! profile is a pointer, so that whatever still comes under its id finds its way.

use super::Decision;
use super::compute::{Touched, arm};
use super::intake::{SetTrait, set_trait};
use crate::domain::change::{Adoption, JourneyMove, MembershipWrite};
use crate::domain::definition::Class;
use crate::domain::delivery::Cause;
use crate::domain::event::{Call, Event};
use crate::domain::external_ids::KINDS;
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::profile::Profile;

/// Ids that many senders use for nobody in particular (Segment's blocked values); profiles are never merged by them.
fn is_nobody(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    id.bytes().all(|byte| matches!(byte, b'0' | b'-'))
        || matches!(lower.as_str(), "-1" | "null" | "anonymous")
}

/// The other profiles that an event says are the same person as its user. An alias does not say of which kind its previous
/// id is; it is one person's under both.
pub fn links(event: &Event) -> Vec<UserKey> {
    let Some(user) = event.user_id.as_deref().filter(|id| !is_nobody(id)) else { return Vec::new() };
    match (&event.call, event.anonymous_id.as_deref()) {
        (Call::Alias { previous_id }, _) if previous_id != user && !is_nobody(previous_id) => {
            vec![UserKey::user(previous_id), UserKey::anonymous(previous_id)]
        }
        (Call::Alias { .. }, _) | (_, None) => Vec::new(),
        (_, Some(anonymous)) if is_nobody(anonymous) => Vec::new(),
        (_, Some(anonymous)) => vec![UserKey::anonymous(anonymous)],
    }
}

impl Profile {
    /// Whether it is known already that this is another name of the person.
    pub fn is_linked_to(&self, other: &UserKey) -> bool {
        let is_in = |ids: &[String], id: &str| ids.iter().any(|known| known == id);
        *other == self.key
            || other.anonymous_id().is_some_and(|id| is_in(&self.anonymous_ids, id))
            || other.user_id().is_some_and(|id| is_in(&self.former_ids, id))
    }

    /// Notes another name of the person.
    fn link(&mut self, other: &UserKey) {
        let (list, id) = match (other.anonymous_id(), other.user_id()) {
            (Some(id), _) => (&mut self.anonymous_ids, id),
            (None, Some(id)) => (&mut self.former_ids, id),
            (None, None) => return,
        };
        if !list.iter().any(|known| known == id) {
            if list.len() >= limits::MAX_LINKED_IDS {
                list.remove(0);
            }
            list.push(id.to_owned());
        }
    }
}

/// What is to be looked at once everything that an event makes one is one.
#[derive(Debug, Default)]
pub struct Merged {
    /// Rules that may be another now.
    pub(super) touched: Touched,
    /// Keys of the computations that the person was told of under another id.
    pub(super) told: Vec<String>,
}

impl Decision<'_> {
    /// Makes `from` part of `into`; `from` is a pointer afterwards. Nothing is evaluated yet: the event that says so, or
    /// another id that it names, may change what is true.
    pub fn merge(&mut self, into: &mut Profile, from: &mut Profile, merged: &mut Merged) {
        let pointer =
            Profile { merged_into: Some(into.key.clone()), ..Profile::new(from.key.clone(), self.now) };
        let from = std::mem::replace(from, pointer);
        into.updated_at = self.now;
        merged.touched.append(&mut self.touched_by(into, &from));
        self.merge_accounts(into, &from);
        self.merge_leaves(into, &from);
        merged.told.append(&mut self.merge_told(into, &from));
        self.merge_person(into, &from);
        self.note_damage(&from);
        self.merge_journeys(into, from);
        let wake = self.journeys_wake(into);
        arm(into, wake);
    }

    /// Evaluates what a merge may have changed, and what else did: `touched`. Everything that the person was told under another
    /// id is told again under the surviving one, as it is true now.
    pub(super) fn evaluate_merged(
        &mut self,
        profile: &mut Profile,
        mut merged: Merged,
        mut touched: Touched,
    ) {
        merged.touched.append(&mut touched);
        merged.told.sort_unstable();
        merged.told.dedup();
        let before = self.changes.deliveries.len();
        let wake = self.evaluate(profile, merged.touched, &Cause::Merge);
        arm(profile, wake);
        self.tell_again(profile, &merged.told, before);
    }

    /// The rules that may be another now: those that ask about what the other profile brings.
    fn touched_by(&self, into: &Profile, from: &Profile) -> Touched {
        let rules = &self.rules;
        let leaves = from.leaves.keys().filter_map(|leaf| rules.rules_by_leaf.get(&leaf)).flatten();
        let names =
            from.traits.keys().map(String::as_str).chain(from.memberships.keys()).chain(from.values.keys());
        let asking = names.filter_map(|name| rules.rules_by_trait.get(name)).flatten();
        let mut touched: Touched = leaves.chain(asking).copied().collect();
        if into.is_fresh(self.now) {
            touched.extend(rules.of_nobody.iter().copied());
        }
        if !from.memberships.is_empty() || !from.values.is_empty() || !from.parts.is_empty() {
            touched.extend(0..rules.rules.len());
        }
        touched
    }

    /// Accounts of either are accounts of both from now on, and have one user less where both were linked.
    fn merge_accounts(&mut self, into: &mut Profile, from: &Profile) {
        let left = Self::left(from);
        for group in &into.groups {
            // What he did under the other id may be new to this account; he himself is not.
            if !from.groups.contains(group) {
                let joined = self.joined(from);
                self.tell(UserKey::group(group), joined, &Cause::Merge);
            }
            self.tell(UserKey::group(group), left.clone(), &Cause::Merge);
        }
        for group in &from.groups {
            if into.groups.contains(group) {
                continue;
            }
            if into.groups.len() < limits::MAX_GROUPS_OF_USER {
                let joined = self.joined(into);
                self.tell(UserKey::group(group), joined, &Cause::Merge);
                into.groups.push(group.clone());
            } else {
                self.left_out.groups += 1;
            }
            self.tell(UserKey::group(group), left.clone(), &Cause::Merge);
        }
    }

    fn merge_leaves(&mut self, into: &mut Profile, from: &Profile) {
        let rules = std::sync::Arc::clone(&self.rules);
        for (leaf, held) in from.leaves.held() {
            if let Some(spec) = rules.leaf_specs.get(&leaf)
                && let Some(state) = from.leaves.get(leaf)
            {
                let no_pages = crate::domain::leaf::Pages::default();
                let pages = from.pages.of(leaf).unwrap_or(&no_pages);
                let own = into.leaves.get_or_default(leaf);
                self.left_out.leaf_entries +=
                    own.merge(spec.shape(), &state, pages, self.now, into.pages.of_mut(leaf));
            }
            // Pages that it no longer has may still be in the store.
            if held.had_pages() {
                self.changes.drop_leaves.push((from.key.clone(), leaf));
            }
        }
    }

    /// What was told under the other id counts as told to the person. Answers the keys of the computations concerned. (One that
    /// is disabled says nothing now, so it has said nothing under the surviving id.)
    fn merge_told(&mut self, into: &mut Profile, from: &Profile) -> Vec<String> {
        let definitions = std::sync::Arc::clone(&self.rules.definitions);
        let is_silent = |key: &str| definitions.computation(key).is_some_and(|it| !it.status.counts_events());
        for (key, membership) in from.memberships.iter() {
            if membership.member {
                self.changes.memberships.push(MembershipWrite {
                    audience_id: membership.audience_id.clone(),
                    user: from.key.clone(),
                    since: None,
                });
            }
            if !into.memberships.contains_key(key) && !is_silent(key) {
                if membership.member {
                    self.changes.memberships.push(MembershipWrite {
                        audience_id: membership.audience_id.clone(),
                        user: into.key.clone(),
                        since: Some(membership.since),
                    });
                }
                into.memberships.insert(key, membership.into_owned());
            }
        }
        for (key, computed) in from.values.iter().filter(|(key, _)| !is_silent(key)) {
            if !into.values.contains_key(key) {
                into.values.insert(key, computed.into_owned());
            }
        }
        from.memberships.keys().chain(from.values.keys()).map(str::to_owned).collect()
    }

    /// Tells of what was told under either id and was not told anew by evaluating it just now.
    fn tell_again(&mut self, profile: &Profile, told: &[String], before: usize) {
        let rules = std::sync::Arc::clone(&self.rules);
        for key in told {
            let said_now = self.changes.deliveries[before..]
                .iter()
                .any(|write| write.delivery.user == profile.key && write.delivery.is_about(key));
            let computation = rules.definitions.computation(key);
            let Some(computation) = computation.filter(|it| !said_now && it.status.counts_events()) else {
                continue;
            };
            let value = match computation.class {
                Class::Audience => profile
                    .memberships
                    .get(key)
                    .filter(|known| known.audience_id == computation.id)
                    .map(|known| known.member.into()),
                Class::Trait => profile
                    .values
                    .get(key)
                    .filter(|known| known.computation_id == computation.id)
                    .map(|known| known.value.clone()),
            };
            if let Some(value) = value {
                self.announce(profile, computation, &value, &Cause::Merge);
            }
        }
    }

    /// Traits (the newer value holds), phone number, ids, and what was seen.
    fn merge_person(&mut self, into: &mut Profile, from: &Profile) {
        let before = KINDS.map(|kind| into.external_ids(kind));
        into.created_at = into.created_at.min(from.created_at);
        for (name, other) in &from.traits {
            if into.traits.get(name).is_none_or(|own| own.at < other.at) {
                let done = set_trait(into, name, &other.value, other.at);
                self.left_out.traits += usize::from(matches!(done, SetTrait::NoRoom));
            }
        }
        if from.phone.as_ref().is_some_and(|other| into.phone.as_ref().is_none_or(|own| own.at < other.at)) {
            into.phone.clone_from(&from.phone);
        }
        into.link(&from.key);
        for id in &from.anonymous_ids {
            into.link(&UserKey::anonymous(id));
        }
        for id in &from.former_ids {
            into.link(&UserKey::user(id));
        }
        into.recent.extend(&from.recent);
        into.recent.make_contiguous().sort_unstable();
        let surplus = into.recent.len().saturating_sub(limits::RECENT_EVENTS);
        into.recent.drain(..surplus);
        into.seen.recent.extend(&from.seen.recent);
        into.seen.recent.make_contiguous().sort_unstable_by_key(|(_, at)| *at);
        into.seen.spilled_until = into.seen.spilled_until.max(from.seen.spilled_until);
        self.spill(into);
        arm(into, from.wake_at);
        self.move_external_ids(from, into, &before);
    }

    fn merge_journeys(&mut self, into: &mut Profile, from: Profile) {
        self.changes.adopted.push(Adoption { from: from.key, to: into.key.clone() });
        for mut journey in from.journeys {
            journey.user = into.key.clone();
            self.changes.journeys.push(JourneyMove::to_another(&journey));
            into.journeys.push(journey);
        }
        into.journeys.sort_by_key(|journey| journey.id);
        let user = into.key.clone();
        self.changes.journeys_of(&user, &mut into.journeys).supersede_surplus(self.now);
        self.archive(into, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_merged_by_a_placeholder() {
        for id in ["", "0", "000-0", "-1", "null", "NULL", "anonymous"] {
            assert!(is_nobody(id), "{id}");
        }
        for id in ["u1", "10", "nullable"] {
            assert!(!is_nobody(id), "{id}");
        }
    }
}
