//! A store that fails one commit on command: before it is written, or after, when only the answer is lost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use stagepost::domain::backfill::Backfill;
use stagepost::domain::change::{ChangeSet, Revisions};
use stagepost::domain::copying::CopyMark;
use stagepost::domain::definition::Definition;
use stagepost::domain::delivery::{Delivery, DeliveryFilter};
use stagepost::domain::event::Event;
use stagepost::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use stagepost::domain::health::Health;
use stagepost::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use stagepost::domain::journey::{Journey, JourneyFilter};
use stagepost::domain::lease::{Lease, LeaseAsk};
use stagepost::domain::page::{Page, PageRequest};
use stagepost::domain::profile::{MessageHash, Profile};
use stagepost::domain::replay::Replay;
use stagepost::domain::shelf::{Entry, Shelf};
use stagepost::domain::sizes::{Per, SizePoint};
use stagepost::domain::time::{Span, Timestamp};
use stagepost::store::{
    Counts, DeliveryPart, Done, EventFilter, Member, RecordPart, Result, Rulebook, Store, StoreError,
    StoreStats, Unlisted,
};

/// Where a commit breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing is written.
    Before,
    /// All is written, but nobody is told.
    After,
}

/// A store whose next commits can be made to fail.
pub struct CrashStore {
    inner: Arc<dyn Store>,
    /// After how many further commits, and how.
    armed: Mutex<Option<(u32, Crash)>>,
}

impl CrashStore {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, armed: Mutex::new(None) }
    }

    pub fn arm(&self, after: u32, crash: Crash) {
        *self.armed.lock().unwrap() = Some((after, crash));
    }

    pub fn disarm(&self) {
        *self.armed.lock().unwrap() = None;
    }

    fn next(&self) -> Option<Crash> {
        let mut armed = self.armed.lock().unwrap();
        match armed.take() {
            Some((0, crash)) => Some(crash),
            Some((after, crash)) => {
                *armed = Some((after - 1, crash));
                None
            }
            None => None,
        }
    }
}

#[async_trait]
impl Store for CrashStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        let crash = self.next();
        if crash != Some(Crash::Before) {
            self.inner.commit(changes).await?;
        }
        match crash {
            None => {
                done(Ok(()));
                Ok(())
            }
            Some(crash) => {
                let error = StoreError::Stopped(format!("a simulated crash ({crash:?})"));
                done(Err(&error));
                Err(error)
            }
        }
    }
    async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>> {
        self.inner.profiles(users).await
    }
    async fn leaf_pages(&self, wanted: &[(UserKey, LeafId, u32)]) -> Result<Vec<Option<Vec<u8>>>> {
        self.inner.leaf_pages(wanted).await
    }
    async fn seen(&self, messages: &[(UserKey, MessageHash)]) -> Result<Vec<Option<Timestamp>>> {
        self.inner.seen(messages).await
    }
    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>> {
        self.inner.due_timers(now, limit).await
    }
    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.inner.next_timer().await
    }
    async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.inner.due_deliveries(destination, now, busy, limit).await
    }
    async fn on_disk(&self) -> Result<()> {
        self.inner.on_disk().await
    }
    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        self.inner.count_due(destination, now, busy, limit, whole).await
    }
    async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.inner.pending_of(destination, user, after, limit).await
    }
    async fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Result<Vec<Vec<Delivery>>> {
        self.inner.newest_pending(lanes, limit).await
    }
    async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Result<Vec<Option<Delivery>>> {
        self.inner.deliveries_by_id(ids).await
    }
    async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>> {
        self.inner.journeys_by_id(ids).await
    }
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
    async fn revisions(&self) -> Result<Revisions> {
        self.inner.revisions().await
    }
    async fn rulebook(&self) -> Result<Rulebook> {
        self.inner.rulebook().await
    }
    async fn hold_leases(&self, node: &str, ask: &LeaseAsk, lasting: Span) -> Result<Vec<Lease>> {
        self.inner.hold_leases(node, ask, lasting).await
    }
    async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart> {
        self.inner.deliveries_after(filter, after, until, limit).await
    }
    async fn healths(&self) -> Result<Vec<Health>> {
        self.inner.healths().await
    }
    async fn replays(&self) -> Result<Vec<Replay>> {
        self.inner.replays().await
    }
    async fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Result<Option<Timestamp>> {
        self.inner.next_delivery(destination, busy).await
    }
    async fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Result<Vec<Event>> {
        self.inner.event_log(after, until, limit).await
    }
    async fn last_event(&self) -> Result<Option<EventId>> {
        self.inner.last_event().await
    }
    async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        self.inner.profiles_after(after, limit).await
    }
    async fn expired_seen(&self, before: Timestamp, limit: usize) -> Result<Vec<(UserKey, MessageHash)>> {
        self.inner.expired_seen(before, limit).await
    }
    async fn audiences_with_members(&self) -> Result<Vec<String>> {
        self.inner.audiences_with_members().await
    }
    async fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool> {
        self.inner.has_sizes_before(hours_before, days_before).await
    }
    async fn backfills(&self) -> Result<Vec<Backfill>> {
        self.inner.backfills().await
    }
    async fn definitions(&self) -> Result<Vec<Definition>> {
        self.inner.definitions().await
    }
    async fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        self.inner.unlisted(kind, after, limit).await
    }
    async fn copy_mark(&self) -> Result<Option<CopyMark>> {
        self.inner.copy_mark().await
    }
    async fn admin_token_hash(&self) -> Result<Option<String>> {
        self.inner.admin_token_hash().await
    }
    async fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        self.inner.profile(user).await
    }
    async fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        self.inner.journey(id).await
    }
    async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        self.inner.journeys(filter, page).await
    }
    async fn inbox(&self, acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>> {
        self.inner.inbox(acknowledged, page).await
    }
    async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>> {
        self.inner.events(ids).await
    }
    async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        self.inner.newest_events(filter, page).await
    }
    async fn members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        self.inner.members(audience_id, page).await
    }
    async fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>> {
        self.inner.is_member(audience_id, user).await
    }
    async fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        self.inner.overlap(one, other).await
    }
    async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>> {
        self.inner.sizes_of(audience_ids, per, from, to).await
    }
    async fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>> {
        self.inner.users_by_external_id(kind, id, limit).await
    }
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.inner.delivery(id).await
    }
    async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>> {
        self.inner.deliveries(filter, page).await
    }
    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.entry(shelf, key).await
    }
    async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        self.inner.entries(shelf, page).await
    }
    async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        self.inner.has_figures_before(oldest).await
    }
    async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>> {
        self.inner.figures_of(wanted, grain, from, to).await
    }
    async fn unknown_flows(&self) -> Result<Vec<String>> {
        self.inner.unknown_flows().await
    }
    async fn counts(&self) -> Result<Counts> {
        self.inner.counts().await
    }
    async fn stats(&self) -> Result<StoreStats> {
        self.inner.stats().await
    }
}
