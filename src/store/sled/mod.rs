//! The sled backend: one tree, one batch and one sync per commit.
//!
//! What sled 0.34 needs from whoever uses it, and where it is done: a real sync after its flush (`sync`), reads between
//! big batches (`commit`), rows small enough to stay in the log (`disk`), a look at the log before it is opened
//! (`segments`), and no answer of its own on whether there was data (`marker`).

mod archive;
mod codec;
mod commit;
mod counts;
mod definitions;
mod disk;
mod figures;
mod journeys;
mod keys;
mod lanes;
mod lists;
mod marker;
mod members;
mod merge;
mod open;
mod progress;
mod read;
mod segments;
mod shelves;
mod single;
mod sizes;
mod sync;
mod unlisted;
mod upgrade;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::seal::Sealer;
use super::{
    Counts, DeliveryPart, Done, EventFilter, LogPart, Member, RecordPart, Result, Store, StoreError,
    StoreStats, Unlisted, Wanted,
};
use crate::domain::backfill::Backfill;
use crate::domain::change::ChangeSet;
use crate::domain::copying::CopyMark;
use crate::domain::definition::Definition;
use crate::domain::delivery::{Delivery, DeliveryFilter};
use crate::domain::event::Event;
use crate::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use crate::domain::health::Health;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::replay::Replay;
use crate::domain::shelf::{Entry, Shelf};
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::Timestamp;

use disk::{Disk, panic_text};

/// Bytes of memory that sled's cache gets unless the settings say otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 128 * 1024 * 1024;

/// A store in a directory.
pub struct SledStore {
    disk: Arc<Disk>,
}

impl std::fmt::Debug for SledStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SledStore").field(&self.disk.path).finish()
    }
}

impl SledStore {
    /// Opens the data directory `path`, and makes it where there is none. `cache_bytes` bounds sled's cache. What is sealed
    /// under the sealer's previous key, or not yet sealed, is sealed under its present one.
    ///
    /// Blocks the calling thread. Fails with [`StoreError::Locked`], [`StoreError::Unreadable`], [`StoreError::Newer`],
    /// [`StoreError::WrongKey`], [`StoreError::Corrupt`] or [`StoreError::Write`]; what is in the directory is never deleted.
    pub fn open(path: &Path, cache_bytes: u64, sealer: Sealer) -> Result<Self> {
        Ok(Self { disk: Arc::new(Disk::open(path, cache_bytes, sealer)?) })
    }

    /// The id of the key that the secrets in the data directory `path` are sealed under, if there are any. Opens nothing.
    ///
    /// Fails with [`StoreError::Unreadable`] or [`StoreError::Corrupt`].
    pub fn sealed_under(path: &Path) -> Result<Option<String>> {
        Ok(marker::read(path)?.and_then(|marker| marker.key))
    }

    /// Whether there is a store in the directory `path`, or what may be left of one. Opens nothing.
    ///
    /// Fails with [`StoreError::Unreadable`] or [`StoreError::Corrupt`].
    pub fn is_there(path: &Path) -> Result<bool> {
        let is_sled = || ["conf", "db"].iter().all(|name| path.join(name).is_file());
        Ok(marker::read(path)?.is_some() || is_sled())
    }

    /// Runs a reader's call on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        let place = self.disk.path.clone();
        tokio::task::spawn_blocking(move || disk.guarded(read)).await.unwrap_or_else(|error| {
            let detail = match error.try_into_panic() {
                Ok(panic) => panic_text(panic.as_ref()),
                // The runtime is shutting down.
                Err(error) => return Err(StoreError::Stopped(error.to_string())),
            };
            Err(StoreError::Corrupt { place: place.display().to_string(), detail })
        })
    }
}

#[async_trait]
impl Store for SledStore {
    fn describe(&self) -> String {
        format!("sled:{}", self.disk.path.display())
    }

    async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>> {
        self.disk.guarded(|disk| users.iter().map(|user| disk.profile_to_write(user)).collect())
    }

    async fn leaf_pages(&self, wanted: &[(UserKey, LeafId, u32)]) -> Result<Vec<Option<Vec<u8>>>> {
        let page = |disk: &Disk, (owner, leaf, number): &_| disk.leaf_page(owner, *leaf, *number);
        self.disk.guarded(|disk| wanted.iter().map(|wanted| page(disk, wanted)).collect())
    }

    async fn seen(&self, messages: &[(UserKey, MessageHash)]) -> Result<Vec<Option<Timestamp>>> {
        self.disk.guarded(|disk| messages.iter().map(|(user, message)| disk.seen(user, message)).collect())
    }

