//! One group of inputs: the records it concerns, what was decided on them, and who waits for an answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::command::Accepted;
use super::runs::HandOver;
use crate::domain::change::{ChangeSet, DeliveryWrite, LeafPageWrite, ProfileWrite};
use crate::domain::decide::{Decision, Effect, LeftOut, Merged, Rules, Told, links, message_hash};
use crate::domain::delivery::{Cause, Delivery};
use crate::domain::event::{Call, Event};
use crate::domain::ids::{DeliveryId, IdSource, LeafId, UserKey};
use crate::domain::leaf::{LeafState, Page, Pages};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::route::NotSentCounts;
use crate::domain::time::Timestamp;
use crate::metrics::EVENTS_NOT_SENT;
use crate::store::{Counts, Store, StoreError};

/// A profile as it is worked on.
struct Slot {
    profile: Profile,
    /// That of the profile as it was read: of one that becomes part of another, nothing else is left.
    revision: u64,
    wake_was: Option<Timestamp>,
    is_new: bool,
    was_merged: bool,
    changed: bool,
}

impl Slot {
    fn new(profile: Profile, is_new: bool) -> Self {
        let (wake_was, was_merged) = (profile.wake_at, profile.merged_into.is_some());
        Self { revision: profile.revision, wake_was, is_new, was_merged, changed: false, profile }
    }
}

