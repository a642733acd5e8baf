//! One group of inputs: the records it concerns, what was decided on them, and who waits for an answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::command::{Accepted, Reply};
use super::error::EngineError;
use crate::domain::change::{ChangeSet, DeliveryWrite, ProfileWrite};
use crate::domain::decide::{Decision, LeftOut, Rules, message_hash};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, IdSource, JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::time::{Span, Timestamp};
use crate::store::{Store, StoreError};

/// A profile as it is worked on.
struct Slot {
    profile: Profile,
    wake_was: Option<Timestamp>,
    is_new: bool,
    was_merged: bool,
    changed: bool,
}

/// What is to be said to a caller once the change set is on disk.
pub(super) enum Answer {
    Ingested {
        reply: Reply<Vec<Accepted>>,
        accepted: Vec<Accepted>,
        /// Their share of the queue's bytes; dropping it gives it back.
        _bytes: OwnedSemaphorePermit,
    },
    Done(Reply<()>),
    Operated(Reply<Journey>, Box<Journey>),
}

impl Answer {
    /// Says it: yes, or why not. A caller that went away is no error.
    pub fn send(self, failure: Option<&str>) {
        let refuse = |why: &str| EngineError::Unavailable(why.to_owned());
        match self {
            Self::Ingested { reply, accepted, _bytes } => {
                drop(reply.send(failure.map_or(Ok(accepted), |why| Err(refuse(why)))))
            }
            Self::Done(reply) => drop(reply.send(failure.map_or(Ok(()), |why| Err(refuse(why))))),
            Self::Operated(reply, journey) => {
                drop(reply.send(failure.map_or(Ok(*journey), |why| Err(refuse(why)))));
            }
        }
    }
}

/// One group of inputs at one instant.
pub(super) struct Group<'a> {
    store: &'a dyn Store,
    pub now: Timestamp,
    pub decision: Decision<'a>,
    slots: HashMap<UserKey, Slot>,
    spilled: HashMap<(UserKey, MessageHash), Timestamp>,
    deliveries: BTreeMap<DeliveryId, DeliveryWrite>,
    /// How many of the message ids that left their profiles in this group are in `spilled`.
    spilled_here: usize,
}

impl<'a> Group<'a> {
    pub fn new(store: &'a dyn Store, rules: Arc<Rules>, now: Timestamp, ids: &'a mut IdSource) -> Self {
        Self {
            store,
            now,
            decision: Decision::new(rules, now, ids),
            slots: HashMap::new(),
            spilled: HashMap::new(),
            deliveries: BTreeMap::new(),
            spilled_here: 0,
        }
    }

    /// Loads the profiles of these users, unless they are there already.
    pub async fn load(&mut self, users: impl IntoIterator<Item = UserKey>) -> Result<(), StoreError> {
        let mut missing: Vec<UserKey> =
            users.into_iter().filter(|user| !self.slots.contains_key(user)).collect();
        missing.sort_unstable();
        missing.dedup();
        let found = self.store.profiles(&missing).await?;
        for (user, profile) in missing.into_iter().zip(found) {
            let is_new = profile.is_none();
            let profile = profile.unwrap_or_else(|| Profile::new(user.clone(), self.now));
            let (wake_was, was_merged) = (profile.wake_at, profile.merged_into.is_some());
            self.slots.insert(user, Slot { profile, wake_was, is_new, was_merged, changed: false });
        }
        Ok(())
    }

    /// Takes a profile that was just read from the store.
    pub fn hold(&mut self, profile: Profile) {
        let (wake_was, was_merged) = (profile.wake_at, profile.merged_into.is_some());
        let slot = Slot { wake_was, is_new: false, was_merged, changed: false, profile };
        self.slots.entry(slot.profile.key.clone()).or_insert(slot);
    }

