//! Computations: leaf states follow the events, memberships follow the leaves and traits.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Decision;
use crate::domain::change::MembershipWrite;
use crate::domain::definition::Audience;
use crate::domain::delivery::Cause;
use crate::domain::event::Event;
use crate::domain::ids::LeafId;
use crate::domain::limits;
use crate::domain::profile::{Membership, Profile};
use crate::domain::query::{CountEvaluation, LeafSpec, LeafState};
use crate::domain::time::Timestamp;

/// Places in `Rules::audiences` that are to be looked at.
pub(super) type Touched = BTreeSet<usize>;

/// Adds one event to a leaf; says whether there was room on the profile.
fn add(profile: &mut Profile, leaf: LeafId, spec: &LeafSpec, at: Timestamp, now: Timestamp) -> bool {
    let kept: usize = profile.leaves.values().map(LeafState::kept).sum();
    let has_room = kept < limits::MAX_LEAF_TIMES;
    if has_room {
        profile.leaves.entry(leaf).or_default().add(spec, at, now);
    }
    has_room
}

/// Whether the audience's query holds for this profile now, and until when surely.
fn evaluate(audience: &Audience, profile: &Profile, now: Timestamp) -> CountEvaluation {
    audience.query.evaluate_counts(
        &|index| audience.leaves.get(index).and_then(|leaf| profile.leaves.get(&leaf.id)),
        &|name| profile.trait_value(name).map(Cow::Owned),
        now,
    )
}

impl Decision<'_> {
    /// Adds an event to the leaves that count it; answers the audiences whose leaves changed.
    pub(super) fn count_event(&mut self, profile: &mut Profile, event: &Event) -> Touched {
        let mut touched = Touched::new();
        let Some((name, properties)) = event.as_behaviour() else { return touched };
        for leaf in self.rules.leaves_by_event.get(name).into_iter().flatten() {
            if !leaf.spec.matches(&properties) {
                continue;
            }
            if add(profile, leaf.id, &leaf.spec, event.timestamp, self.now) {
                touched.extend(leaf.audiences.iter().copied());
            } else {
                self.left_out.leaf_times += 1;
            }
        }
        touched
    }

    /// Evaluates the audiences in `touched`, and those that ask about an audience that changed, and notes every change.
    /// Answers the earliest instant at which one of them may change by itself.
    pub(super) fn evaluate(
        &mut self,
        profile: &mut Profile,
        mut touched: Touched,
        cause: &Cause,
    ) -> Option<Timestamp> {
        // Anonymous visitors are counted, but become members only once their user id is known.
        profile.key.user_id()?;
        let rules = Arc::clone(&self.rules);
        let mut wake: Option<Timestamp> = None;
        // Whoever asks about an audience stands after it, so each is evaluated once and the list ends.
        while let Some(place) = touched.pop_first() {
            let audience = &rules.audiences[place];
            if !audience.covers(&profile.key) {
                continue;
            }
            let evaluation = evaluate(audience, profile, self.now);
            wake = earliest(wake, evaluation.holds_until);
            if self.set_membership(profile, audience, evaluation.value, cause) {
                let dependents = rules.audiences_by_trait.get(&audience.key).into_iter().flatten();
                touched.extend(dependents.filter(|dependent| **dependent > place));
            }
        }
        wake
    }

    /// Evaluates one audience for a profile whose turn has come in its first computation; says whether that changed the
    /// profile.
    pub fn evaluate_first(&mut self, profile: &mut Profile, audience: &Audience) -> bool {
        if profile.key.user_id().is_none() {
            return false;
        }
        let armed = profile.wake_at;
        let evaluation = evaluate(audience, profile, self.now);
        arm(profile, evaluation.holds_until);
        let changed = self.set_membership(profile, audience, evaluation.value, &Cause::Backfill);
        if changed {
            let dependents =
                self.rules.audiences_by_trait.get(&audience.key).into_iter().flatten().copied().collect();
            let wake = self.evaluate(profile, dependents, &Cause::Backfill);
            arm(profile, wake);
        }
        changed || profile.wake_at != armed
    }

    /// Adds a past event to the leaves of one audience, in its first computation.
    pub fn count_past(
        &mut self,
        profile: &mut Profile,
        audience: &Audience,
        event: &Event,
        fresh: &BTreeSet<LeafId>,
    ) {
        let Some((name, properties)) = event.as_behaviour() else { return };
        for leaf in &audience.leaves {
            let counts =
                fresh.contains(&leaf.id) && leaf.spec.event() == name && leaf.spec.matches(&properties);
            if counts && !add(profile, leaf.id, &leaf.spec, event.timestamp, self.now) {
                self.left_out.leaf_times += 1;
            }
        }
    }

    /// All audiences that time can change for this profile.
    pub(super) fn all_with_state(&mut self, profile: &Profile) -> Touched {
        let places = profile.leaves.keys().filter_map(|leaf| self.rules.audiences_by_leaf.get(leaf));
        places.flatten().copied().collect()
    }

    /// Removes what no computation asks for any more.
    pub(super) fn forget_old_leaves(&self, profile: &mut Profile) {
        profile.leaves.retain(|leaf, _| self.rules.audiences_by_leaf.contains_key(leaf));
    }

    /// Says whether the trait of the audience's key changed.
    fn set_membership(
        &mut self,
        profile: &mut Profile,
        audience: &Audience,
        member: bool,
        cause: &Cause,
    ) -> bool {
        let known = profile.memberships.get(&audience.key);
        let of_this_audience = known.is_some_and(|known| known.audience_id == audience.id);
        let was = of_this_audience && known.is_some_and(|known| known.member);
        if was == member {
            // What an earlier audience of that name left behind is no longer the truth, but nobody was told of it by this one.
            let left_behind = known.is_some() && !of_this_audience;
            return left_behind && profile.memberships.remove(&audience.key).is_some();
        }
        profile.memberships.insert(
            audience.key.clone(),
            Membership { audience_id: audience.id.clone(), member, since: self.now },
        );
        self.changes.memberships.push(MembershipWrite {
            audience_id: audience.id.clone(),
            user: profile.key.clone(),
            since: member.then_some(self.now),
        });
        self.announce(profile, audience, member, cause);
        true
    }
}

/// The earlier of two instants, where `None` is never.
pub(super) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Sets the profile's timer to `wake` unless it wakes earlier anyway: waking early is harmless, and a timer left alone
/// costs nothing.
pub(super) fn arm(profile: &mut Profile, wake: Option<Timestamp>) {
    profile.wake_at = earliest(profile.wake_at, wake);
}
