//! The one writer: takes what is waiting, lets the domain decide, commits once, and only then answers.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, mpsc, watch};

use super::aftermath::Aftermath;
use super::backfill::{BackfillPace, Past, Slice};
use super::command::{Command, Input, Waiting};
use super::connect::{Ends, connect, start_after_newest};
use super::error::EngineError;
use super::group::Group;
use super::handle::{Engine, Shared};
use super::in_force::InForce;
use super::ingest::{Ingester, REFUSED_TIMES, answer_alone, refusal, stand_back, tell_of_refusal};
use super::inputs::decide;
use super::leases::{TIMERS, WORK};
use super::people::{SessionWalk, entry};
use super::settle::{Faring, Healths};
use super::summaries::SummingUp;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::backfill::Backfill;
use crate::domain::change::ChangeSet;
use crate::domain::decide::{Rules, Surroundings};
use crate::domain::definition::Definitions;
use crate::domain::ids::{IdSource, ReplayId, UserKey};
use crate::domain::limits;
use crate::domain::people::{Action, Deed};
use crate::domain::replay::Replay;
use crate::domain::time::Timestamp;
use crate::store::{Done, Store, StoreError};

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
    /// How many writers take events in where nodes share the store, 1 at least; elsewhere it has no meaning.
    pub writers: usize,
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
    /// A team's summary may be due.
    pub(super) summaries_due: bool,
    /// How far the look for sessions that are over is.
    pub(super) session_walk: SessionWalk,
    /// Uses of sessions and tokens may be waiting to be written down.
    uses_due: bool,
    /// When it was last written how much was refused.
    pub(super) refusals_written_at: Option<Timestamp>,
    /// The one that is being put together.
    pub(super) summing_up: Option<SummingUp>,
    /// What all this was taken from, as it was stored.
    pub(super) in_force: Arc<InForce>,
    /// The definitions may have been changed by another node.
    pub(super) look_for_changes: bool,
    /// How often in a row another node was first.
    pub(super) conflicts: u32,
    /// Those that take in events, where several nodes share the store: stepped by this one until they run by themselves.
    ingesters: Vec<Ingester>,
    stopping: bool,
}

impl Writer {
    /// An engine over `store`, with the definitions found there. Nothing runs before [`Writer::run`].
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(store: Arc<dyn Store>, settings: Settings) -> Result<(Engine, Self), StoreError> {
        let Settings { clock, seed, surroundings, address_policy, writers } = settings;
        let in_force = Arc::new(InForce::read(&*store, surroundings).await?);
        let mut ids = IdSource::new(seed);
        start_after_newest(&mut ids, &*store).await?;
        in_force.rules.backfills.iter().for_each(|backfill| ids.start_after(backfill.id.to_bytes()));
        in_force.replays.keys().for_each(|id| ids.start_after(id.to_bytes()));
        // In one process, the writer takes the events in, too.
        let writers = if store.is_shared() { writers } else { 0 };
        let (shared, ends) = connect(store, clock, writers, &in_force, &mut ids);
        let mut writer = Self::new(&shared, ends, ids, seed, in_force, address_policy);
        // Another node that starts just now may do the same.
        let renewed = writer.until_first(async |it| Ok(it.renew_old_forms().await?)).await;
        renewed.map_err(|error| match error {
            EngineError::Store(error) => error,
            other => StoreError::Stopped(other.to_string()),
        })?;
        writer.beat();
        // Nothing is late before the first tick.
        shared.pulse.sweeper.store(shared.clock.now().millis(), Ordering::Relaxed);
        Ok((Engine::new(shared), writer))
    }

    fn new(
        shared: &Arc<Shared>,
        ends: Ends,
        ids: IdSource,
        base: [u8; 32],
        in_force: Arc<InForce>,
        address_policy: AddressPolicy,
    ) -> Self {
        let ingesters = ends.events.into_iter().zip(1..);
        let ingesters = ingesters
            .map(|(events, place)| Ingester::new(Arc::clone(shared), seed(base, place), events))
            .collect();
        Self {
            shared: Arc::clone(shared),
            ids,
            rules: Arc::clone(&in_force.rules),
            healths: Arc::clone(&in_force.healths),
            replays: in_force.replays.clone(),
            in_force,
            ingesters,
            look_for_changes: false,
            conflicts: 0,
            address_policy,
            published: ends.published,
            published_backfills: ends.published_backfills,
            commands: ends.commands,
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
            published_healths: ends.published_healths,
            replay_has_turn: false,
            published_replays: ends.published_replays,
            jobs: false,
            summaries_due: false,
            session_walk: SessionWalk::default(),
            uses_due: false,
            refusals_written_at: None,
            summing_up: None,
            stopping: false,
        }
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
        let mut in_force = self.shared.present.watch();
        let mut ingesters = Ingester::start_all(std::mem::take(&mut self.ingesters))?;
        loop {
            let more = self.step().await?;
            if let Some(error) = ingesters.failed().now_or_never() {
                return Err(error);
            }
            if self.stopping && self.waiting.is_empty() && self.commands.is_empty() {
                return ingesters.stopped().await;
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
                    // The present is told of as long as there is an engine.
                    Ok(()) = in_force.changed() => {}
                    error = ingesters.failed() => return Err(error),
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
        self.summaries_due = true;
        self.uses_due = true;
        self.look_for_changes = self.is_shared();
    }

    /// Does one bounded piece of what there is to do: a group of commands, then a sweep of timers, then a piece of a
    /// computation. Says whether there may be more.
    ///
    /// # Errors
    /// When the store fails; whoever waited was told.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let done = match self.step_inner().await {
            Ok(more) => {
                self.conflicts = self.conflicts.saturating_sub(1);
                Ok(more)
            }
            Err(StoreError::Conflict(what)) => {
                self.conflicts = self.conflicts.saturating_add(1);
                metrics::counter!(REFUSED_TIMES, "what" => what).increment(1);
                self.look_for_changes = true;
                stand_back(self.conflicts, &mut self.ids).await;
                Ok(true)
            }
            Err(error) if error.is_passing() => {
                // The next tick tries again; that the database is away was said.
                self.shared.pulse.note(Err::<(), _>(&error));
                tracing::debug!(%error, "timers and long work wait");
                (self.timers_due, self.jobs) = (false, false);
                Ok(false)
            }
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
        };
        self.beat();
        done
    }

