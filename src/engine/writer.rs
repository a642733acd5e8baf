//! The one writer: takes what is waiting, lets the domain decide, commits once, and only then answers.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::backfill::{BackfillPace, Past, Slice};
use super::command::Command;
use super::debugger::Debugger;
use super::error::EngineError;
use super::group::Group;
use super::handle::{DeliveriesMade, Engine, Pulse, Shared};
use super::inputs::decide;
use super::settle::{Faring, Healths};
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::backfill::Backfill;
use crate::domain::change::{ChangeSet, DeliveryWrite};
use crate::domain::decide::{Rules, Surroundings};
use crate::domain::definition::Definitions;
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus};
use crate::domain::event::Event;
use crate::domain::ids::{IdSource, ReplayId, UserKey};
use crate::domain::journey::JourneyFilter;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::replay::Replay;
use crate::store::{Done, Store, StoreError};

/// What callers hear when the store failed.
const STORE_FAILED: &str = "the store failed; see the server's log";
/// What callers hear when what their inputs go together with can't be read.
const UNSOUND: &str = "what is stored of somebody whom this, or what came with it, concerns can't be read; see the server's log";
/// What callers hear when what they caused is larger than a store keeps.
const TOO_LARGE: &str = "what this would write is larger than the store keeps; see the server's log";

/// What an engine needs to run.
pub struct Settings {
    /// The clock.
    pub clock: Clock,
    /// Seed of ids and jitter, from `clock::entropy`.
    pub seed: [u8; 32],
    /// What the server stands in.
    pub surroundings: Surroundings,
    /// Which addresses destinations may have.
    pub address_policy: AddressPolicy,
}

/// The one writer. [`Writer::step`] does what there is to do now; [`Writer::run`] only waits in between.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) ids: IdSource,
    pub(super) rules: Arc<Rules>,
    /// What new and changed destinations are held to.
    pub(super) address_policy: AddressPolicy,
    pub(super) published: watch::Sender<Arc<Definitions>>,
    published_backfills: watch::Sender<Arc<Vec<Backfill>>>,
    commands: mpsc::Receiver<Command>,
    /// Taken from the channel, but not to be handled in the present group.
    waiting: VecDeque<Command>,
    /// There may be timers that are due.
    pub(super) timers_due: bool,
    pub(super) pace: BackfillPace,
    /// The past of the profiles whose turn is next in the present backfill.
    pub(super) past: Option<Past>,
    /// Told when a reading of the past on a thread of its own is at its end.
    pub(super) past_read: Arc<Notify>,
    /// How many profiles a step of long work takes.
    pub(super) slice: Slice,
    /// How many timers a sweep looks at.
    pub(super) sweep_slice: Slice,
    /// Whether the present step handled a group of commands.
    pub(super) is_busy: bool,
    /// Users whose timers can't be acted on; not looked at again before the next start.
    pub(super) stuck: HashSet<UserKey>,
    pub(super) healths: Healths,
    pub(super) published_healths: watch::Sender<Healths>,
    /// Replays that are on record.
    pub(super) replays: BTreeMap<ReplayId, Replay>,
    /// Whether a replay, of the long work, was worked on last.
    pub(super) replay_has_turn: bool,
    pub(super) published_replays: watch::Sender<Arc<BTreeMap<ReplayId, Replay>>>,
    /// There may be something to compute, to put back or to tidy up.
    pub(super) jobs: bool,
    stopping: bool,
}

