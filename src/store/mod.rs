//! The first floor: where everything is kept.
//!
//! One trait at the level of the domain, its backends behind one test suite. All writing goes through [`Store::commit`]; reading
//! may happen from anywhere. A store in one process has one writer; one that several nodes share ([`Store::is_shared`]) has
//! many, and refuses what was decided on something that another one has changed meanwhile.

mod codec;
pub mod copy;
pub(crate) mod cursor;
mod error;
pub mod memory;
mod paging;
pub mod postgres;
pub mod seal;
mod shelves;
pub mod sled;
mod unlisted;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::domain::backfill::Backfill;
use crate::domain::change::{ChangeSet, Revisions};
use crate::domain::copying::CopyMark;
use crate::domain::definition::Definition;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use crate::domain::event::Event;
use crate::domain::figures::{Family, FigurePoint, Grain, OldestFigures};
use crate::domain::health::Health;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::lease::{Lease, LeaseAsk};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::replay::Replay;
use crate::domain::shelf::{Entry, Shelf};
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::{Span, Timestamp};

pub use error::StoreError;
pub use shelves::entries_below;
pub use unlisted::{RecordPart, Unlisted};

/// What is to be done once a commit is safe, or failed.
pub type Done = Box<dyn FnOnce(std::result::Result<(), &StoreError>) + Send>;

/// The result of a store call.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Which events are wanted; an absent or empty field means any.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this type (`track`, …).
    pub type_name: Option<String>,
    /// From the source with this key.
    pub source: Option<String>,
    /// Sent under one of these ids.
    pub users: BTreeSet<UserKey>,
    /// With one of these names ([`Event::as_behaviour`]); events without a name are not wanted then.
    pub names: BTreeSet<String>,
    /// With none of these names.
    pub other_names: BTreeSet<String>,
    /// That happened at or after this instant.
    pub from: Option<Timestamp>,
    /// That happened before this instant.
    pub to: Option<Timestamp>,
    /// That arrived at or after this instant; older ones are not even looked at.
    pub arrived_from: Option<Timestamp>,
    /// How many may be looked at for one page; fewer than `limits::MAX_SCAN`, which it is where nothing is said.
    pub looks: Option<usize>,
}

impl EventFilter {
    /// Whether `event` is wanted, but for its arrival.
    pub fn accepts(&self, event: &Event) -> bool {
        self.type_name.as_ref().is_none_or(|name| name == event.call.type_name())
            && self.source.as_ref().is_none_or(|source| *source == event.source)
            && (self.users.is_empty() || self.users.contains(&event.user_key()))
            && self.from.is_none_or(|from| event.timestamp >= from)
            && self.to.is_none_or(|to| event.timestamp < to)
            && self.accepts_name(event)
    }

    fn accepts_name(&self, event: &Event) -> bool {
        if self.names.is_empty() && self.other_names.is_empty() {
            return true;
        }
        match event.as_behaviour() {
            Some((name, _)) => {
                (self.names.is_empty() || self.names.contains(name)) && !self.other_names.contains(name)
            }
            None => self.names.is_empty(),
        }
    }
}

/// Statuses that stores keep an index of: those that call for somebody's eyes, and are few beside the delivered ones.
pub(crate) fn is_indexed(status: DeliveryStatus) -> bool {
    match status {
        DeliveryStatus::Failed
        | DeliveryStatus::Dead
        | DeliveryStatus::Ambiguous
        | DeliveryStatus::Superseded => true,
        DeliveryStatus::Pending | DeliveryStatus::Delivered => false,
    }
}

/// Which events of a part of the log are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Those with one of these names ([`Event::as_behaviour`]).
    pub names: &'w BTreeSet<String>,
    /// Of users whose keys ([`Event::user_key`]) come after this one.
    pub after: Option<&'w UserKey>,
    /// And not after this one.
    pub to: Option<&'w UserKey>,
}

impl Wanted<'_> {
    /// Whether an event of that name, sent under that key, is one.
    pub fn accepts(&self, name: &str, user: &UserKey) -> bool {
        self.names.contains(name)
            && self.after.is_none_or(|after| user > after)
            && self.to.is_none_or(|to| user <= to)
    }
}

/// A part of the log, of which some events were wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPart {
    /// Those.
    pub events: Vec<Event>,
    /// How many events the part has.
    pub looked_at: usize,
    /// Its last one; `None` at the end of the log.
    pub last: Option<EventId>,
}