    async fn step_inner(&mut self) -> Result<bool, StoreError> {
        let mut more = false;
        for ingester in &mut self.ingesters {
            more |= ingester.step().await?;
        }
        self.handle_commands().await?;
        if self.stopping {
            return Ok(false);
        }
        if self.look_for_changes {
            self.look_for_changes = false;
            self.catch_up().await?;
        }
        self.go_by_present();
        if std::mem::take(&mut self.uses_due) {
            self.write_down_uses().await?;
        }
        self.write_refusals().await?;
        if self.timers_due {
            let leases = self.shared.leases.clone();
            self.timers_due = match leases.begin(TIMERS) {
                Some(_lease) => self.sweep().await?,
                None => self.leave_timers(),
            };
        }
        if self.jobs || self.is_past_read() {
            let leases = self.shared.leases.clone();
            self.jobs = match leases.begin(WORK) {
                Some(_lease) => self.work_on_jobs().await?,
                None => self.leave_work(),
            };
        }
        more |= self.timers_due || self.jobs || !self.waiting.is_empty() || !self.commands.is_empty();
        Ok(more)
    }

    /// Another node looks at timers; answers that there is nothing to do.
    fn leave_timers(&self) -> bool {
        self.shared.pulse.sweeper.store(self.shared.clock.now().millis(), Ordering::Relaxed);
        false
    }

    /// Another node does the long work; answers that there is nothing to do.
    fn leave_work(&mut self) -> bool {
        (self.past, self.summing_up) = (None, None);
        false
    }

    fn beat(&self) {
        self.shared.pulse.writer.store(self.shared.clock.now().millis(), Ordering::Relaxed);
    }

    /// Handles what is waiting: commands that go together as one group, any other alone.
    async fn handle_commands(&mut self) -> Result<(), StoreError> {
        self.is_busy = false;
        let mut group = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while records < limits::COMMIT_EVENTS && bytes < limits::COMMIT_BYTES {
            let Some(command) = self.waiting.pop_front().or_else(|| self.commands.try_recv().ok()) else {
                break;
            };
            match command {
                Command::Together(input, waiting) => {
                    // Each event is copied for each destination that wants them all.
                    let (more, heavier) = input.weight(self.rules.copies());
                    (records, bytes) = (records + more, bytes + heavier);
                    group.push((input, waiting));
                }
                alone if group.is_empty() => return self.handle_alone(alone).await,
                alone => {
                    self.waiting.push_front(alone);
                    break;
                }
            }
        }
        // Where others take the events in, what is not answered yet tells.
        self.is_busy = !group.is_empty() || (self.is_shared() && self.shared.posts_waiting() > 0);
        if group.is_empty() { Ok(()) } else { self.handle_group(group).await }
    }

