//! The trait's calls, each handed on to where it is done.

use std::collections::HashSet;

use async_trait::async_trait;

use super::PostgresStore;
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
use crate::store::{
    Counts, DeliveryPart, Done, EventFilter, LogPart, Member, RecordPart, Result, Rulebook, Store,
    StoreStats, Unlisted, Wanted,
};

#[async_trait]
impl Store for PostgresStore {
    fn describe(&self) -> String {
        self.link.place.clone()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn revisions(&self) -> Result<Revisions> {
        self.revisions().await
    }

    async fn rulebook(&self) -> Result<Rulebook> {
        self.rulebook().await
    }

    async fn hold_leases(&self, node: &str, ask: &LeaseAsk, lasting: Span) -> Result<Vec<Lease>> {
        self.hold_leases(node, ask, lasting).await
    }

    async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>> {
        self.profiles(users).await
    }

    async fn leaf_pages(&self, wanted: &[(UserKey, LeafId, u32)]) -> Result<Vec<Option<Vec<u8>>>> {
        self.leaf_pages(wanted).await
    }

    async fn seen(&self, messages: &[(UserKey, MessageHash)]) -> Result<Vec<Option<Timestamp>>> {
        self.seen(messages).await
    }

    async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        self.begin_commit(changes, done).await
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>> {
        self.due_timers(now, limit).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.next_timer().await
    }

    async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.due_deliveries(destination, now, busy, limit).await
    }

    async fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Result<Option<Timestamp>> {
        self.next_delivery(destination, busy).await
    }

    async fn first_due(&self, destinations: &[&str]) -> Result<Vec<Option<Timestamp>>> {
        self.first_due(destinations).await
    }

    async fn on_disk(&self) -> Result<()> {
        self.on_disk().await
    }

    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        self.count_due(destination, now, busy, limit, whole).await
    }

    async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.pending_of(destination, user, after, limit).await
    }

    async fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Result<Vec<Vec<Delivery>>> {
        self.newest_pending(lanes, limit).await
    }

    async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Result<Vec<Option<Delivery>>> {
        self.deliveries_by_id(ids).await
    }

    async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>> {
        self.journeys_by_id(ids).await
    }

    async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart> {
        self.deliveries_after(filter, after, until, limit).await
    }

    async fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Result<Vec<Event>> {
        self.event_log(after, until, limit).await
    }

    async fn wanted_log(
        &self,
        wanted: &Wanted<'_>,
        after: Option<EventId>,
        until: EventId,
        limit: usize,
    ) -> Result<LogPart> {
        self.wanted_log(wanted, after, until, limit).await
    }

    async fn last_event(&self) -> Result<Option<EventId>> {
        self.last_event().await
    }

    async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        self.profiles_after(after, limit).await
    }

    async fn expired_seen(&self, before: Timestamp, limit: usize) -> Result<Vec<(UserKey, MessageHash)>> {
        self.expired_seen(before, limit).await
    }

    async fn audiences_with_members(&self) -> Result<Vec<String>> {
        self.audiences_with_members().await
    }

    async fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool> {
        self.has_sizes_before(hours_before, days_before).await
    }

    async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        self.has_figures_before(oldest).await
    }

    async fn definitions(&self) -> Result<Vec<Definition>> {
        self.definitions().await
    }

    async fn backfills(&self) -> Result<Vec<Backfill>> {
        self.backfills().await
    }

    async fn healths(&self) -> Result<Vec<Health>> {
        self.healths().await
    }

    async fn replays(&self) -> Result<Vec<Replay>> {
        self.replays().await
    }

    async fn admin_token_hash(&self) -> Result<Option<String>> {
        self.admin_token_hash().await
    }

    async fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        self.unlisted(kind, after, limit).await
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>> {
        self.copy_mark().await
    }

    async fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        self.profile(user).await
    }

    async fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        self.journey(id).await
    }

    async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        self.journeys(filter, page).await
    }

    async fn inbox(&self, acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>> {
        self.inbox(acknowledged, page).await
    }

    async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>> {
        self.events(ids).await
    }

    async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        self.newest_events(filter, page).await
    }

    async fn members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        self.members(audience_id, page).await
    }

    async fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>> {
        self.is_member(audience_id, user).await
    }

    async fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        self.overlap(one, other).await
    }

    async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>> {
        self.sizes_of(audience_ids, per, from, to).await
    }

    async fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>> {
        self.users_by_external_id(kind, id, limit).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.delivery(id).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>> {
        self.deliveries(filter, page).await
    }

    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        self.entry(shelf, key).await
    }

    async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        self.entries(shelf, page).await
    }

    async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>> {
        self.figures_of(wanted, grain, from, to).await
    }

    async fn unknown_flows(&self) -> Result<Vec<String>> {
        self.unknown_flows().await
    }

    async fn counts(&self) -> Result<Counts> {
        self.counts().await
    }

    async fn stats(&self) -> Result<StoreStats> {
        self.stats().await
    }
}