impl Writer {
    /// An engine over `store`, with the definitions found there. Nothing runs before [`Writer::run`].
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(store: Arc<dyn Store>, settings: Settings) -> Result<(Engine, Self), StoreError> {
        let mut definitions = Definitions::default();
        for definition in store.definitions().await? {
            definitions.put(definition);
        }
        let definitions = Arc::new(definitions);
        let mut ids = IdSource::new(settings.seed);
        start_after_newest(&mut ids, &*store).await?;
        let backfills = store.backfills().await?;
        backfills.iter().for_each(|backfill| ids.start_after(backfill.id.to_bytes()));
        let rules = Arc::new(Rules::new(Arc::clone(&definitions), settings.surroundings, backfills.clone()));
        let (published_backfills, watched_backfills) = watch::channel(Arc::new(backfills));
        let healths: Healths =
            Arc::new(store.healths().await?.into_iter().map(|it| (it.destination.clone(), it)).collect());
        let (published_healths, watched_healths) = watch::channel(Arc::clone(&healths));
        let replays: BTreeMap<ReplayId, Replay> =
            store.replays().await?.into_iter().map(|it| (it.id, it)).collect();
        replays.keys().for_each(|id| ids.start_after(id.to_bytes()));
        let (published_replays, watched_replays) = watch::channel(Arc::new(replays.clone()));
        let (sender, commands) = mpsc::channel(limits::QUEUE_COMMANDS);
        let (published, watched) = watch::channel(definitions);
        let shared = Arc::new(Shared {
            commands: sender,
            queue_kilobytes: Arc::new(Semaphore::new(limits::QUEUE_BYTES / 1024 + 1024)),
            definitions: watched,
            backfills: watched_backfills,
            healths: watched_healths,
            replays: watched_replays,
            store,
            clock: settings.clock,
            debugger: Debugger::default(),
            pulse: Pulse::default(),
            deliveries_made: DeliveriesMade::default(),
        });
        let mut writer = Self {
            shared: Arc::clone(&shared),
            ids,
            rules,
            address_policy: settings.address_policy,
            published,
            published_backfills,
            commands,
            waiting: VecDeque::new(),
            // The first tick finds them; what is to be applied at the start goes before it.
            timers_due: false,
            pace: BackfillPace::default(),
            past: None,
            past_read: Arc::default(),
            slice: Slice::default(),
            sweep_slice: Slice::default(),
            is_busy: false,
            stuck: HashSet::new(),
            healths,
            published_healths,
            replays,
            replay_has_turn: false,
            published_replays,
            jobs: false,
            stopping: false,
        };
        writer.renew_old_forms().await?;
        writer.beat();
        // Nothing is late before the first tick.
        writer.shared.pulse.sweeper.store(writer.shared.clock.now().millis(), Ordering::Relaxed);
        Ok((Engine { shared }, writer))
    }

    /// The same writer, with backfills at another pace.
    #[must_use]
    pub fn with_pace(self, pace: BackfillPace) -> Self {
        Self { pace, ..self }
    }

    /// Works until [`Engine::stop`] is called. `ticks` says when to look at the timers; should it fall silent, the writer
    /// looks by itself.
    ///
    /// # Errors
    /// When the store fails: nothing more is accepted then, and the process should end.
    pub async fn run(mut self, mut ticks: mpsc::Receiver<()>) -> Result<(), StoreError> {
        let mut last_tick = tokio::time::Instant::now();
        loop {
            let more = self.step().await?;
            if self.stopping && self.waiting.is_empty() && self.commands.is_empty() {
                return Ok(());
            }
            if !more {
                tokio::select! {
                    command = self.commands.recv() => match command {
                        Some(command) => self.waiting.push_back(command),
                        None => return Ok(()),
                    },
                    Some(()) = ticks.recv() => {
                        last_tick = tokio::time::Instant::now();
                        self.tick();
                    }
                    () = self.past_read.notified() => self.jobs = true,
                    () = tokio::time::sleep_until(last_tick + limits::WATCHDOG.to_std()) => {}
                }
            }
            if ticks.try_recv().is_ok() {
                last_tick = tokio::time::Instant::now();
                self.tick();
            } else if last_tick.elapsed() >= limits::WATCHDOG.to_std() {
                tracing::warn!("the scheduler is silent; looking at the timers without it");
                last_tick = tokio::time::Instant::now();
                self.tick();
            }
        }
    }

    /// Time has passed: timers may be due.
    pub fn tick(&mut self) {
        self.timers_due = true;
        self.jobs = true;
    }