    /// Finds out which of these events' message ids are remembered outside their profiles.
    pub async fn load_spilled(&mut self, events: &[&Event]) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for event in events.iter().filter(|event| event.dedupe) {
            let user = event.user_key();
            let spilled_until = self.slots.get(&user).and_then(|slot| slot.profile.seen.spilled_until);
            if spilled_until.is_some_and(|until| until >= self.now) {
                wanted.push((user, message_hash(&event.message_id)));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.store.seen(&wanted).await?;
        self.spilled.extend(wanted.into_iter().zip(found).filter_map(|(key, at)| Some((key, at?))));
        Ok(())
    }

    /// Takes in one event whose user's profile is loaded.
    pub fn take_in(&mut self, event: Event) -> Accepted {
        let user = event.user_key();
        let spilled = if self.spilled.is_empty() || !event.dedupe {
            None
        } else {
            self.spilled.get(&(user.clone(), message_hash(&event.message_id))).copied()
        };
        let slot = self.slots.get_mut(&user).expect("the group's profiles are loaded first");
        let message_id = event.message_id.clone();
        let taken = self.decision.take_in(&mut slot.profile, event, spilled);
        slot.changed |= !taken.duplicate;
        // What leaves a profile now is looked for by the next events of this group, which the store can't answer yet.
        let seen = &self.decision.changes.seen;
        for write in &seen[self.spilled_here..] {
            self.spilled.insert((write.user.clone(), write.message), write.at);
        }
        self.spilled_here = seen.len();
        Accepted { message_id, duplicate: taken.duplicate, journey: taken.journey }
    }

    /// Lets `decide` work on a profile that is loaded; it says whether it changed it. `None` when there is none.
    pub fn with_profile<T>(
        &mut self,
        user: &UserKey,
        decide: impl FnOnce(&mut Decision<'a>, &mut Profile) -> (bool, T),
    ) -> Option<T> {
        let slot = self.slots.get_mut(user).filter(|slot| !slot.is_new || slot.changed)?;
        let (changed, answer) = decide(&mut self.decision, &mut slot.profile);
        slot.changed |= changed;
        Some(answer)
    }

    /// A profile that is loaded and in the store.
    pub fn profile(&self, user: &UserKey) -> Option<&Profile> {
        self.slots.get(user).filter(|slot| !slot.is_new).map(|slot| &slot.profile)
    }

    /// The delivery as this group has it.
    pub async fn delivery(&mut self, id: DeliveryId) -> Result<Option<DeliveryWrite>, StoreError> {
        if let Some(write) = self.deliveries.get(&id) {
            return Ok(Some(write.clone()));
        }
        let found = self.store.delivery(id).await?;
        Ok(found.map(|delivery| {
            let was = Some((delivery.status, delivery.next_attempt_at));
            DeliveryWrite { delivery, was }
        }))
    }

    /// Whose journey it is.
    pub async fn user_of(&self, id: JourneyId) -> Result<Option<UserKey>, StoreError> {
        Ok(self.store.journey(id).await?.map(|journey| journey.user))
    }

    /// How long deliveries to this destination are tried.
    pub fn retry_for(&self, destination: &str) -> Span {
        let destinations = &self.decision.rules().definitions.destinations;
        destinations.get(destination).map_or(limits::RETRY_FOR, |destination| destination.retry_for)
    }

    /// A random fraction in `0.0..1.0`.
    pub fn jitter(&mut self) -> f64 {
        self.decision.ids().fraction()
    }

    /// Notes a changed delivery.
    pub fn put_delivery(&mut self, write: DeliveryWrite) {
        self.deliveries.insert(write.delivery.id, write);
    }

    /// Everything that the group caused.
    pub fn finish(self) -> ChangeSet {
        report_left_out(self.decision.left_out);
        let mut changes = self.decision.changes;
        changes.deliveries.extend(self.deliveries.into_values());
        changes.profiles.extend(self.slots.into_values().filter(|slot| slot.changed).map(|slot| {
            let Slot { profile, wake_was, is_new, was_merged, .. } = slot;
            ProfileWrite { profile, wake_was, is_new, was_merged }
        }));
        changes
    }
}

/// What found no room on its profile is in its event, but whoever runs the server should know.
fn report_left_out(left_out: LeftOut) {
    for (what, count) in [("traits", left_out.traits), ("leaf_times", left_out.leaf_times)] {
        if count > 0 {
            tracing::warn!(what, count, "a profile is full; only the events keep these");
            metrics::counter!("stagepost_left_out_total", "what" => what)
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
