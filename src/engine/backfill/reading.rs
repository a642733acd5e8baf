//! The reading of the past: the events of the log into the shares of the profiles that are next.
//!
//! The log stands in the order of arrival, profiles are given their shares in the order of their keys, and each is to be
//! written once. So the shares of as many profiles as fit into memory are made from the whole log, and when these have them,
//! the log is read again for the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};

use super::pace::BackfillPace;
use super::shares::{Share, Shares};
use crate::clock::Clock;
use crate::domain::backfill::Backfill;
use crate::domain::definition::{Definitions, LeafUse};
use crate::domain::event::Event;
use crate::domain::ids::{BackfillId, EventId, LeafId, UserKey};
use crate::domain::leaf::{LeafState, Pages};
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError, Wanted};

/// How long a reading waits for a database that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// The past of the profiles that are next.
pub(in crate::engine) enum Past {
    /// It is being read, a piece with each step.
    Read(Reading),
    /// It is being read on a thread of its own.
    ReadAside(Aside),
    /// It is there.
    Known(Reading),
}

impl Past {
    /// Of which backfill.
    pub fn backfill(&self) -> BackfillId {
        match self {
            Self::Read(reading) | Self::Known(reading) => reading.backfill,
            Self::ReadAside(aside) => aside.backfill,
        }
    }

    /// What was read, if all was.
    pub fn known(self) -> Option<Reading> {
        match self {
            Self::Known(reading) => Some(reading),
            Self::Read(_) | Self::ReadAside(_) => None,
        }
    }

    /// Events read so far.
    pub fn events_read(&self) -> u64 {
        match self {
            Self::Read(reading) | Self::Known(reading) => reading.events,
            Self::ReadAside(aside) => aside.events.load(Ordering::Relaxed),
        }
    }
}

/// A reading of the log for the profiles after a key, and the shares that it made so far.
pub(in crate::engine) struct Reading {
    backfill: BackfillId,
    /// The profiles up to this one have theirs.
    after: Option<UserKey>,
    /// The last one for whom there is room; `None`: all others.
    to: Option<UserKey>,
    /// The last event of the past.
    until: EventId,
    /// The last event read.
    read: Option<EventId>,
    events: u64,
    leaves: Vec<LeafUse>,
    /// The names of the events that concern them.
    names: BTreeSet<String>,
    /// Places in `leaves`, by the event that concerns them.
    by_event: BTreeMap<String, Vec<usize>>,
    shares: Shares,
    /// Shares that were taken out and given back.
    returned: BTreeMap<UserKey, Vec<PastState>>,
}

impl Reading {
    /// Of the past of `backfill`, for the profiles after `after`; nothing is read yet.
    pub fn new(
        backfill: &Backfill,
        definitions: &Definitions,
        after: Option<&UserKey>,
        until: EventId,
        room: usize,
    ) -> Self {
        let mut reading = Self {
            backfill: backfill.id,
            after: after.cloned(),
            to: None,
            until,
            read: None,
            events: 0,
            leaves: Vec::new(),
            names: BTreeSet::new(),
            by_event: BTreeMap::new(),
            shares: Shares::new(Vec::new(), 0),
            returned: BTreeMap::new(),
        };
        let mut known: BTreeSet<LeafId> = BTreeSet::new();
        for used in definitions.computations().flat_map(|it| it.all_leaves()) {
            if backfill.fresh.contains(&used.id) && known.insert(used.id) {
                let place = reading.leaves.len();
                for event in used.spec.event_names() {
                    reading.by_event.entry(event.to_owned()).or_default().push(place);
                }
                reading.leaves.push(used.clone());
            }
        }
        reading.names = reading.by_event.keys().cloned().collect();
        let shapes = reading.leaves.iter().map(|used| used.spec.shape().clone()).collect();
        reading.shares = Shares::new(shapes, room);
        reading
    }

