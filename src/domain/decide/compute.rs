//! Computations: values follow the leaves and traits.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Decision;
use super::accounts::Effect;
use super::leaves::read;
use super::rules::{Rule, Rules};
use crate::domain::change::MembershipWrite;
use crate::domain::definition::{Class, Computation, PartUse, Status};
use crate::domain::delivery::Cause;
use crate::domain::leaf::Reading;
use crate::domain::limits;
use crate::domain::profile::{Computed, Membership, Profile};
use crate::domain::query::{Evaluation, Inputs, Tally};
use crate::domain::time::Timestamp;

/// Places in `Rules::rules` that are to be looked at.
pub(super) type Touched = BTreeSet<usize>;

/// What a query sees of a profile.
struct Seen<'a> {
    profile: &'a Profile,
    leaves: Vec<Reading>,
    tallies: Vec<Tally>,
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

/// What the rule's query says of this profile now, and until when surely.
fn evaluate(rule: &Rule, profile: &mut Profile, now: Timestamp) -> Evaluation {
    let leaves: Vec<Reading> = rule.leaves().iter().map(|used| read(profile, used, now)).collect();
    let visitors = if rule.computation.include_anonymous { profile.users.anonymous } else { 0 };
    let tally = |part: &PartUse| Tally {
        yes: profile.users.yes.get(&part.id).copied().unwrap_or(0),
        all: profile.users.known + visitors,
    };
    let tallies = rule.tallied().iter().map(tally).collect();
    rule.query().evaluate(&Seen { profile, leaves, tallies }, now)
}

