//! Accounts: a user's doings are told to the profiles of the accounts that he is linked to.
//!
//! A decision works on one profile at a time. What it means for others is an [`Effect`], which whoever asked for the
//! decision applies to their profiles before the change set is written.

use serde_json::{Map, Value};

use super::Decision;
use super::compute::{Touched, arm};
use super::leaves::add;
use super::rules::Rules;
use crate::domain::delivery::Cause;
use crate::domain::event::{Call, Event};
use crate::domain::ids::{LeafId, UserKey};
use crate::domain::leaf::{Entry, LeafState, Pages};
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

/// What happened to a user, for an account that he is linked to.
#[derive(Clone, Debug)]
pub enum Effect {
    /// He is linked to it from now on, with what he did before and which parts are true of him.
    Joined {
        /// Whether only an anonymous id is known of him.
        anonymous: bool,
        /// States of the leaves that accounts have too.
        states: Vec<(LeafId, LeafState, Pages)>,
        /// Parts that are true of him.
        parts: Vec<LeafId>,
    },
    /// His profile became part of another user's.
    Left {
        /// Whether only an anonymous id was known of him.
        anonymous: bool,
        /// Parts that were true of him.
        parts: Vec<LeafId>,
    },
    /// He did something that its leaves count.
    Counted(Vec<(LeafId, Entry)>),
    /// What he did in the past that its leaves count.
    Poured(Vec<(LeafId, LeafState, Pages)>),
    /// A part is true of him from now on, or no longer.
    Part(LeafId, bool),
    /// A group call said this of the account itself.
    Described(Map<String, Value>, Timestamp),
}

/// An [`Effect`] with whom it concerns and why.
#[derive(Clone, Debug)]
pub struct Told {
    /// The account's profile.
    pub account: UserKey,
    /// What happened.
    pub effect: Effect,
    /// Why.
    pub cause: Cause,
}

impl Decision<'_> {
    /// Links the user to the account of a group call, and tells the account what the call says of it.
    pub(super) fn link_account(&mut self, profile: &mut Profile, event: &Event) {
        let Call::Group { group_id, traits } = &event.call else { return };
        let account = UserKey::group(group_id);
        let cause = Cause::Event(event.id);
        self.tell(account.clone(), Effect::Described(traits.clone(), event.timestamp), &cause);
        if profile.groups.contains(group_id) {
            return;
        }
        if profile.groups.len() >= limits::MAX_GROUPS_OF_USER {
            self.left_out.groups += 1;
            return;
        }
        profile.groups.push(group_id.clone());
        let joined = self.joined(profile);
        self.tell(account, joined, &cause);
    }

    /// What a user brings along to an account.
    pub(super) fn joined(&self, profile: &Profile) -> Effect {
        let shared = profile.leaves.keys().filter(|leaf| self.rules.account_leaves.contains(leaf));
        let states = shared.filter_map(|leaf| {
            let pages = profile.pages.of(leaf).cloned().unwrap_or_default();
            Some((leaf, profile.leaves.get(leaf)?.into_owned(), pages))
        });
        let mut parts = parts_of(profile);
        // Of a profile that has not forgotten yet.
        parts.retain(|part| self.rules.parts.contains(part));
        Effect::Joined { anonymous: profile.key.anonymous_id().is_some(), states: states.collect(), parts }
    }

    /// What an account loses with a user whose profile becomes part of another.
    pub(super) fn left(profile: &Profile) -> Effect {
        Effect::Left { anonymous: profile.key.anonymous_id().is_some(), parts: parts_of(profile) }
    }

    /// Tells one account.
    pub(super) fn tell(&mut self, account: UserKey, effect: Effect, cause: &Cause) {
        self.effects.push(Told { account, effect, cause: cause.clone() });
    }

    /// Tells all of the user's accounts.
    pub(super) fn tell_accounts(&mut self, profile: &Profile, effect: &Effect, cause: &Cause) {
        for group in &profile.groups {
            self.tell(UserKey::group(group), effect.clone(), cause);
        }
    }

    /// Lets what happened to users have its effect on an account that they are linked to. It is evaluated once all of it has:
    /// what was so only in between is told to nobody.
    pub fn take_effects(&mut self, account: &mut Profile, effects: Vec<(Effect, Cause)>) {
        let Some(cause) = effects.last().map(|(_, cause)| cause.clone()) else { return };
        account.updated_at = self.now;
        self.forget_during_backfill(account);
        let mut touched = Touched::new();
        if account.is_fresh(self.now) {
            touched.extend(self.rules.of_nobody.iter().copied());
        }
        for (effect, _) in effects {
            touched.append(&mut self.take_effect(account, effect));
        }
        let wake = self.evaluate(account, touched, &cause);
        arm(account, wake);
    }

    /// Answers the rules that may have another value by it.
    fn take_effect(&mut self, account: &mut Profile, effect: Effect) -> Touched {
        let rules = std::sync::Arc::clone(&self.rules);
        let mut touched = Touched::new();
        let mut touch =
            |leaf: &LeafId| touched.extend(rules.rules_by_leaf.get(leaf).into_iter().flatten().copied());
        match effect {
            Effect::Joined { anonymous, states, parts } => {
                account.users.count(anonymous);
                for part in &parts {
                    *account.users.yes.entry(*part).or_default() += 1;
                }
                for (leaf, state, pages) in &states {
                    self.left_out.leaf_entries +=
                        merge_leaf(&rules, account, *leaf, (state, pages), self.now);
                    touch(leaf);
                }
                touched.extend(rules.with_parts.iter().copied());
            }
            Effect::Left { anonymous, parts } => {
                account.users.count_off(anonymous);
                for part in &parts {
                    account.users.count_no_longer(*part);
                }
                touched.extend(rules.with_parts.iter().copied());
            }
            Effect::Counted(entries) => {
                for (leaf, entry) in entries {
                    let Some(spec) = rules.leaf_specs.get(&leaf) else { continue };
                    if add(account, leaf, spec, entry, self.now) {
                        touch(&leaf);
                    } else {
                        self.left_out.leaf_entries += 1;
                    }
                }
            }
            Effect::Poured(states) => {
                for (leaf, state, pages) in &states {
                    self.left_out.leaf_entries +=
                        merge_leaf(&rules, account, *leaf, (state, pages), self.now);
                }
            }
            Effect::Part(part, yes) => {
                if yes {
                    *account.users.yes.entry(part).or_default() += 1;
                } else {
                    account.users.count_no_longer(part);
                }
                touch(&part);
            }
            Effect::Described(traits, at) => {
                touched.append(&mut self.set_traits(account, &traits, at));
            }
        }
        touched
    }
}

/// Answers how many entries found no room.
fn merge_leaf(
    rules: &Rules,
    account: &mut Profile,
    leaf: LeafId,
    (state, pages): (&LeafState, &Pages),
    now: Timestamp,
) -> usize {
    let Some(spec) = rules.leaf_specs.get(&leaf) else { return 0 };
    let own = account.leaves.get_or_default(leaf);
    own.merge(spec.shape(), state, pages, now, account.pages.of_mut(leaf))
}

/// The parts that are true of a user.
fn parts_of(profile: &Profile) -> Vec<LeafId> {
    profile.parts.iter().filter(|(_, yes)| **yes).map(|(part, _)| *part).collect()
}
