//! The memory backend: for tests and for the simulation. It keeps nothing beyond the process.

mod figures;
mod lists;
mod sharing;
mod shelves;
mod sizes;
mod state;
mod unlisted;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Counts, DeliveryPart, Done, EventFilter, Member, RecordPart, Result, Rulebook, Store, StoreStats,
    Unlisted, all_leases, shelves as shelf_rules,
};
use crate::domain::backfill::Backfill;
use crate::domain::change::{ChangeSet, Revisions};
use crate::domain::copying::CopyMark;
use crate::domain::definition::Definition;
use crate::domain::delivery::{Delivery, DeliveryFilter};
use crate::domain::event::Event;
use crate::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use crate::domain::health::Health;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter};
use crate::domain::lease::{Lease, LeaseAsk};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::replay::Replay;
use crate::domain::shelf::{Entry, Shelf};
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::{Span, Timestamp};

use state::State;

/// Tells the time.
type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A store in memory. A clone is another handle to the same data: what was committed outlives an engine that "crashed".
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    /// What tells the time that leases go by, where several engines share it.
    sharing: Option<Now>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records of shelves were listed since this was asked last.
    #[cfg(test)]
    pub(crate) fn entries_listed(&self) -> usize {
        std::mem::take(&mut self.state().entries_listed)
    }

    /// How often something was written.
    #[cfg(test)]
    pub(crate) fn commits(&self) -> usize {
        self.state().commits
    }

    /// An empty store that several engines may write to; leases go by what `now` tells.
    pub fn shared(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { sharing: Some(Arc::new(now)), ..Self::default() }
    }

    /// A store of its own that begins with what this one holds now.
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())), sharing: self.sharing.clone() }
    }

    /// Whose pages of which leaves are kept, under which numbers; to see that none is left behind.
    pub fn kept_leaf_pages(&self) -> Vec<(UserKey, LeafId, u32)> {
        self.state().leaf_pages.keys().cloned().collect()
    }

    /// A commit changes the state only by calls that can't fail, so a poisoned lock guards a whole state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn is_shared(&self) -> bool {
        self.sharing.is_some()
    }

    async fn revisions(&self) -> Result<Revisions> {
        Ok(self.state().revisions)
    }

    async fn rulebook(&self) -> Result<Rulebook> {
        Ok(self.state().rulebook())
    }

    async fn hold_leases(&self, node: &str, ask: &LeaseAsk, lasting: Span) -> Result<Vec<Lease>> {
        match &self.sharing {
            None => Ok(all_leases(node, ask, lasting)),
            Some(now) => Ok(self.state().hold_leases(node, ask, lasting, now())),
        }
    }

    async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>> {
        let state = self.state();
        Ok(users.iter().map(|user| state.profiles.get(user).cloned()).collect())
    }

    async fn leaf_pages(&self, wanted: &[(UserKey, LeafId, u32)]) -> Result<Vec<Option<Vec<u8>>>> {
        let state = self.state();
        Ok(wanted.iter().map(|page| state.leaf_pages.get(page).cloned()).collect())
    }

    async fn seen(&self, messages: &[(UserKey, MessageHash)]) -> Result<Vec<Option<Timestamp>>> {
        let state = self.state();
        Ok(messages.iter().map(|message| state.seen.get(message).copied()).collect())
    }

    async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        let written = shelf_rules::check(&changes.entries).and_then(|()| match &self.sharing {
            None => {
                self.state().apply(changes);
                Ok(())
            }
            Some(_) => self.state().apply_shared(changes),
        });
        done(written.as_ref().copied());
        written
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>> {
        let state = self.state();
        Ok(state.timers.iter().take_while(|(at, _)| *at <= now).take(limit).cloned().collect())
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        Ok(self.state().timers.first().map(|(at, _)| *at))
    }

    async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        Ok(self.state().due_deliveries(destination, now, busy, limit))
    }

    async fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Result<Option<Timestamp>> {
        Ok(self.state().next_delivery(destination, busy))
    }

    async fn on_disk(&self) -> Result<()> {
        Ok(())
    }

    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        Ok(self.state().count_due(destination, now, busy, limit, whole))
    }

    async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        Ok(self.state().pending_of(destination, user, after, limit))
    }

    async fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Result<Vec<Event>> {
        Ok(self.state().event_log(after, until, limit))
    }

    async fn last_event(&self) -> Result<Option<EventId>> {
        Ok(self.state().events.last_key_value().map(|(id, _)| *id))
    }

    async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        Ok(self.state().profiles_after(after, limit))
    }

    async fn expired_seen(&self, before: Timestamp, limit: usize) -> Result<Vec<(UserKey, MessageHash)>> {
        Ok(self.state().expired_seen(before, limit))
    }

    async fn audiences_with_members(&self) -> Result<Vec<String>> {
        let state = self.state();
        let ids: BTreeSet<&String> = state.members.keys().chain(state.sizes.keys()).collect();
        Ok(ids.into_iter().cloned().collect())
    }

    async fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool> {
        Ok(self.state().has_sizes_before(hours_before, days_before))
    }

    async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        Ok(self.state().has_figures_before(oldest))
    }

    async fn definitions(&self) -> Result<Vec<Definition>> {
        Ok(self.state().definitions.values().cloned().collect())
    }

    async fn backfills(&self) -> Result<Vec<Backfill>> {
        Ok(self.state().backfills.values().cloned().collect())
    }

    async fn healths(&self) -> Result<Vec<Health>> {
        Ok(self.state().healths.values().cloned().collect())
    }

    async fn replays(&self) -> Result<Vec<Replay>> {
        Ok(self.state().replays.values().cloned().collect())
    }

    async fn admin_token_hash(&self) -> Result<Option<String>> {
        Ok(self.state().admin_token_hash.clone())
    }

    async fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        self.state().unlisted(kind, after, limit)
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>> {
        Ok(self.state().copy_mark.clone())
    }

    async fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        Ok(self.state().profiles.get(user).cloned())
    }

    async fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        Ok(self.state().journey(id).cloned())
    }

    async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        self.state().list_journeys(filter, page)
    }

    async fn inbox(&self, acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>> {
        self.state().list_inbox(acknowledged, page)
    }

    async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>> {
        let state = self.state();
        Ok(ids.iter().filter_map(|id| state.events.get(id).map(|logged| logged.event.clone())).collect())
    }

    async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        self.state().list_events(filter, page)
    }

    async fn members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        self.state().list_members(audience_id, page)
    }

    async fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>> {
        Ok(self.state().members.get(audience_id).and_then(|members| members.get(user)).copied())
    }

    async fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        Ok(self.state().overlap(one, other))
    }

    async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>> {
        let state = self.state();
        Ok(audience_ids.iter().map(|id| state.audience_sizes(id, per, from, to)).collect())
    }

    async fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>> {
        let state = self.state();
        let users = state.external_ids.get(&(kind.to_owned(), id.to_owned()));
        Ok(users.into_iter().flatten().take(limit).cloned().collect())
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        Ok(self.state().deliveries.get(&id).cloned())
    }

    async fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Result<Vec<Vec<Delivery>>> {
        Ok(self.state().newest_pending(lanes, limit))
    }

    async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Result<Vec<Option<Delivery>>> {
        let state = self.state();
        Ok(ids.iter().map(|id| state.deliveries.get(id).cloned()).collect())
    }

    async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>> {
        let state = self.state();
        Ok(ids.iter().map(|id| state.journey(*id).cloned()).collect())
    }

    async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart> {
        Ok(self.state().deliveries_after(filter, after, until, limit))
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>> {
        self.state().list_deliveries(filter, page)
    }

    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.state().entry(shelf, key).cloned())
    }

    async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        let found = self.state().list_entries(shelf, page)?;
        #[cfg(test)]
        {
            self.state().entries_listed += found.rows.len();
        }
        Ok(found)
    }

    async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>> {
        let state = self.state();
        let points =
            |(family, subject): &(Family, &str)| state.figure_points(*family, subject, grain, from, to);
        Ok(wanted.iter().map(points).collect())
    }

    async fn unknown_flows(&self) -> Result<Vec<String>> {
        Ok(self.state().unknown_flows.iter().cloned().collect())
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.state().counts())
    }

    async fn stats(&self) -> Result<StoreStats> {
        Ok(StoreStats::default())
    }
}