/// A part of all deliveries, of which some were wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryPart {
    /// Those, in the order of their ids.
    pub deliveries: Vec<Delivery>,
    /// How many were looked at.
    pub looked_at: usize,
    /// The last one that was looked at; `None` at the end.
    pub last: Option<DeliveryId>,
}

/// A member of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserKey,
    /// Since when.
    pub since: Timestamp,
}

/// Running totals that a store keeps in step with its commits. What counts nothing is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in the log.
    pub events: u64,
    /// Profiles of users and groups, without those that have become part of another one.
    pub profiles: u64,
    /// Journeys by status.
    pub journeys: BTreeMap<JourneyStatus, u64>,
    /// Of the stalled ones: those whose stall somebody acknowledged. The others wait for somebody.
    pub acknowledged: u64,
    /// Members by audience id.
    pub members: BTreeMap<String, u64>,
    /// Deliveries by destination and status name.
    pub deliveries: BTreeMap<(String, &'static str), u64>,
}

/// All that writers hold in memory.
#[derive(Clone, Debug, Default)]
pub struct Rulebook {
    /// How often each part of it was written.
    pub revisions: Revisions,
    /// All definitions.
    pub definitions: Vec<Definition>,
    /// All backfills, in the order of their ids.
    pub backfills: Vec<Backfill>,
    /// How destinations fare, in the order of their keys.
    pub healths: Vec<Health>,
    /// All replays, in the order of their ids.
    pub replays: Vec<Replay>,
}

/// Figures on the store itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes on disk (0 for the memory backend).
    pub disk_bytes: u64,
}

/// Everything that is asked for: what a store gives that nobody else can open.
fn all_leases(node: &str, ask: &LeaseAsk, lasting: Span) -> Vec<Lease> {
    let names: BTreeSet<&String> = ask.keep.iter().chain(&ask.take).collect();
    let lease = |name: &String| Lease { name: name.clone(), holder: node.to_owned(), left: lasting };
    names.into_iter().map(lease).collect()
}