    /// Whether no leaf asks for it any more.
    pub fn is_of_nothing(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Whether it is of that backfill, and its next profiles are those after `after`.
    pub fn is_for(&self, backfill: &Backfill, after: Option<&UserKey>) -> bool {
        self.backfill == backfill.id && self.after.as_ref() == after
    }

    /// The last profile that it is for; `None`: it is for all that are left.
    pub fn to(&self) -> Option<&UserKey> {
        self.to.as_ref()
    }

    /// Reads the next events, about `pace.step` of them; says whether there are more.
    pub async fn read_on(
        &mut self,
        store: &dyn Store,
        pace: BackfillPace,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let wanted = Wanted { names: &self.names, after: self.after.as_ref(), to: self.to.as_ref() };
        let part = store.wanted_log(&wanted, self.read, self.until, pace.step).await?;
        part.events.iter().for_each(|event| self.count(event));
        self.events += u64::try_from(part.looked_at).unwrap_or(u64::MAX);
        self.read = part.last.or(self.read);
        let goes_on = part.last.is_some_and(|last| last < self.until);
        if !goes_on || self.shares.is_full() {
            // Of the others nothing more is read.
            self.to = self.shares.fold(now).or(self.to.take());
        }
        Ok(goes_on)
    }

    fn count(&mut self, event: &Event) {
        let places = event.as_behaviour().and_then(|(name, _)| self.by_event.get(name));
        let Some(places) = places else { return };
        let user = event.user_key();
        for place in places {
            let leaf = &self.leaves[*place];
            if leaf.is_too_old(event.timestamp) {
                continue;
            }
            let Some(entry) = leaf.spec.observe(event) else { continue };
            self.shares.add(&user, *place, &entry);
        }
    }

    /// Takes the shares of these profiles out; those up to `last` have theirs afterwards.
    pub fn take(&mut self, profiles: &[Profile], last: &UserKey) -> Vec<(UserKey, Vec<PastState>)> {
        let mut taken = Vec::new();
        for user in profiles.iter().map(|profile| &profile.key) {
            let own = match self.returned.remove(user) {
                Some(own) => own,
                None => {
                    let named = |(place, state, pages): Share| (self.leaves[place].id, state, pages);
                    self.shares.take(user).into_iter().map(named).collect()
                }
            };
            if !own.is_empty() {
                taken.push((user.clone(), own));
            }
        }
        self.after = Some(last.clone());
        taken
    }

    /// The same, with shares that were taken out given back: the next profiles are those after `after` again.
    pub fn with(mut self, given: Vec<(UserKey, Vec<PastState>)>, after: Option<&UserKey>) -> Self {
        self.returned.extend(given);
        self.after = after.cloned();
        self
    }

    /// Takes the number of events that found no room.
    pub fn take_left_out(&mut self) -> usize {
        self.shares.take_left_out()
    }
}

/// The state of a leaf as the past gives it.
pub(super) type PastState = (LeafId, LeafState, Pages);

/// A reading on a thread of its own. Dropping it stops it.
pub(in crate::engine) struct Aside {
    backfill: BackfillId,
    task: JoinHandle<Result<Reading, StoreError>>,
    events: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// Set before `done` is told, which comes a moment before the task counts as finished.
    ended: Arc<AtomicBool>,
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Aside {
    /// Begins to read; `done` is told at the end.
    pub fn begin(
        mut reading: Reading,
        store: Arc<dyn Store>,
        clock: Clock,
        pace: BackfillPace,
        done: Arc<Notify>,
    ) -> Self {
        let (events, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (runtime, backfill) = (Handle::current(), reading.backfill);
        let (seen, stopped) = (Arc::clone(&events), Arc::clone(&stop));
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ended);
        let task = spawn_blocking(move || {
            let read = runtime.block_on(async {
                while !stopped.load(Ordering::Relaxed) {
                    match reading.read_on(&*store, pace, clock.now()).await {
                        Ok(true) => seen.store(reading.events, Ordering::Relaxed),
                        Ok(false) => break,
                        // What was read so far is worth keeping.
                        Err(error) if error.is_passing() => tokio::time::sleep(AGAIN).await,
                        Err(error) => return Err(error),
                    }
                }
                Ok(reading)
            });
            has_ended.store(true, Ordering::Release);
            done.notify_one();
            read
        });
        Self { backfill, task, events, stop, ended }
    }

    /// Whether it is at its end (or panicked).
    pub fn is_done(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.task.is_finished()
    }

    /// What was read; waits for the end.
    pub async fn join(mut self) -> Result<Reading, StoreError> {
        let read = (&mut self.task).await;
        read.unwrap_or_else(|error| {
            Err(StoreError::Stopped(format!("the reading of the log ended: {error}")))
        })
    }
}