    /// Does one bounded piece of what there is to do: a group of commands, then a sweep of timers, then a piece of a
    /// computation. Says whether there may be more.
    ///
    /// # Errors
    /// When the store fails; whoever waited was told.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let done = match self.step_inner().await {
            Err(error) if !error.is_fatal() => {
                // Nothing was written; the next tick tries again, and people can see why.
                tracing::error!(%error, "a timer or computation could not be written");
                metrics::counter!("stagepost_groups_refused_total").increment(1);
                (self.timers_due, self.jobs) = (false, false);
                Ok(false)
            }
            Err(error) => {
                self.shared.pulse.failed.store(true, Ordering::Relaxed);
                tracing::error!(%error, "the store failed; nothing more is accepted");
                Err(error)
            }
            done => done,
        };
        self.beat();
        done
    }

    async fn step_inner(&mut self) -> Result<bool, StoreError> {
        self.handle_commands().await?;
        if self.stopping {
            return Ok(false);
        }
        if self.timers_due {
            self.timers_due = self.sweep().await?;
        }
        if self.jobs || self.is_past_read() {
            self.jobs = self.work_on_jobs().await?;
        }
        let more = self.timers_due || self.jobs || !self.waiting.is_empty() || !self.commands.is_empty();
        Ok(more)
    }

    fn beat(&self) {
        self.shared.pulse.writer.store(self.shared.clock.now().millis(), Ordering::Relaxed);
    }

    /// Handles what is waiting: commands that go together as one group, any other alone.
    async fn handle_commands(&mut self) -> Result<(), StoreError> {
        self.is_busy = false;
        let mut group = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        while events < limits::COMMIT_EVENTS && bytes < limits::COMMIT_BYTES {
            let Some(command) = self.waiting.pop_front().or_else(|| self.commands.try_recv().ok()) else {
                break;
            };
            match &command {
                Command::Ingest { events: new, .. } => {
                    // Each event is copied for each destination that wants them all.
                    let copies = self.rules.copies();
                    events += new.len() * copies;
                    bytes += new.iter().map(Event::weight).sum::<usize>() * copies;
                }
                Command::Settle { settlements, .. } => {
                    events += settlements.len();
                    bytes += settlements.iter().map(|settlement| settlement.weight).sum::<usize>();
                }
                Command::Expire { ids, .. } => events += ids.len(),
                Command::Operate { .. } => events += 1,
                Command::Apply { .. }
                | Command::Remove { .. }
                | Command::Pause { .. }
                | Command::NotifyDeletion { .. }
                | Command::ReplayOne { .. }
                | Command::Replay { .. }
                | Command::CancelReplay { .. }
                | Command::SetAdminToken { .. }
                | Command::Stop { .. } => {
                    if group.is_empty() {
                        return self.handle_alone(command).await;
                    }
                    self.waiting.push_front(command);
                    break;
                }
            }
            group.push(command);
        }
        self.is_busy = !group.is_empty();
        if group.is_empty() { Ok(()) } else { self.handle_group(group).await }
    }

    async fn handle_alone(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Apply { wanted, options, reply } => {
                let answer = self.apply(wanted, options).await;
                answer_alone(reply, answer)
            }
            Command::Remove { kind, key, exit, reply } => {
                let answer = self.remove(kind, &key, exit).await;
                answer_alone(reply, answer)
            }
            Command::Pause { destination, pause, reply } => {
                let answer = self.set_paused(&destination, pause).await;
                answer_alone(reply, answer)
            }
            Command::NotifyDeletion { user_id, reply } => {
                let answer = self.notify_deletion(&user_id).await;
                answer_alone(reply, answer)
            }
            Command::ReplayOne { id, reply } => {
                let answer = self.replay_one(id).await;
                answer_alone(reply, answer)
            }
            Command::Replay { filter, reply } => {
                let answer = self.begin_replay(filter).await;
                answer_alone(reply, answer)
            }
            Command::CancelReplay { id, reply } => {
                let answer = self.cancel_replay(id).await;
                answer_alone(reply, answer)
            }
            Command::SetAdminToken { hash, reply } => {
                let changes = ChangeSet { admin_token_hash: Some(hash), ..ChangeSet::default() };
                let answer = self.commit(&changes).await.map_err(EngineError::from);
                answer_alone(reply, answer)
            }
            Command::Stop { reply } => {
                self.stopping = true;
                self.commands.close();
                // Nothing to write, but to wait for: what was begun before.
                let answer = self.shared.store.commit(&ChangeSet::default()).await.map_err(EngineError::from);
                answer_alone(reply, answer)
            }
            Command::Ingest { .. }
            | Command::Settle { .. }
            | Command::Expire { .. }
            | Command::Operate { .. } => self.handle_group(vec![command]).await,
        }
    }

    async fn handle_group(&mut self, commands: Vec<Command>) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        let mut answers = Vec::with_capacity(commands.len());
        let mut faring = Faring { healths: Arc::clone(&self.healths), has_turned: false };
        let decided = decide(&mut group, commands, &mut answers, &mut faring).await;
        let (changes, decided) = match group.finish().await {
            Ok(changes) => (changes, decided),
            Err(error) => (ChangeSet::default(), decided.and(Err(error))),
        };
        let aftermath = Aftermath::new(&self.shared, &changes);
        let changes = Arc::new(changes);
        // To take it all apart takes time, which is as a rule not the writer's: it lets go first.
        let written_out = Arc::clone(&changes);
        let done: Done = Box::new(move |written| {
            aftermath.happen(written);
            // What exactly failed is for the log: it may name what others sent.
            let failure = written.err().map(|error| match error {
                StoreError::Unsound { .. } => UNSOUND,
                error if error.is_fatal() => STORE_FAILED,
                _ => TOO_LARGE,
            });
            for answer in answers {
                answer.send(failure);
            }
            drop(written_out);
        });
        // Whoever is answered finds what his outcome says of its destination in force.
        let before = Arc::clone(&self.healths);
        if decided.is_ok() && faring.has_turned {
            self.go_by_healths(faring.healths);
        } else if decided.is_ok() {
            self.healths = faring.healths;
        }
        // The next group is decided while the disk still writes this one; the answers wait for the disk.
        let written = match decided {
            Ok(()) => self.shared.store.begin_commit(&changes, done).await,
            Err(error) => {
                done(Err(&error));
                Err(error)
            }
        };
        match written {
            Err(error) if !error.is_fatal() => {
                self.go_by_healths(before);
                tracing::error!(%error, "a group of inputs was refused");
                metrics::counter!("stagepost_groups_refused_total").increment(1);
                Ok(())
            }
            written => written,
        }
    }

    /// Writes a change set and tells whom it concerns, without waiting for the disk.
    pub(super) async fn begin(&mut self, changes: &ChangeSet) -> Result<(), StoreError> {
        let aftermath = Aftermath::new(&self.shared, changes);
        let done: Done = Box::new(move |written| aftermath.happen(written));
        self.shared.store.begin_commit(changes, done).await
    }

    /// Goes by how far the past was read.
    pub(super) fn go_by_backfills(&mut self, backfills: Vec<Backfill>) {
        // What was read for one that is gone is not wanted any more.
        self.past =
            self.past.take().filter(|it| backfills.iter().any(|backfill| backfill.id == it.backfill()));
        self.rules = Arc::new(self.rules.with_backfills(backfills));
        self.publish_progress();
    }

    /// Lets readers see how far the past was read, with what is only in memory yet.
    pub(super) fn publish_progress(&self) {
        let mut backfills = self.rules.backfills.clone();
        for backfill in &mut backfills {
            let past = self.past.as_ref().filter(|past| past.backfill() == backfill.id);
            // Until the past of those who are next is known, it is being read, or about to be.
            backfill.is_reading = backfill.past().is_some() && !matches!(past, Some(Past::Known(_)));
            backfill.events_read = past.map_or(0, Past::events_read);
        }
        self.published_backfills.send_replace(Arc::new(backfills));
    }

    /// Writes a change set and tells whom it concerns; returns once it is on the disk.
    pub(super) async fn commit(&mut self, changes: &ChangeSet) -> Result<(), StoreError> {
        let aftermath = Aftermath::new(&self.shared, changes);
        let written = self.shared.store.commit(changes).await;
        aftermath.happen(written.as_ref().copied());
        written
    }
}

