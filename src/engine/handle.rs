//! The engine as the other floors see it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use super::command::{
    Accepted, ApplyOptions, ApplyReport, By, Command, Input, Operation, Reply, Settlement, Share, Waiting,
};
use super::debugger::Debugger;
use super::error::EngineError;
use super::in_force::Present;
use super::leases::Leases;
use super::people::{Passwords, Uses};
use crate::clock::Clock;
use crate::domain::backfill::Backfill;
use crate::domain::definition::{Definition, Definitions, Kind, Source};
use crate::domain::delivery::{DeliveryFilter, Receipt};
use crate::domain::event::Event;
use crate::domain::health::Health as DestinationHealth;
use crate::domain::ids::{DeliveryId, JourneyId, ReplayId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::replay::Replay;
use crate::store::{Store, StoreError};

/// A handle on the running engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    /// In whose name it is asked; `None`: the server's.
    by: Option<Arc<By>>,
}

/// What handles, the writer and the sweeper share.
pub(super) struct Shared {
    pub commands: mpsc::Sender<Command>,
    /// Where events go: to the writer, or to one of several, by their first user.
    pub ingest: Vec<mpsc::Sender<Command>>,
    /// How many more posts may wait, of `limits::QUEUE_COMMANDS`.
    pub queue_places: Arc<Semaphore>,
    /// What is left of `limits::QUEUE_BYTES`, in units of 1 KiB.
    pub queue_kilobytes: Arc<Semaphore>,
    pub definitions: watch::Receiver<Arc<Definitions>>,
    pub backfills: watch::Receiver<Arc<Vec<Backfill>>>,
    pub healths: watch::Receiver<Arc<BTreeMap<String, DestinationHealth>>>,
    pub replays: watch::Receiver<Arc<BTreeMap<ReplayId, Replay>>>,
    pub present: Present,
    /// The newest id that any of several writers made: who posts after he was answered gets a higher one.
    pub newest_id: Mutex<[u8; 16]>,
    pub leases: Leases,
    pub passwords: Passwords,
    /// Which sessions and tokens were used since the last tick.
    pub uses: Uses,
    /// Whether an admin was seen: strangers ask for that, and once there is one, there always will be.
    pub is_set_up: AtomicBool,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub debugger: Debugger,
    pub pulse: Pulse,
    /// Woken after each commit that made deliveries.
    pub deliveries_made: DeliveriesMade,
}

impl Shared {
    /// Posts that are not answered yet.
    pub fn posts_waiting(&self) -> usize {
        limits::QUEUE_COMMANDS.saturating_sub(self.queue_places.available_permits())
    }
}

/// For which destinations deliveries were made that nobody has looked for yet.
#[derive(Debug, Default)]
pub(super) struct DeliveriesMade {
    destinations: Mutex<BTreeSet<String>>,
    told: Notify,
}

impl DeliveriesMade {
    /// There is something to send to these.
    pub fn tell(&self, destinations: BTreeSet<String>) {
        if !destinations.is_empty() {
            self.lock().extend(destinations);
            self.told.notify_one();
        }
    }