/// One group of inputs at one instant.
pub(super) struct Group<'a> {
    store: &'a dyn Store,
    pub now: Timestamp,
    pub decision: Decision<'a>,
    slots: HashMap<UserKey, Slot>,
    /// Whose profile another one became part of.
    merged: HashMap<UserKey, UserKey>,
    spilled: HashMap<(UserKey, MessageHash), Timestamp>,
    deliveries: BTreeMap<DeliveryId, DeliveryWrite>,
    /// Deliveries as they are in the store.
    stored: HashMap<DeliveryId, Delivery>,
    /// Runs that go to another user with one of the events.
    pub hand_overs: Vec<HandOver>,
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
            merged: HashMap::new(),
            spilled: HashMap::new(),
            deliveries: BTreeMap::new(),
            stored: HashMap::new(),
            hand_overs: Vec::new(),
            spilled_here: 0,
        }
    }

    /// Loads the profiles of these users, unless they are there already; of one that became part of another, that one too.
    pub async fn load(&mut self, users: impl IntoIterator<Item = UserKey>) -> Result<(), StoreError> {
        let mut missing: Vec<UserKey> = users.into_iter().collect();
        loop {
            missing.retain(|user| !self.slots.contains_key(user));
            missing.sort_unstable();
            missing.dedup();
            if missing.is_empty() {
                return Ok(());
            }
            let found = self.store.profiles(&missing).await?;
            found.iter().flatten().for_each(|profile| self.rise_above(profile));
            let mut further = Vec::new();
            for (user, profile) in missing.into_iter().zip(found) {
                let is_new = profile.is_none();
                let profile = profile.unwrap_or_else(|| Profile::new(user.clone(), self.now));
                if let Some(into) = &profile.merged_into {
                    self.merged.insert(user.clone(), into.clone());
                    further.push(into.clone());
                }
                self.slots.insert(user, Slot::new(profile, is_new));
            }
            missing = further;
        }
    }

    /// What is made for him from now on comes after what another node, whose clock may be ahead, made for him.
    pub fn rise_above(&mut self, profile: &Profile) {
        if !self.store.is_shared() {
            return;
        }
        let (event, delivery) = (profile.recent.iter().max(), profile.newest_delivery);
        let newest = event.map(|id| id.to_bytes()).into_iter().chain(delivery.map(|id| id.to_bytes()));
        newest.for_each(|id| self.decision.ids().start_after(id));
    }

    /// Takes a profile that was just read from the store.
    pub fn hold(&mut self, profile: Profile) {
        self.rise_above(&profile);
        let slot = Slot::new(profile, false);
        self.slots.entry(slot.profile.key.clone()).or_insert(slot);
    }

    /// Whose profile it is now.
    pub fn surviving<'u>(&'u self, mut user: &'u UserKey) -> &'u UserKey {
        while let Some(into) = self.merged.get(user) {
            user = into;
        }
        user
    }

    /// The key that something was sent under, and those of the profiles that its own became part of: what came before two
    /// profiles merged is remembered under the key that it belonged to then.
    fn names_of<'u>(&'u self, mut user: &'u UserKey) -> Vec<&'u UserKey> {
        let mut names = vec![user];
        while let Some(into) = self.merged.get(user) {
            names.push(into);
            user = into;
        }
        names
    }

    /// Loads everything that taking in these events may need beside their users' profiles: those of the same people under
    /// other ids, of their accounts, and pages of leaf states. Their users' profiles are loaded.
    pub async fn load_for(&mut self, events: &[&Event]) -> Result<(), StoreError> {
        let mut linking = Vec::new();
        let mut wanted = Vec::new();
        for event in events {
            let others = links(event);
            let account = account_of(event);
            if others.is_empty() && account.is_none() {
                continue;
            }
            let user = self.surviving(&event.user_key()).clone();
            let known = &self.slots[&user].profile;
            let others: Vec<UserKey> =
                others.into_iter().filter(|other| !known.is_linked_to(other)).collect();
            wanted.extend(others.iter().cloned().chain(account.clone()));
            linking.push((user, others, account));
        }
        self.load(wanted).await?;
        let mut whole = HashSet::new();
        for (user, mut others, account) in linking {
            others.retain(|other| !self.merged.contains_key(other));
            let groups = &self.slots[&user].profile.groups;
            let joins = account.as_ref().and_then(UserKey::group_id);
            let is_new = joins.is_some_and(|group| groups.iter().all(|known| known != group));
            if is_new || !others.is_empty() {
                whole.extend(others.into_iter().chain([user]).chain(account));
            }
        }
        // What a user who joins or merges brings along goes onto all of his accounts.
        let joining = self.slots.iter().filter(|(key, _)| whole.contains(key));
        let joined: Vec<UserKey> = joining.flat_map(|(_, slot)| accounts_of(&slot.profile)).collect();
        self.load(joined.iter().cloned()).await?;
        whole.extend(joined);
        self.load_accounts().await?;
        self.load_pages(events, &whole).await
    }

    /// Loads the accounts of the users that are loaded, where anything is computed of accounts.
    pub async fn load_accounts(&mut self) -> Result<(), StoreError> {
        if !self.decision.rules().has_accounts() {
            return Ok(());
        }
        let accounts: Vec<UserKey> =
            self.slots.values().flat_map(|slot| accounts_of(&slot.profile)).collect();
        self.load(accounts).await
    }

    /// Loads the pages of leaf states that these events, or looking at the profiles that are loaded, need; all pages of the
    /// profiles in `whole`.
    pub async fn load_pages(
        &mut self,
        events: &[&Event],
        whole: &HashSet<UserKey>,
    ) -> Result<(), StoreError> {
        let paged = |slot: &&Slot| slot.profile.leaves.held().any(|(_, held)| held.is_paged());
        let owners: Vec<UserKey> =
            self.slots.values().filter(paged).map(|slot| slot.profile.key.clone()).collect();
        if owners.is_empty() {
            return Ok(());
        }
        let concerning = self.by_owner(events);
        // What one page says may ask for another.
        loop {
            let mut wanted: Vec<(UserKey, LeafId, u32)> = Vec::new();
            for owner in &owners {
                let profile = &self.slots[owner].profile;
                let missing = if whole.contains(owner) {
                    Rules::missing_all_pages(profile)
                } else {
                    let concerned = concerning.get(owner).map_or(&[][..], Vec::as_slice);
                    self.decision.rules().missing_pages(profile, concerned, self.now)
                };
                wanted.extend(missing.into_iter().map(|(leaf, number)| (owner.clone(), leaf, number)));
            }
            if wanted.is_empty() {
                return Ok(());
            }
            let found = self.store.leaf_pages(&wanted).await?;
            for ((owner, leaf, number), bytes) in wanted.into_iter().zip(found) {
                // Where others write, too, it may have gone between two reads: then this is refused, and decided again.
                if bytes.is_none() && !self.store.is_shared() {
                    tracing::error!(
                        number,
                        "a page of a leaf's state is not in the store; it counts as empty"
                    );
                }
                let page = bytes.map(|bytes| unpack(&owner, &bytes)).transpose()?;
                let slot = self.slots.get_mut(&owner).expect("it was there above");
                slot.profile.pages.of_mut(leaf).put_loaded(number, page);
            }
        }
    }

    /// The events by whose profile they are counted on: their user's, and his accounts'.
    fn by_owner<'e>(&self, events: &[&'e Event]) -> HashMap<UserKey, Vec<&'e Event>> {
        let mut by_owner: HashMap<UserKey, Vec<&Event>> = HashMap::new();
        for event in events {
            let user = self.surviving(&event.user_key()).clone();
            let groups = self.slots.get(&user).map_or(&[][..], |slot| slot.profile.groups.as_slice());
            for group in groups {
                by_owner.entry(UserKey::group(group)).or_default().push(event);
            }
            by_owner.entry(user).or_default().push(event);
        }
        by_owner
    }

    /// Finds out which of these events' message ids are remembered outside their profiles.
    pub async fn load_spilled(&mut self, events: &[&Event]) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for event in events.iter().filter(|event| event.dedupe) {
            let user = event.user_key();
            let spilled_until =
                self.slots.get(self.surviving(&user)).and_then(|slot| slot.profile.seen.spilled_until);
            if spilled_until.is_some_and(|until| until >= self.now) {
                let message = message_hash(&event.message_id);
                wanted.extend(self.names_of(&user).into_iter().map(|name| (name.clone(), message)));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.store.seen(&wanted).await?;
        self.spilled.extend(wanted.into_iter().zip(found).filter_map(|(key, at)| Some((key, at?))));
        Ok(())
    }

    /// Takes in one event; what it needs is loaded.
    pub fn take_in(&mut self, event: Event) -> Accepted {
        self.hand_over(&event);
        let merged = self.link(&event);
        let sent_under = event.user_key();
        let user = self.surviving(&sent_under).clone();
        let spilled = if self.spilled.is_empty() || !event.dedupe {
            None
        } else {
            let message = message_hash(&event.message_id);
            let under = |name: &UserKey| self.spilled.get(&(name.clone(), message)).copied();
            self.names_of(&sent_under).into_iter().find_map(under)
        };
        let slot = self.slots.get_mut(&user).expect("the group's profiles are loaded first");
        let message_id = event.message_id.clone();
        let taken = self.decision.take_in(&mut slot.profile, event, spilled, merged);
        slot.changed |= !taken.duplicate;
        // What leaves a profile now is looked for by the next events of this group, which the store can't answer yet.
        let seen = &self.decision.changes.seen;
        for write in &seen[self.spilled_here..] {
            self.spilled.insert((write.user.clone(), write.message), write.at);
        }
        self.spilled_here = seen.len();
        self.apply_effects();
        Accepted { message_id, duplicate: taken.duplicate, journey: taken.journey }
    }

    /// Makes one profile of those that the event says are one person. An id under which nobody came yet points to him from
    /// now on. What is to be looked at after that is looked at with the event.
    fn link(&mut self, event: &Event) -> Option<Merged> {
        let links = links(event);
        if links.is_empty() {
            return None;
        }
        let user = self.surviving(&event.user_key()).clone();
        let mut merged = None;
        for other in links {
            // One that belongs to somebody already stays with him.
            if !self.slots[&user].profile.is_linked_to(&other) && !self.merged.contains_key(&other) {
                self.merge(&user, &other, merged.get_or_insert_default());
            }
        }
        merged
    }

    fn merge(&mut self, into: &UserKey, from: &UserKey, merged: &mut Merged) {
        if self.with_two(into, from, |decision, into, from| decision.merge(into, from, merged)) {
            self.merged.insert(from.clone(), into.clone());
        }
    }

    /// Lets `decide` change two profiles; says whether both are loaded.
    pub fn with_two(
        &mut self,
        one: &UserKey,
        other: &UserKey,
        decide: impl FnOnce(&mut Decision<'a>, &mut Profile, &mut Profile),
    ) -> bool {
        let Some(mut slot) = self.slots.remove(one) else { return false };
        let second = self.slots.get_mut(other).map(|second| {
            decide(&mut self.decision, &mut slot.profile, &mut second.profile);
            (slot.changed, second.changed) = (true, true);
        });
        self.slots.insert(one.clone(), slot);
        second.is_some()
    }

    /// Loads the pages that giving these users their shares of the past, and looking at all profiles that are loaded, needs.
    pub async fn load_pages_to_pour(
        &mut self,
        users: impl Iterator<Item = &UserKey>,
    ) -> Result<(), StoreError> {
        let mut whole: HashSet<UserKey> = users.map(|user| self.surviving(user).clone()).collect();
        if !whole.is_empty() {
            whole.extend(self.slots.keys().filter(|key| key.group_id().is_some()).cloned());
        }
        self.load_pages(&[], &whole).await
    }

    /// Gives a user his share of the past: on his own profile, and on those of his accounts.
    pub fn pour(&mut self, user: &UserKey, states: Vec<(LeafId, LeafState, Pages)>) {
        let user = self.surviving(user).clone();
        let Some(slot) = self.slots.get_mut(&user).filter(|slot| !slot.is_new) else { return };
        self.decision.pour(&mut slot.profile, states);
        slot.changed = true;
        self.apply_effects();
    }

    /// Lets what was decided on users have its effect on their accounts.
    pub fn apply_effects(&mut self) {
        if self.decision.effects.is_empty() {
            return;
        }
        let mut by_account: BTreeMap<UserKey, Vec<(Effect, Cause)>> = BTreeMap::new();
        for Told { account, effect, cause } in std::mem::take(&mut self.decision.effects) {
            by_account.entry(account).or_default().push((effect, cause));
        }
        for (account, effects) in by_account {
            match self.slots.get_mut(&account) {
                Some(slot) => {
                    self.decision.take_effects(&mut slot.profile, effects);
                    slot.changed = true;
                }
                None => {
                    tracing::error!(%account, "an account is not loaded; what its user did is not counted there");
                }
            }
        }
    }

    /// Looks at somebody whose timer is due. What follows for his accounts waits for [`Self::apply_effects`].
    pub fn wake(&mut self, user: &UserKey) -> Option<()> {
        let user = self.surviving(user).clone();
        let slot = self.slots.get_mut(&user).filter(|slot| !slot.is_new || slot.changed)?;
        self.decision.wake(&mut slot.profile);
        slot.changed = true;
        Some(())
    }

    /// Lets `decide` work on a profile that is loaded; it says whether it changed it. `None` when there is none.
    pub fn with_profile<T>(
        &mut self,
        user: &UserKey,
        decide: impl FnOnce(&mut Decision<'a>, &mut Profile) -> (bool, T),
    ) -> Option<T> {
        let user = self.surviving(user).clone();
        let slot = self.slots.get_mut(&user).filter(|slot| !slot.is_new || slot.changed)?;
        let (changed, answer) = decide(&mut self.decision, &mut slot.profile);
        slot.changed |= changed;
        self.apply_effects();
        Some(answer)
    }

    /// Lets `decide` work on a profile that is loaded, also one that is not there yet: it begins to be if that changes it. Says whether it
    /// did; `None` when it is not loaded.
    pub fn with_slot(
        &mut self,
        user: &UserKey,
        decide: impl FnOnce(&mut Decision<'a>, &mut Profile) -> bool,
    ) -> Option<bool> {
        let slot = self.slots.get_mut(user)?;
        let changed = decide(&mut self.decision, &mut slot.profile);
        slot.changed |= changed;
        Some(changed)
    }

    /// All profiles that are loaded.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.slots.values().map(|slot| &slot.profile)
    }

    /// Has a profile written that was only read: where another node changes it meanwhile, what was decided by it is void.
    pub fn touch(&mut self, user: &UserKey) {
        let user = self.surviving(user).clone();
        if let Some(slot) = self.slots.get_mut(&user).filter(|slot| !slot.is_new) {
            slot.changed |= self.store.is_shared();
        }
    }

    /// A profile that is loaded and in the store.
    pub fn profile(&self, user: &UserKey) -> Option<&Profile> {
        self.slots.get(self.surviving(user)).filter(|slot| !slot.is_new).map(|slot| &slot.profile)
    }

    /// Loads these deliveries.
    pub async fn load_deliveries(&mut self, ids: Vec<DeliveryId>) -> Result<(), StoreError> {
        if !ids.is_empty() {
            let found = self.store.deliveries_by_id(&ids).await?;
            self.stored.extend(ids.into_iter().zip(found).filter_map(|(id, found)| Some((id, found?))));
        }
        Ok(())
    }

    /// The delivery as this group has it; it is loaded.
    pub fn delivery(&mut self, id: DeliveryId) -> Option<DeliveryWrite> {
        if let Some(write) = self.deliveries.get(&id) {
            return Some(write.clone());
        }
        let delivery = self.stored.get(&id)?.clone();
        let was = Some((delivery.status, delivery.next_attempt_at));
        Some(DeliveryWrite { delivery, was })
    }

    /// The delivery as this group changed it.
    pub fn changed_delivery(&self, id: DeliveryId) -> Option<&DeliveryWrite> {
        self.deliveries.get(&id)
    }

    /// The store's running totals.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
    }

    /// Whether other nodes may write what it writes.
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// The store that it reads.
    pub fn store(&self) -> &'a dyn Store {
        self.store
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
    ///
    /// # Errors
    /// When something that was needed of a profile can't be read, or a page of a leaf's state was not loaded: written like
    /// that, it would be lost.
    pub async fn finish(mut self) -> Result<ChangeSet, StoreError> {
        self.coalesce().await?;
        self.keep_gatherings();
        self.decision.count();
        report_left_out(self.decision.left_out);
        report_not_sent(&self.decision.not_sent);
        let mut profiles = self.slots.values().map(|slot| &slot.profile).filter(|it| it.is_damaged());
        if let Some(key) = profiles.next().map(|profile| &profile.key).or(self.decision.damaged.as_ref()) {
            return Err(damaged(key));
        }
        if self.store.is_shared() {
            note_newest(&self.decision.changes.deliveries, &mut self.slots);
        }
        let mut changes = self.decision.changes;
        changes.deliveries.extend(self.deliveries.into_values());
        for mut slot in self.slots.into_values().filter(|slot| slot.changed) {
            write_pages(&mut slot.profile, &mut changes.leaf_pages)?;
            let Slot { mut profile, revision, wake_was, is_new, was_merged, .. } = slot;
            profile.revision = revision;
            changes.profiles.push(ProfileWrite { profile, wake_was, is_new, was_merged });
        }
        Ok(changes)
    }
}

/// Notes on the profiles what is made for them, so that other nodes make what comes later.
fn note_newest(made: &[DeliveryWrite], slots: &mut HashMap<UserKey, Slot>) {
    for DeliveryWrite { delivery, .. } in made {
        // Somebody who is not known does not become so by what others are told of him.
        if let Some(slot) = slots.get_mut(&delivery.user).filter(|slot| !slot.is_new || slot.changed) {
            slot.profile.newest_delivery = slot.profile.newest_delivery.max(Some(delivery.id));
            slot.changed = true;
        }
    }
}

/// Moves the pages that changed out of the profile.
fn write_pages(profile: &mut Profile, writes: &mut Vec<LeafPageWrite>) -> Result<(), StoreError> {
    for (leaf, mut pages) in profile.pages.take() {
        // Pages of a leaf that is gone go with it.
        if !profile.leaves.contains_key(leaf) {
            continue;
        }
        if pages.has_missed() {
            return Err(unsound(&profile.key, "a page of a leaf's state that was needed was not loaded"));
        }
        writes.extend(pages.take_changes().into_iter().map(|(number, page)| LeafPageWrite {
            owner: profile.key.clone(),
            leaf,
            number,
            page:
                page.map(|page| {
                    rmp_serde::to_vec(&page).expect("a page holds nothing that MessagePack can't")
                }),
        }));
    }
    Ok(())
}

/// Something of that profile that was asked for can't be read.
pub(super) fn damaged(owner: &UserKey) -> StoreError {
    unsound(owner, "a membership, value or state that was needed can't be read")
}

/// The profile is named by the hash of its row's key, as stores do: whose it is has no business in a log.
fn unsound(owner: &UserKey, detail: &'static str) -> StoreError {
    let hash = message_hash(&format!("p{owner}"));
    StoreError::Unsound { place: format!("the record `profile {}`", hex::encode(&hash[..4])), detail }
}

fn unpack(owner: &UserKey, bytes: &[u8]) -> Result<Page, StoreError> {
    rmp_serde::from_slice(bytes).map_err(|error| StoreError::Corrupt {
        place: format!("a leaf page of a profile ({} bytes)", owner.as_str().len()),
        detail: error.to_string(),
    })
}

fn accounts_of(profile: &Profile) -> Vec<UserKey> {
    profile.groups.iter().map(|group| UserKey::group(group)).collect()
}

/// The account that an event links its user to.
fn account_of(event: &Event) -> Option<UserKey> {
    match &event.call {
        Call::Group { group_id, .. } => Some(UserKey::group(group_id)),
        Call::Track { .. }
        | Call::Identify { .. }
        | Call::Page { .. }
        | Call::Screen { .. }
        | Call::Alias { .. } => None,
    }
}

/// What found no room on its profile is in its event, but whoever runs the server should know.
fn report_left_out(left_out: LeftOut) {
    let on_profiles =
        [("traits", left_out.traits), ("leaf_entries", left_out.leaf_entries), ("groups", left_out.groups)];
    for (what, count) in on_profiles.into_iter().filter(|(_, count)| *count > 0) {
        tracing::warn!(what, count, "a profile is full; only the events keep these");
    }
    // Of what a level leaves out, the decision itself says whose it is.
    for (what, count) in on_profiles.into_iter().chain([("escalations", left_out.escalations)]) {
        if count > 0 {
            metrics::counter!("stagepost_left_out_total", "what" => what)
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}

/// What destinations were not sent.
fn report_not_sent(counts: &NotSentCounts) {
    for (destination, reason, count) in counts.iter() {
        let labels = [("destination", destination.to_owned()), ("reason", reason.as_str().to_owned())];
        metrics::counter!(EVENTS_NOT_SENT, &labels).increment(count);
    }
}