/// Where everything is kept.
///
/// The writer's calls (`profiles`, `leaf_pages`, `seen`, `commit`, `due_timers`, `due_deliveries`, `count_due`, `pending_of`,
/// `deliveries_after`, `event_log`, `wanted_log`, `profiles_after`, `has_sizes_before`, `has_figures_before`) may block the calling thread: the engine gives them a thread of their own. The readers' calls never do.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The backend's name and place, for logs: `sled:./data`.
    fn describe(&self) -> String;

    // --- where several nodes share it -------------------------------------------------------------------------

    /// Whether other nodes may write to it at the same time. Only such a store refuses what was decided on something old.
    fn is_shared(&self) -> bool {
        false
    }

    /// How often definitions and their like were written. Cheap: each node asks every second.
    async fn revisions(&self) -> Result<Revisions> {
        Ok(Revisions::default())
    }

    /// All that writers hold in memory, as of one instant.
    async fn rulebook(&self) -> Result<Rulebook> {
        Ok(Rulebook {
            revisions: self.revisions().await?,
            definitions: self.definitions().await?,
            backfills: self.backfills().await?,
            healths: self.healths().await?,
            replays: self.replays().await?,
        })
    }

    /// Prolongs and takes leases for `node`, each for `lasting` from now on, by the store's own clock. Answers all leases there are,
    /// those that are over for less than an hour too, in the order of their names.
    ///
    /// A store that no other process can open gives everything to whoever asks.
    async fn hold_leases(&self, node: &str, ask: &LeaseAsk, lasting: Span) -> Result<Vec<Lease>> {
        Ok(all_leases(node, ask, lasting))
    }

    // --- the writer -------------------------------------------------------------------------------------------

    /// The profiles of these users, in the same order; `None` where there is none.
    async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>>;

    /// These pages of leaves, in the same order; `None` where there is none.
    async fn leaf_pages(&self, wanted: &[(UserKey, LeafId, u32)]) -> Result<Vec<Option<Vec<u8>>>>;

    /// When these message ids arrived, among those stored on their own ([`ChangeSet::seen`]); in the same order.
    async fn seen(&self, messages: &[(UserKey, MessageHash)]) -> Result<Vec<Option<Timestamp>>>;

    /// Writes all of `changes` or nothing. Returns once later calls see them; `done` is called once, from any thread, when
    /// they would survive a loss of power (in the order of the calls), or failed to. Empty `changes` only wait for those
    /// before them.
    async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()>;

    /// Writes all of `changes` or nothing, and returns once it would survive a loss of power.
    async fn commit(&self, changes: &ChangeSet) -> Result<()> {
        let (sender, written) = oneshot::channel();
        let done: Done = Box::new(move |outcome| {
            // Nobody waiting is no error.
            let _ = sender.send(outcome.map_err(StoreError::told_again));
        });
        self.begin_commit(changes, done).await?;
        written.await.unwrap_or_else(|_| Err(StoreError::Stopped("its syncing ended".to_owned())))
    }

    /// Users whose timer (`Profile::wake_at`) is at or before `now`, earliest first, at most `limit`.
    async fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>>;

    /// The earliest timer there is.
    async fn next_timer(&self) -> Result<Option<Timestamp>>;

    /// Deliveries to send now to `destination`: per user the pending one with the lowest id, if its
    /// `next_attempt_at` is at or before `now`; users in `busy` are passed over. Earliest attempt first, at most `limit`.
    /// What is handed out is on disk: where a commit is under way, it is waited for.
    async fn due_deliveries(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>>;

    /// The earliest `next_attempt_at` among the users' first pending deliveries to `destination`, users in `busy` passed
    /// over (those whose attempt is under way): when [`Self::due_deliveries`] will have something.
    async fn next_delivery(&self, destination: &str, busy: &HashSet<UserKey>) -> Result<Option<Timestamp>>;

    /// The earliest `next_attempt_at` at each of these destinations, in the same order; whoever is asked for it waits for nothing.
    async fn first_due(&self, destinations: &[&str]) -> Result<Vec<Option<Timestamp>>> {
        let (nobody, mut first) = (HashSet::new(), Vec::with_capacity(destinations.len()));
        for destination in destinations {
            first.push(self.next_delivery(destination, &nobody).await?);
        }
        Ok(first)
    }

    /// Waits until everything that earlier calls could see is on the disk.
    async fn on_disk(&self) -> Result<()>;

    /// How many deliveries to `destination` are due, and since when the one that is due for longest: of users that are not in
    /// `busy`, counted up to `limit`; of each user the first pending one, or with `whole` also those behind it up to the first that
    /// is not due. Reads no delivery.
    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        whole: bool,
    ) -> Result<(usize, Option<Timestamp>)>;

    /// What is pending for that user at that destination after that delivery, in the order of ids, at most `limit`: the first
    /// of all is what [`Self::due_deliveries`] may hand out.
    async fn pending_of(
        &self,
        destination: &str,
        user: &UserKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>>;

    /// What is pending for each of these users at the destination named with him, newest first, at most `limit` of each; in the
    /// same order.
    async fn newest_pending(&self, lanes: &[(String, UserKey)], limit: usize) -> Result<Vec<Vec<Delivery>>>;

    /// These deliveries, in the same order; `None` where there is none.
    async fn deliveries_by_id(&self, ids: &[DeliveryId]) -> Result<Vec<Option<Delivery>>>;

    /// These journeys, in profiles or archived, in the same order; `None` where there is none.
    async fn journeys_by_id(&self, ids: &[JourneyId]) -> Result<Vec<Option<Journey>>>;

    /// Looks through deliveries in the order of their ids, after `after` and up to `until`, at most `limit` (of those with the
    /// filter's status, where that is neither `pending` nor `delivered`).
    async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        limit: usize,
    ) -> Result<DeliveryPart>;

    /// The log in the order of ids: events after `after` and up to `until`, whole commits at a time, about `limit`
    /// (never cut in the middle of a commit; empty means the end).
    async fn event_log(&self, after: Option<EventId>, until: EventId, limit: usize) -> Result<Vec<Event>>;

    /// The same part of the log, with only those of its events that are `wanted`.
    async fn wanted_log(
        &self,
        wanted: &Wanted<'_>,
        after: Option<EventId>,
        until: EventId,
        limit: usize,
    ) -> Result<LogPart> {
        let mut events = self.event_log(after, until, limit).await?;
        let (looked_at, last) = (events.len(), events.last().map(|event| event.id));
        events.retain(|event| {
            event.as_behaviour().is_some_and(|(name, _)| wanted.accepts(name, &event.user_key()))
        });
        Ok(LogPart { events, looked_at, last })
    }

    /// The newest event's id.
    async fn last_event(&self) -> Result<Option<EventId>>;

    /// Profiles in the order of their keys, after `after`, at most `limit`, and the last one's key: `None` at the end. Those
    /// that have become part of another one (`Profile::merged_into`) are among them.
    async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)>;

    /// Message ids stored on their own that arrived before `before`, at most `limit`.
    async fn expired_seen(&self, before: Timestamp, limit: usize) -> Result<Vec<(UserKey, MessageHash)>>;

    /// Ids of the audiences that have member rows or rows of their size.
    async fn audiences_with_members(&self) -> Result<Vec<String>>;

    /// Whether [`ChangeSet::forget_sizes_before`] these instants would find something to forget.
    async fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool>;

    /// Whether [`ChangeSet::forget_figures`] with these would find something to forget.
    async fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool>;

    // --- at start ---------------------------------------------------------------------------------------------

    /// All definitions.
    async fn definitions(&self) -> Result<Vec<Definition>>;

    /// All backfills, in the order of their ids.
    async fn backfills(&self) -> Result<Vec<Backfill>>;

    /// How destinations fare, as far as it was written down, in the order of their keys.
    async fn healths(&self) -> Result<Vec<Health>>;

    /// All replays that are on record, in the order of their ids.
    async fn replays(&self) -> Result<Vec<Replay>>;

    /// The hash of the admin token, once one was set.
    async fn admin_token_hash(&self) -> Result<Option<String>>;

    // --- copies of the whole store ----------------------------------------------------------------------------

    /// A part of all records of that kind, in an order of the store's own: those behind `after`, a place that an earlier part
    /// gave, about `limit` of them.
    async fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart>;

    /// How far a copy of another store into this one got, where it is not whole yet.
    async fn copy_mark(&self) -> Result<Option<CopyMark>>;

    // --- readers ----------------------------------------------------------------------------------------------

    /// One profile.
    async fn profile(&self, user: &UserKey) -> Result<Option<Profile>>;

    /// One journey, in a profile or archived.
    async fn journey(&self, id: JourneyId) -> Result<Option<Journey>>;

    /// Journeys in the order of the filter.
    async fn journeys(&self, filter: &JourneyFilter, page: &PageRequest) -> Result<Page<Journey>>;

    /// Stalled journeys, those first that are in their stage for longest: those whose stall somebody acknowledged, or the others.
    async fn inbox(&self, acknowledged: bool, page: &PageRequest) -> Result<Page<Journey>>;

    /// These events, where they are still kept, in the same order.
    async fn events(&self, ids: &[EventId]) -> Result<Vec<Event>>;

    /// Events, newest first.
    async fn newest_events(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>>;

    /// Members of the audience with this id, in the order of their keys.
    async fn members(&self, audience_id: &str, page: &PageRequest) -> Result<Page<Member>>;

    /// Since when that user, or group, is a member of the audience with this id.
    async fn is_member(&self, audience_id: &str, user: &UserKey) -> Result<Option<Timestamp>>;

    /// How many are members of both audiences. Reads all members of both, which takes its time.
    async fn overlap(&self, one: &str, other: &str) -> Result<u64>;

    /// What became of the size of the audience with this id: the points that begin at or after `from` and before `to`, in the
    /// order of time. There are none where nobody entered or left, see [`SizePoint`].
    async fn audience_sizes(
        &self,
        audience_id: &str,
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SizePoint>> {
        Ok(self.sizes_of(&[audience_id], per, from, to).await?.pop().unwrap_or_default())
    }

    /// The same of several audiences at once, in the same order.
    async fn sizes_of(
        &self,
        audience_ids: &[&str],
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<SizePoint>>>;

    /// Whose external id this is (`id` in lower case), in the order of their keys, at most `limit`.
    async fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>>;

    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;

    /// Deliveries, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter, page: &PageRequest) -> Result<Page<Delivery>>;

    /// The record with that key on a shelf.
    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>>;

    /// The records of a shelf, from the highest key down.
    async fn entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>>;

    /// What was counted of a subject: the points that begin at or after `from` and before `to`, in the order of time, then of details.
    async fn figures(
        &self,
        family: Family,
        subject: &str,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<FigurePoint>> {
        Ok(self.figures_of(&[(family, subject)], grain, from, to).await?.pop().unwrap_or_default())
    }

    /// The same of several families and subjects at once, in the same order.
    async fn figures_of(
        &self,
        wanted: &[(Family, &str)],
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Vec<FigurePoint>>>;

    /// Names of flows that were posted and that no definition knew then; at most `limits::MAX_UNKNOWN_FLOWS`.
    async fn unknown_flows(&self) -> Result<Vec<String>>;

    /// Running totals.
    async fn counts(&self) -> Result<Counts>;

    /// Figures on the store itself.
    async fn stats(&self) -> Result<StoreStats>;
}