    async fn handle_alone(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Apply { wanted, options, by, reply } => {
                let applied = self.until_first(async |it| it.apply(wanted.clone(), options, &by).await).await;
                answer_alone(reply, applied)
            }
            Command::Remove { kind, key, exit, by, reply } => {
                let removed = self.until_first(async |it| it.remove(kind, &key, exit, &by).await).await;
                answer_alone(reply, removed)
            }
            Command::Rotate { source, write_key, by, reply } => {
                let rotate = async |it: &mut Self| it.rotate(&source, write_key.clone(), &by).await;
                let rotated = self.until_first(rotate).await;
                answer_alone(reply, rotated)
            }
            Command::Pause { destination, pause, by, reply } => {
                let pause = async |it: &mut Self| it.set_paused(&destination, pause.clone(), &by).await;
                let paused = self.until_first(pause).await;
                answer_alone(reply, paused)
            }
            Command::NotifyDeletion { user_id, by, reply } => {
                let notified = self.until_first(async |it| it.notify_deletion(&user_id, &by).await).await;
                answer_alone(reply, notified)
            }
            Command::Unsubscribe { team, address, by, reply } => {
                let unsubscribe = async |it: &mut Self| it.unsubscribe(&team, &address, &by).await;
                let unsubscribed = self.until_first(unsubscribe).await;
                answer_alone(reply, unsubscribed)
            }
            Command::ReplayOne { id, by, reply } => {
                let replayed = self.until_first(async |it| it.replay_one(id, &by).await).await;
                answer_alone(reply, replayed)
            }
            Command::Replay { filter, by, reply } => {
                let begun = self.until_first(async |it| it.begin_replay(filter.clone(), &by).await).await;
                answer_alone(reply, begun)
            }
            Command::CancelReplay { id, by, reply } => {
                let cancelled = self.until_first(async |it| it.cancel_replay(id, &by).await).await;
                answer_alone(reply, cancelled)
            }
            Command::SetAdminToken { hash, by, reply } => {
                let set = async |it: &mut Self| {
                    let deed = Deed::new(Action::TokenSet, "admin token");
                    let entries = vec![entry(&mut it.ids, it.shared.clock.now(), &by, deed)];
                    let admin_token_hash = Some(hash.clone());
                    Ok(it
                        .commit(&mut ChangeSet { admin_token_hash, entries, ..ChangeSet::default() })
                        .await?)
                };
                let answer = self.until_first(set).await;
                answer_alone(reply, answer)
            }
            Command::People { change, by, reply } => {
                let changed = self.until_first(async |it| it.change_people(&change, &by).await).await;
                answer_alone(reply, changed)
            }
            Command::Stop { reply } => {
                self.stopping = true;
                self.commands.close();
                // Nothing to write, but to wait for: what was begun before.
                let answer = self.shared.store.commit(&ChangeSet::default()).await.map_err(EngineError::from);
                answer_alone(reply, answer)
            }
            Command::Together(input, waiting) => self.handle_group(vec![(input, waiting)]).await,
        }
    }

    async fn handle_group(&mut self, group: Vec<(Input, Waiting)>) -> Result<(), StoreError> {
        let (inputs, waiting) = group.into_iter().unzip();
        if self.is_shared() {
            self.handle_among_others(inputs, waiting).await
        } else {
            self.handle_alone_here(inputs, waiting).await
        }
    }

    /// Where nobody else writes: the next group is decided while the disk still writes this one; the answers wait for the disk.
    async fn handle_alone_here(
        &mut self,
        inputs: Vec<Input>,
        waiting: Vec<Waiting>,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        let mut faring = Faring { healths: Arc::clone(&self.healths), has_turned: false };
        let decided = decide(&mut group, inputs, &mut faring).await;
        let (changes, decided) = match (decided, group.finish().await) {
            (Ok(outcomes), Ok(changes)) => (changes, Ok(outcomes)),
            (Err(error), _) | (_, Err(error)) => (ChangeSet::default(), Err(error)),
        };
        let outcomes = match decided {
            Ok(outcomes) => outcomes,
            Err(error) => {
                waiting.into_iter().for_each(|waiting| waiting.answer(Err(refusal(&error))));
                return refused(error);
            }
        };
        let aftermath = Aftermath::new(&self.shared, &changes);
        let changes = Arc::new(changes);
        // To take it all apart takes time, which is as a rule not the writer's: it lets go first.
        let written_out = Arc::clone(&changes);
        let done: Done = Box::new(move |written| {
            aftermath.happen(written);
            for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                waiting.answer(written.map(|()| outcome).map_err(refusal));
            }
            drop(written_out);
        });
        // Whoever is answered finds what his outcome says of its destination in force.
        let before = Arc::clone(&self.healths);
        self.go_by_faring(faring);
        match self.shared.store.begin_commit(&changes, done).await {
            Err(error) if !error.is_fatal() => {
                self.go_by_healths(before);
                refused(error)
            }
            written => written,
        }
    }

    /// Goes by how destinations fare after a group.
    pub(super) fn go_by_faring(&mut self, faring: Faring) {
        if faring.has_turned {
            self.go_by_healths(faring.healths);
        } else {
            self.healths = faring.healths;
        }
    }

    /// Writes a change set and tells whom it concerns, without waiting for the disk.
    pub(super) async fn begin(&mut self, changes: &mut ChangeSet) -> Result<(), StoreError> {
        changes.basis = self.basis();
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
    pub(super) async fn commit(&mut self, changes: &mut ChangeSet) -> Result<(), StoreError> {
        changes.basis = self.basis();
        let aftermath = Aftermath::new(&self.shared, changes);
        let written = self.shared.store.commit(changes).await;
        aftermath.happen(written.as_ref().copied());
        written
    }
}

/// A seed of its own for each of the writers.
fn seed(mut seed: [u8; 32], place: u8) -> [u8; 32] {
    seed[31] ^= place;
    seed
}

/// A group that was not written, while the store goes on.
pub(super) fn refused(error: StoreError) -> Result<(), StoreError> {
    if error.is_fatal() {
        return Err(error);
    }
    tell_of_refusal(&error);
    Ok(())
}