impl Decision<'_> {
    /// Evaluates the rules in `touched`, and those that ask about a value that changed, and notes every change. Answers the
    /// earliest instant at which one of them may change by itself.
    pub(super) fn evaluate(
        &mut self,
        profile: &mut Profile,
        touched: Touched,
        cause: &Cause,
    ) -> Option<Timestamp> {
        self.evaluate_in_turn(profile, touched, cause, &Touched::new()).0
    }

    /// Evaluates rules, by place, for a profile whose turn has come in their first computation; says whether that changed the
    /// profile. One that a computation is not about, or no longer, has no value of it.
    pub fn evaluate_first(&mut self, profile: &mut Profile, places: &[usize]) -> bool {
        let first: Touched = places.iter().copied().collect();
        let (armed, parts) = (profile.wake_at, profile.parts.clone());
        let has_forgotten = self.forget(profile);
        let (wake, changed) = self.evaluate_in_turn(profile, first.clone(), &Cause::Backfill, &first);
        arm(profile, wake);
        has_forgotten || changed || profile.wake_at != armed || profile.parts != parts
    }

    /// The same for both: those in `first` are looked at because it is their turn. Says also whether anything changed.
    fn evaluate_in_turn(
        &mut self,
        profile: &mut Profile,
        mut touched: Touched,
        cause: &Cause,
        first: &Touched,
    ) -> (Option<Timestamp>, bool) {
        let rules = Arc::clone(&self.rules);
        let mut wake: Option<Timestamp> = None;
        let mut changed = false;
        // Whoever asks about a value stands after it, so each is evaluated once and the list ends.
        while let Some(place) = touched.pop_first() {
            let rule = &rules.rules[place];
            let is_turn = first.contains(&place);
            let is_about = rule.is_about(&profile.key);
            let value = if is_about && (is_turn || rules.covers(rule, profile)) {
                let evaluation = evaluate(rule, profile, self.now);
                wake = earliest(wake, evaluation.holds_until);
                evaluation.value
            } else if is_turn {
                rule.of_nobody()
            } else {
                continue;
            };
            if self.set(profile, rule, value, cause) {
                changed = true;
                touched.append(&mut rules.asking(rule, place));
            }
        }
        (wake, changed)
    }

    /// Says whether that changed the profile.
    fn set(&mut self, profile: &mut Profile, rule: &Rule, value: Value, cause: &Cause) -> bool {
        let is_true = value == Value::Bool(true);
        match (rule.part, rule.computation.class) {
            (Some(part), _) => self.set_part(profile, rule, part, is_true, cause),
            (None, Class::Audience) => self.set_membership(profile, &rule.computation, is_true, cause),
            (None, Class::Trait) => self.set_value(profile, &rule.computation, value, cause),
        }
    }

    /// What a part is for the user; his accounts count it.
    fn set_part(
        &mut self,
        profile: &mut Profile,
        rule: &Rule,
        part: usize,
        yes: bool,
        cause: &Cause,
    ) -> bool {
        let Some(part) = rule.computation.parts.get(part) else { return false };
        let was = profile.parts.get(&part.id).copied().unwrap_or(false);
        if was != yes {
            profile.parts.insert(part.id, yes);
            self.tell_accounts(profile, &Effect::Part(part.id, yes), cause);
        }
        was != yes
    }

    fn set_membership(
        &mut self,
        profile: &mut Profile,
        audience: &Computation,
        member: bool,
        cause: &Cause,
    ) -> bool {
        // What a computed trait of that name left is no longer the truth.
        profile.values.remove(&audience.key);
        let known = profile.memberships.get(&audience.key).map(Cow::into_owned);
        let is_ours = known.as_ref().is_some_and(|known| known.audience_id == audience.id);
        let was = known.as_ref().is_some_and(|known| known.member);
        // What an earlier audience of that name told is taken back by this one, or told again under its own id.
        if (is_ours || !member) && was == member {
            if !is_ours && known.is_some() {
                profile.memberships.remove(&audience.key);
                return true;
            }
            return false;
        }
        let mut earlier = Vec::new();
        if let Some(known) = known.filter(|_| is_ours) {
            earlier = known.earlier;
            earlier.extend((known.member != member).then_some(known.since));
        }
        let too_many = earlier.len().saturating_sub(limits::MEMBERSHIP_CHANGES);
        earlier.drain(..too_many);
        profile.memberships.insert(
            &audience.key,
            Membership { audience_id: audience.id.clone(), member, since: self.now, earlier },
        );
        self.changes.memberships.push(MembershipWrite {
            audience_id: audience.id.clone(),
            user: profile.key.clone(),
            since: member.then_some(self.now),
        });
        self.announce(profile, audience, &Value::Bool(member), cause);
        true
    }

    /// A value is first set when it is another than that of no events, or than what an earlier trait of that name told; from
    /// then on every change is.
    fn set_value(
        &mut self,
        profile: &mut Profile,
        computed: &Computation,
        value: Value,
        cause: &Cause,
    ) -> bool {
        // What an audience of that name left is no longer the truth.
        profile.memberships.remove(&computed.key);
        let known = profile.values.get(&computed.key);
        let is_ours = known.as_ref().is_some_and(|known| known.computation_id == computed.id);
        let is_of_nobody = computed.leaves.first().is_none_or(|leaf| leaf.spec.empty() == value);
        let is_told = match known {
            Some(known) if is_ours => known.value == value,
            Some(known) => is_of_nobody && (known.value == value || known.value.is_null()),
            None => is_of_nobody,
        };
        if is_told {
            return !is_ours && profile.values.remove(&computed.key);
        }
        let written = Computed { computation_id: computed.id.clone(), value: value.clone(), since: self.now };
        profile.values.insert(&computed.key, written);
        self.announce(profile, computed, &value, cause);
        true
    }

    /// Tells the members of an audience that is being deleted that they are out; says whether this one was in.
    pub fn leave(&mut self, profile: &mut Profile, audience: &Computation) -> bool {
        let known = profile.memberships.get(&audience.key);
        let is_member = known.is_some_and(|known| known.member && known.audience_id == audience.id);
        if !is_member || !self.set_membership(profile, audience, false, &Cause::Deletion) {
            return false;
        }
        let rules = Arc::clone(&self.rules);
        let asking = rules.rules_by_trait.get(&audience.key).into_iter().flatten().copied().collect();
        let wake = self.evaluate(profile, asking, &Cause::Deletion);
        arm(profile, wake);
        true
    }

    /// Tells one destination of the present value, where there is one.
    pub fn announce_present(&mut self, profile: &Profile, computation: &Computation, destination: &str) {
        let present = match computation.class {
            Class::Audience => profile
                .memberships
                .get(&computation.key)
                .filter(|known| known.member && known.audience_id == computation.id)
                .map(|_| Value::Bool(true)),
            Class::Trait => profile
                .values
                .get(&computation.key)
                .filter(|known| !known.value.is_null() && known.computation_id == computation.id)
                .map(|known| known.value.clone()),
        };
        self.note_damage(profile);
        if let Some(value) = present {
            self.announce_to(profile, computation, &value, &Cause::Backfill, destination);
        }
    }
}

impl Rules {
    /// Whether a change of this profile is looked at now: always when the computation is live; while its values are being
    /// found only for profiles that were already evaluated (the others' turn is still to come).
    fn covers(&self, rule: &Rule, profile: &Profile) -> bool {
        match rule.computation.status {
            Status::Live => true,
            Status::Computing => self.backfills.iter().any(|backfill| {
                backfill.computations.iter().any(|it| it.id == rule.computation.id)
                    && backfill.has_reached(profile)
            }),
            Status::Disabled | Status::Failed | Status::Leaving => false,
        }
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