    async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        self.disk.begin_commit(changes, done)
    }

    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>> {
        self.disk.guarded(|disk| disk.due_timers(now, limit))
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>> {
        self.disk.guarded(Disk::next_timer)
    }

    async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.disk.guarded(|disk| disk.due_deliveries(destination, now, busy, limit))
    }

    async fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Result<Option<Timestamp>> {
        self.disk.guarded(|disk| disk.next_delivery(destination, busy))
    }

    async fn on_disk(&self) -> Result<()> {
        self.disk.guarded(Disk::on_disk)
    }

    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)> {
        self.disk.guarded(|disk| disk.count_due(destination, now, busy, limit, whole))
    }

    async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        self.disk.guarded(|disk| disk.pending_of(destination, user, after, limit))
    }

    async fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Result<Vec<Event>> {
        let log = self.disk.guarded(|disk| disk.event_log(after, until, limit, |_, _| Ok(true)))?;
        Ok(log.events)
    }

    async fn wanted_log(
        &self,
        wanted: &Wanted<'_>,
        after: Option<EventId>,
        until: EventId,
        limit: usize,
    ) -> Result<LogPart> {
        let is_wanted = |id, record: &[u8]| codec::is_wanted(id, record, wanted);
        self.disk.guarded(|disk| disk.event_log(after, until, limit, is_wanted))
    }

    async fn last_event(&self) -> Result<Option<EventId>> {
        self.disk.guarded(Disk::last_event)
    }

    async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        self.disk.guarded(|disk| disk.profiles_after(after, limit))
    }

    async fn expired_seen(&self, before: Timestamp, limit: usize) -> Result<Vec<(UserKey, MessageHash)>> {
        self.disk.guarded(|disk| disk.expired_seen(before, limit))
    }

    async fn audiences_with_members(&self) -> Result<Vec<String>> {
        Ok(self.disk.totals().audiences())
    }

    async fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool> {
        self.disk.guarded(|disk| disk.has_sizes_before(hours_before, days_before))
    }

    async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        self.disk.guarded(|disk| disk.has_figures_before(oldest))
    }

    async fn definitions(&self) -> Result<Vec<Definition>> {
        self.read(Disk::definitions).await
    }

    async fn backfills(&self) -> Result<Vec<Backfill>> {
        self.read(|disk| disk.all(keys::BACKFILLS)).await
    }

    async fn healths(&self) -> Result<Vec<Health>> {
        self.read(|disk| disk.all(keys::HEALTHS)).await
    }

    async fn replays(&self) -> Result<Vec<Replay>> {
        self.read(|disk| disk.all(keys::REPLAYS)).await
    }

    async fn admin_token_hash(&self) -> Result<Option<String>> {
        self.read(Disk::admin_token_hash).await
    }

    async fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        self.disk.guarded(|disk| disk.unlisted(kind, after, limit))
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>> {
        self.read(Disk::copy_mark).await
    }

    async fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        let user = user.clone();
        self.read(move |disk| disk.profile(&user)).await
    }

    async fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        self.read(move |disk| disk.journey(id)).await
    }

    async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read(move |disk| disk.list_journeys(&filter, &page)).await
    }

    async fn inbox(&self, acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>> {
        let page = page.clone();
        self.read(move |disk| disk.list_inbox(acknowledged, &page)).await
    }

    async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>> {
        let ids = ids.to_vec();
        self.read(move |disk| ids.iter().filter_map(|id| disk.event(*id).transpose()).collect()).await
    }

    async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read(move |disk| disk.list_events(&filter, &page)).await
    }

    async fn members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>> {
        let (audience_id, page) = (audience_id.to_owned(), page.clone());
        self.read(move |disk| disk.list_members(&audience_id, &page)).await
    }

    async fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>> {
        let (audience_id, user) = (audience_id.to_owned(), user.clone());
        self.read(move |disk| disk.is_member(&audience_id, &user)).await
    }

    async fn overlap(&self, one: &str, other: &str) -> Result<u64> {
        let (one, other) = (one.to_owned(), other.to_owned());
        self.read(move |disk| disk.overlap(&one, &other)).await
    }

    async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>> {
        let ids: Vec<String> = audience_ids.iter().map(|id| (*id).to_owned()).collect();
        self.read(move |disk| ids.iter().map(|id| disk.audience_sizes(id, per, from, to)).collect()).await
    }

    async fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.read(move |disk| disk.users_by_external_id(&kind, &id, limit)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.read(move |disk| disk.delivery(id)).await
    }

    async fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Result<Vec<Vec<Delivery>>> {
        self.disk.guarded(|disk| disk.newest_pending(lanes, limit))
    }

    async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Result<Vec<Option<Delivery>>> {
        self.disk.guarded(|disk| ids.iter().map(|id| disk.delivery(*id)).collect())
    }

    async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>> {
        self.disk.guarded(|disk| ids.iter().map(|id| disk.journey(*id)).collect())
    }

    async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart> {
        self.disk.guarded(|disk| disk.deliveries_after(filter, after, until, limit))
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>> {
        let (filter, page) = (filter.clone(), page.clone());
        self.read(move |disk| disk.list_deliveries(&filter, &page)).await
    }

    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        let key = key.to_owned();
        self.read(move |disk| disk.entry(shelf, &key)).await
    }

    async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        let page = page.clone();
        self.read(move |disk| disk.list_entries(shelf, &page)).await
    }

    async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>> {
        let wanted: Vec<(Family, String)> =
            wanted.iter().map(|(family, subject)| (*family, (*subject).to_owned())).collect();
        let points = move |disk: &Disk| {
            let points =
                |(family, subject): &(Family, String)| disk.figure_points(*family, subject, grain, from, to);
            wanted.iter().map(points).collect()
        };
        self.read(points).await
    }

    async fn unknown_flows(&self) -> Result<Vec<String>> {
        Ok(self.disk.totals().unknown_flows.iter().cloned().collect())
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.disk.totals().to_counts())
    }

    async fn stats(&self) -> Result<StoreStats> {
        self.read(|disk| {
            let disk_bytes = disk.db().size_on_disk().map_err(|error| disk.read_error(error))?;
            Ok(StoreStats { disk_bytes })
        })
        .await
    }
}