/// What follows once a change set is on the disk: figures, the debugger's feed, a nudge to the dispatcher.
struct Aftermath {
    shared: Arc<Shared>,
    begun: Instant,
    events: usize,
    /// Copies for the debugger's feed; none while nobody listens.
    feed: Vec<Event>,
    /// Destinations for which there is something to send.
    made_for: BTreeSet<String>,
}

impl Aftermath {
    fn new(shared: &Arc<Shared>, changes: &ChangeSet) -> Self {
        let mut made_for: BTreeSet<String> = BTreeSet::new();
        for DeliveryWrite { delivery, .. } in &changes.deliveries {
            if delivery.status == DeliveryStatus::Pending && !made_for.contains(&delivery.destination) {
                made_for.insert(delivery.destination.clone());
            }
        }
        Self {
            shared: Arc::clone(shared),
            begun: Instant::now(),
            events: changes.events.len(),
            feed: if shared.debugger.has_listeners() { changes.events.clone() } else { Vec::new() },
            made_for,
        }
    }

    fn happen(self, written: Result<(), &StoreError>) {
        if let Err(error) = written {
            self.shared.pulse.failed.fetch_or(error.is_fatal(), Ordering::Relaxed);
            return;
        }
        metrics::histogram!("stagepost_commit_duration_seconds").record(self.begun.elapsed().as_secs_f64());
        if self.events > 0 {
            let events = u32::try_from(self.events).unwrap_or(u32::MAX);
            metrics::histogram!("stagepost_commit_events").record(f64::from(events));
        }
        self.shared.debugger.accepted(self.feed);
        self.shared.deliveries_made.tell(self.made_for);
    }
}

/// Ids go on rising after a restart, even if the clock went back meanwhile: the order of deliveries hangs on it.
async fn start_after_newest(ids: &mut IdSource, store: &dyn Store) -> Result<(), StoreError> {
    let newest = PageRequest { limit: 1, cursor: None };
    if let Some(event) = store.last_event().await? {
        ids.start_after(event.to_bytes());
    }
    for journey in store.journeys(&JourneyFilter::default(), &newest).await?.rows {
        ids.start_after(journey.id.to_bytes());
    }
    for delivery in store.deliveries(&DeliveryFilter::default(), &newest).await?.rows {
        ids.start_after(delivery.id.to_bytes());
    }
    Ok(())
}

pub(super) fn answer_alone<T>(
    reply: super::command::Reply<T>,
    answer: Result<T, EngineError>,
) -> Result<(), StoreError> {
    match answer {
        // A failed store stops the writer.
        Err(EngineError::Store(error)) if error.is_fatal() => {
            drop(reply.send(Err(EngineError::Unavailable(STORE_FAILED.to_owned()))));
            Err(error)
        }
        answer => {
            drop(reply.send(answer));
            Ok(())
        }
    }
}