    /// Waits until there is something, and takes note of it.
    pub async fn take(&self) -> BTreeSet<String> {
        loop {
            let made = std::mem::take(&mut *self.lock());
            if !made.is_empty() {
                return made;
            }
            self.told.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nobody panics while holding it; if one did, the set would still be whole.
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signs of life of the loops, for `/readyz`.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// When the writer last committed, or found nothing to do; milliseconds since 1970.
    pub writer: AtomicI64,
    /// When the sweeper last looked for due timers; milliseconds since 1970.
    pub sweeper: AtomicI64,
    /// Set once the store failed to write.
    pub failed: AtomicBool,
    /// Set while the database can't be reached.
    pub away: AtomicBool,
}

impl Pulse {
    /// Notes whether the database could be reached; says so each time that changes.
    pub fn note<T>(&self, outcome: Result<T, &StoreError>) {
        let away = outcome.err().filter(|error| matches!(error, StoreError::Away { .. }));
        match (self.away.swap(away.is_some(), Ordering::Relaxed), away) {
            (false, Some(error)) => tracing::error!(%error, "posts are refused until the database is back"),
            (true, None) => tracing::info!("the database is back"),
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// Whether the engine does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The store takes writes.
    pub store_writable: bool,
    /// The database was there when it was last asked something, which is every few seconds; `None` where the store is none.
    pub database_reached: Option<bool>,
    /// The writer answers.
    pub writer_alive: bool,
    /// Timers are being looked at.
    pub sweeper_alive: bool,
}

impl Engine {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, by: None }
    }

    /// The same engine, asked in that name: the audit log has it beside what is changed.
    #[must_use]
    pub fn acting(&self, by: By) -> Self {
        Self { shared: Arc::clone(&self.shared), by: Some(Arc::new(by)) }
    }

    /// In whose name it is asked.
    pub(super) fn by(&self) -> By {
        self.by.as_deref().cloned().unwrap_or_else(By::server)
    }

    /// Hands in events that arrived together; answers in the same order once they are on disk.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when too much is waiting, [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn ingest(&self, events: Vec<Event>) -> Result<Vec<Accepted>, EngineError> {
        let writers = &self.shared.ingest;
        // The same users to the same writer, as far as may be: they are in nobody's way then.
        let writer = events.first().map_or(0, |event| writer_of(&event.user_key(), writers.len()));
        let room = writers[writer].try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(()) => stopped(),
        })?;
        let share = self.share(&events)?;
        let (reply, answer) = oneshot::channel();
        room.send(Command::Together(Input::Ingest(events), Waiting::Ingest { reply, _share: share }));
        if !self.shared.store.is_shared() {
            return answer.await.map_err(|_| stopped())?;
        }
        // Senders don't wait for a database that hangs, and should hear from us that they are to come back.
        match tokio::time::timeout(limits::POST_WAITS.to_std(), answer).await {
            Ok(answer) => answer.map_err(|_| stopped())?,
            Err(_) => Err(EngineError::Unavailable(
                "the database takes too long; whether this is stored is not known, sending it again does no harm".to_owned(),
            )),
        }
    }

    /// The share of the queue that these events take. Full means busy: the caller is told to come back, nothing grows.
    fn share(&self, events: &[Event]) -> Result<Share, EngineError> {
        let weight = events.iter().map(Event::weight).sum::<usize>().min(limits::QUEUE_BYTES);
        let units = u32::try_from(weight / 1024 + 1).unwrap_or(u32::MAX);
        let (places, kilobytes) = (&self.shared.queue_places, &self.shared.queue_kilobytes);
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| EngineError::Busy)?;
        let bytes = Arc::clone(kilobytes).try_acquire_many_owned(units).map_err(|_| EngineError::Busy)?;
        Ok(Share { _place: place, _bytes: bytes })
    }

    /// Tells what came of attempts that were made together; returns once it is on disk.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), EngineError> {
        self.ask(|reply| Command::Together(Input::Settle(settlements), Waiting::Done(reply))).await
    }

    /// Gives these deliveries up, where they have waited longer than their destination lets them; returns once it is on disk.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn expire(&self, ids: Vec<DeliveryId>) -> Result<(), EngineError> {
        self.ask(|reply| Command::Together(Input::Expire(ids), Waiting::Done(reply))).await
    }

    /// Takes these deliveries back, where nobody needs to be told of their journeys any more; returns once it is on disk.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn withdraw(&self, ids: Vec<DeliveryId>) -> Result<(), EngineError> {
        self.ask(|reply| Command::Together(Input::Withdraw(ids), Waiting::Done(reply))).await
    }

    /// Brings the definitions in line with `wanted`; applying the same again changes nothing.
    ///
    /// In `wanted`, an empty `write_key`, an empty audience `id` and all times mean "keep, or make".
    ///
    /// # Errors
    /// [`EngineError::Invalid`] when definitions refer to what does not exist or clash.
    pub async fn apply(
        &self,
        wanted: Vec<Definition>,
        options: ApplyOptions,
    ) -> Result<ApplyReport, EngineError> {
        let by = self.by();
        self.ask(|reply| Command::Apply { wanted, options, by, reply }).await
    }

    /// Removes one definition. With `exit`, the members of an audience are told first that they are out; it is gone once
    /// the last one was.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] when another definition needs it; [`EngineError::Invalid`] for
    /// `exit` where there are no members.
    pub async fn remove(&self, kind: Kind, key: &str, exit: bool) -> Result<(), EngineError> {
        let (key, by) = (key.to_owned(), self.by());
        self.ask(|reply| Command::Remove { kind, key, exit, by, reply }).await
    }

    /// Gives a source that write key in place of the one it has, which may be used for a while; answers the source as it is then.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] while the key before the present one may still be used: senders that
    /// have it would be cut off.
    pub async fn rotate_write_key(
        &self,
        source: &str,
        write_key: String,
    ) -> Result<Arc<Source>, EngineError> {
        let (source, by) = (source.to_owned(), self.by());
        self.ask(|reply| Command::Rotate { source, write_key, by, reply }).await
    }

    /// Acknowledges, resolves or snoozes a journey; answers the journey as it is then. To acknowledge again is no error, and
    /// changes nothing.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] when the journey is not open any more, or can't be snoozed that long.
    pub async fn operate(&self, id: JourneyId, operation: Operation, by: By) -> Result<Journey, EngineError> {
        let asked_by = self.asked_by(&by);
        let input = Input::Operate { id, operation, by, asked_by };
        self.ask(|reply| Command::Together(input, Waiting::Operate(reply))).await
    }

    /// Acknowledges the stalls that a digest told of, as far as they last; answers of how many journeys.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when there is no such digest.
    pub async fn acknowledge_all(&self, digest: DeliveryId, by: By) -> Result<usize, EngineError> {
        let asked_by = self.asked_by(&by);
        let input = Input::AcknowledgeAll { digest, by, asked_by };
        self.ask(|reply| Command::Together(input, Waiting::AcknowledgeAll(reply))).await
    }

    /// Notes what became of a delivery at its receiver; returns once it is on disk. After a final word
    /// ([`Receipt::reached`] is known) only what contradicts nothing is taken.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when there is no such delivery.
    pub async fn receipt(&self, delivery: DeliveryId, receipt: Receipt) -> Result<(), EngineError> {
        let input = Input::Receipt { id: delivery, receipt };
        self.ask(|reply| Command::Together(input, Waiting::Receipt(reply))).await
    }

    /// Pauses a destination by a person's word; answers how it fares then. To pause it again is no error.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn pause(
        &self,
        destination: &str,
        by: &str,
        reason: &str,
    ) -> Result<DestinationHealth, EngineError> {
        let (destination, pause) = (destination.to_owned(), Some((by.to_owned(), reason.to_owned())));
        let by = By { reason: reason.to_owned(), ..self.by() };
        self.ask(|reply| Command::Pause { destination, pause, by, reply }).await
    }

    /// Sends to a destination again, whoever paused it; answers how it fares then. To resume it again is no error.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn resume(&self, destination: &str) -> Result<DestinationHealth, EngineError> {
        let (destination, by) = (destination.to_owned(), self.by());
        self.ask(|reply| Command::Pause { destination, pause: None, by, reply }).await
    }

    /// Tells every webhook that takes calls that this user is to be deleted; answers the deliveries.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn notify_deletion(&self, user_id: &str) -> Result<Vec<DeliveryId>, EngineError> {
        let (user_id, by) = (user_id.to_owned(), self.by());
        self.ask(|reply| Command::NotifyDeletion { user_id, by, reply }).await
    }

    /// Sends a team's daily summary to that address no more; nothing happens where it does not get one.
    ///
    /// # Errors
    /// When there is no such team, or the store fails.
    pub async fn unsubscribe(&self, team: &str, address: &str) -> Result<(), EngineError> {
        let (team, address, by) = (team.to_owned(), address.to_owned(), self.by());
        self.ask(|reply| Command::Unsubscribe { team, address, by, reply }).await
    }

    /// Puts one delivery back into the queue under its old id.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] when it is pending already, or says what is no longer true.
    pub async fn replay_one(&self, id: DeliveryId) -> Result<(), EngineError> {
        let by = self.by();
        self.ask(|reply| Command::ReplayOne { id, by, reply }).await
    }

    /// Begins to put back into the queue, under their old ids and in their order, all deliveries that the filter accepts and that
    /// are there now; see [`Self::replays`].
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when too many are under way; [`EngineError::Invalid`] for a filter on what is pending.
    pub async fn replay(&self, filter: DeliveryFilter) -> Result<Replay, EngineError> {
        let by = self.by();
        self.ask(|reply| Command::Replay { filter, by, reply }).await
    }

    /// Stops a replay; what was put back stays so.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn cancel_replay(&self, id: ReplayId) -> Result<Replay, EngineError> {
        let by = self.by();
        self.ask(|reply| Command::CancelReplay { id, by, reply }).await
    }

    /// Sets the hash that admin tokens are checked against.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn set_admin_token_hash(&self, hash: String) -> Result<(), EngineError> {
        let by = self.by();
        self.ask(|reply| Command::SetAdminToken { hash, by, reply }).await
    }

    /// Stops the writer once everything that was handed in before is on disk.
    pub async fn stop(&self) {
        // An error means that it has stopped already.
        if self.shared.store.is_shared() {
            for writer in &self.shared.ingest {
                let _ = ask(writer, |reply| Command::Stop { reply }).await;
            }
        }
        let _ = self.ask(|reply| Command::Stop { reply }).await;
    }

    /// Holds this node's leases, and takes its share of what is free, until the future is dropped. Does nothing where the store
    /// is this process's own.
    pub async fn keep_leases(&self) {
        while self.shared.leases.are_shared() {
            self.renew_leases().await;
            let definitions = self.shared.definitions.clone();
            tokio::select! {
                () = tokio::time::sleep(limits::LEASE_BEAT.to_std()) => {}
                // New destinations are sent to at once.
                () = changed(definitions) => {}
            }
        }
    }

    /// Does so once.
    pub async fn renew_leases(&self) {
        let definitions = self.definitions();
        let renewed = self.shared.leases.renew(&*self.shared.store, &definitions).await;
        self.shared.pulse.note(renewed.as_ref());
        if let Err(error) = renewed {
            tracing::debug!(%error, "this node's leases could not be prolonged; other nodes take them over");
        }
    }

    /// Lets other nodes take over at once what this one did.
    pub async fn give_up_leases(&self) {
        if let Err(error) = self.shared.leases.give_up(&*self.shared.store).await {
            tracing::warn!(%error, "this node's leases could not be given up; they run out by themselves");
        }
    }

    /// What this node may do that only one node is to do.
    pub fn leases(&self) -> &Leases {
        &self.shared.leases
    }

    /// The definitions in force now.
    pub fn definitions(&self) -> Arc<Definitions> {
        self.shared.definitions.borrow().clone()
    }

    /// The readings of the past that are under way.
    pub fn backfills(&self) -> Arc<Vec<Backfill>> {
        self.shared.backfills.borrow().clone()
    }

    /// How destinations fare, by key; one that always fared well is not there.
    pub fn healths(&self) -> Arc<BTreeMap<String, DestinationHealth>> {
        self.shared.healths.borrow().clone()
    }

    /// Tells whenever a destination fares otherwise.
    pub fn watch_healths(&self) -> watch::Receiver<Arc<BTreeMap<String, DestinationHealth>>> {
        self.shared.healths.clone()
    }

    /// The replays that are under way, and the newest ones that are over.
    pub fn replays(&self) -> Arc<BTreeMap<ReplayId, Replay>> {
        self.shared.replays.borrow().clone()
    }

    /// Tells whenever a replay came farther.
    pub fn watch_replays(&self) -> watch::Receiver<Arc<BTreeMap<ReplayId, Replay>>> {
        self.shared.replays.clone()
    }

    /// Tells whenever the definitions changed.
    pub fn watch_definitions(&self) -> watch::Receiver<Arc<Definitions>> {
        self.shared.definitions.clone()
    }

    /// Waits until deliveries were made, or put off, since the last call; answers for which destinations.
    pub async fn deliveries_made(&self) -> BTreeSet<String> {
        self.shared.deliveries_made.take().await
    }

    /// The debugger's feed.
    pub fn debugger(&self) -> &Debugger {
        &self.shared.debugger
    }

    /// The clock that the engine goes by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Posts that are not answered yet, and how many may be.
    pub fn queue(&self) -> (usize, usize) {
        (self.shared.posts_waiting(), limits::QUEUE_COMMANDS)
    }

    /// Whether the engine does its work: each loop gave a sign of life within the last ten seconds.
    pub fn health(&self) -> Health {
        let now = self.shared.clock.now().millis();
        let alive = |last: &AtomicI64| now - last.load(Ordering::Relaxed) < 10_000;
        let pulse = &self.shared.pulse;
        Health {
            store_writable: !pulse.failed.load(Ordering::Relaxed),
            database_reached: self.shared.store.is_shared().then(|| !pulse.away.load(Ordering::Relaxed)),
            writer_alive: alive(&pulse.writer),
            sweeper_alive: alive(&pulse.sweeper),
        }
    }

    /// Who is to be in the audit log for what somebody says: who he is known as, else who he says he is.
    fn asked_by(&self, by: &By) -> By {
        let known = self.by.as_deref().cloned().unwrap_or_else(|| by.clone());
        By { reason: by.reason.clone(), ..known }
    }

    pub(super) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, EngineError> {
        ask(&self.shared.commands, command).await
    }
}

async fn ask<T>(
    writer: &mpsc::Sender<Command>,
    command: impl FnOnce(Reply<T>) -> Command,
) -> Result<T, EngineError> {
    let (reply, answer) = oneshot::channel();
    writer.send(command(reply)).await.map_err(|_| stopped())?;
    answer.await.map_err(|_| stopped())?
}

/// Which of several writers takes in what comes under that key: always the same one.
fn writer_of(user: &UserKey, writers: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    usize::try_from(hasher.finish() % u64::try_from(writers).unwrap_or(1)).unwrap_or(0)
}

async fn changed<T>(mut watched: watch::Receiver<T>) {
    watched.mark_unchanged();
    if watched.changed().await.is_err() {
        std::future::pending().await
    }
}

fn stopped() -> EngineError {
    EngineError::Unavailable("it is stopping".to_owned())
}
