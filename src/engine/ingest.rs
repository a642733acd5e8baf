//! Taking in events where several nodes share the store: by several writers per node.
//!
//! What comes together goes to one of them, by its first user. Another one may be faster all the same: then the store refuses what was
//! decided, and it is decided again, in smaller groups.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::aftermath::Aftermath;
use super::command::{Command, Input, Outcomes, Reply, Waiting};
use super::error::EngineError;
use super::group::Group;
use super::handle::Shared;
use super::in_force::InForce;
use super::inputs::decide;
use super::settle::Faring;
use crate::domain::ids::IdSource;
use crate::domain::limits;
use crate::store::StoreError;

/// How often something was decided anew, by what had changed meanwhile.
pub(super) const REFUSED_TIMES: &str = "stagepost_decided_again_total";

/// What callers hear when what they asked was not written. What exactly failed is for the log: it may name what others sent.
pub(super) fn refusal(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unsound { .. } => {
            "what is stored of somebody whom this, or what came with it, concerns can't be read; see the server's log"
        }
        StoreError::Away { .. } => "the database can't be reached just now",
        StoreError::Overloaded { .. } => "the database takes too long just now",
        StoreError::Conflict(_) => "too many change the same at the same time",
        error if error.is_fatal() => "the store failed; see the server's log",
        _ => "what this would write is larger than the store keeps; see the server's log",
    }
}

/// Tells whoever runs the server of a group that was not written. What passes is told of elsewhere, once.
pub(super) fn tell_of_refusal(error: &StoreError) {
    if error.is_passing() {
        tracing::debug!(%error, "a group of inputs was refused");
    } else {
        tracing::error!(%error, "a group of inputs was refused");
    }
    metrics::counter!("stagepost_groups_refused_total").increment(1);
}

/// Answers what was asked alone; a failed store stops the writer.
pub(super) fn answer_alone<T>(reply: Reply<T>, answer: Result<T, EngineError>) -> Result<(), StoreError> {
    match answer {
        Err(EngineError::Store(error)) if error.is_fatal() => {
            drop(reply.send(Err(EngineError::Unavailable(refusal(&error).to_owned()))));
            Err(error)
        }
        answer => {
            drop(reply.send(answer));
            Ok(())
        }
    }
}

/// Waits a moment where others were first that often in a row: longer each time, and not as long as they.
pub(super) async fn stand_back(times: u32, ids: &mut IdSource) {
    if times > 2 {
        let most = Duration::from_millis(1_u64 << times.min(6));
        tokio::time::sleep(most.mul_f64(ids.fraction())).await;
    }
}

impl Shared {
    /// Decides on inputs that go together and writes what follows. [`StoreError::Conflict`]: others were faster, and it is to be
    /// decided again by what is in force then.
    pub async fn write_group(
        self: &Arc<Self>,
        in_force: &InForce,
        ids: &mut IdSource,
        inputs: Vec<Input>,
        faring: &mut Faring,
    ) -> Result<Vec<Outcomes>, StoreError> {
        ids.start_after(*self.newest_id());
        let mut group = Group::new(&*self.store, Arc::clone(&in_force.rules), self.clock.now(), ids);
        let outcomes = decide(&mut group, inputs, faring).await?;
        let mut changes = group.finish().await?;
        changes.basis = Some(in_force.revisions);
        let aftermath = Aftermath::new(self, &changes);
        let written = self.store.commit(&changes).await;
        aftermath.happen(written.as_ref().copied());
        let mut newest = self.newest_id();
        *newest = (*newest).max(ids.newest());
        drop(newest);
        written.map(|()| outcomes)
    }

    fn newest_id(&self) -> MutexGuard<'_, [u8; 16]> {
        // Nobody panics while holding it; if one did, the id would still be whole.
        self.newest_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of several writers that take in events.
pub(super) struct Ingester {
    shared: Arc<Shared>,
    ids: IdSource,
    commands: mpsc::Receiver<Command>,
    in_force: Arc<InForce>,
    /// Who waits for its stop.
    stopping: Option<Reply<()>>,
}

impl Ingester {
    pub fn new(shared: Arc<Shared>, seed: [u8; 32], commands: mpsc::Receiver<Command>) -> Self {
        let (ids, in_force) = (IdSource::new(seed), shared.present.get());
        Self { shared, ids, commands, in_force, stopping: None }
    }

    /// Takes in what waits, as one group; says whether there may be more.
    ///
    /// # Errors
    /// When the store is of no use any more; whoever waited was told.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let group = self.gather(None);
        let more = self.write(group).await?;
        if self.commands.is_empty() {
            self.say_that_it_stopped();
        }
        Ok(more)
    }

    /// Works until it is told to stop.
    async fn run(mut self) -> Result<(), StoreError> {
        while let Some(command) = self.commands.recv().await {
            let group = self.gather(Some(command));
            self.write(group).await?;
        }
        self.say_that_it_stopped();
        Ok(())
    }

    /// What goes into one group: that command, and those that wait, as far as there is room.
    fn gather(&mut self, first: Option<Command>) -> Vec<(Input, Waiting)> {
        let copies = self.in_force.rules.copies();
        let (mut group, mut records, mut bytes) = (Vec::new(), 0, 0);
        let mut next = first;
        while records < limits::COMMIT_EVENTS && bytes < limits::COMMIT_BYTES {
            let Some(command) = next.take().or_else(|| self.commands.try_recv().ok()) else { break };
            match command {
                Command::Together(input, waiting) => {
                    let (more, heavier) = input.weight(copies);
                    (records, bytes) = (records + more, bytes + heavier);
                    group.push((input, waiting));
                }
                Command::Stop { reply } => {
                    // What is in the channel by now is still taken in.
                    self.commands.close();
                    self.stopping = Some(reply);
                }
                // The engine sends them to the writer; dropping the reply says that nothing came of it.
                _ => tracing::error!("a command came to a writer that only takes in events; this is a bug"),
            }
        }
        group
    }

    fn say_that_it_stopped(&mut self) {
        if let Some(reply) = self.stopping.take() {
            // A caller that went away is no error.
            drop(reply.send(Ok(())));
        }
    }

    /// Writes what goes together; says whether there was anything.
    async fn write(&mut self, group: Vec<(Input, Waiting)>) -> Result<bool, StoreError> {
        let is_something = !group.is_empty();
        let mut groups = vec![group];
        let mut tries = 0;
        while let Some(mut group) = groups.pop().filter(|group| !group.is_empty()) {
            let inputs = group.iter().map(|(input, _)| input.clone()).collect();
            match self.write_once(inputs).await {
                Err(StoreError::Conflict(_)) if tries < limits::DECISIONS => {
                    tries += 1;
                    // Whoever writes less is in fewer people's way.
                    let rest = group.split_off(group.len().div_ceil(2));
                    groups.extend([rest, group].into_iter().filter(|group| !group.is_empty()));
                    stand_back(tries, &mut self.ids).await;
                }
                Ok(outcomes) => {
                    tries = 0;
                    for ((_, waiting), outcome) in group.into_iter().zip(outcomes) {
                        waiting.answer(Ok(outcome));
                    }
                }
                Err(error) => {
                    tries = 0;
                    self.refuse(group, &error);
                    if error.is_fatal() {
                        groups.drain(..).for_each(|group| self.refuse(group, &error));
                        return Err(error);
                    }
                }
            }
        }
        Ok(is_something)
    }

    fn refuse(&self, group: Vec<(Input, Waiting)>, error: &StoreError) {
        if error.is_passing() {
            self.shared.pulse.note(Err::<(), _>(error));
        }
        tell_of_refusal(error);
        group.into_iter().for_each(|(_, waiting)| waiting.answer(Err(refusal(error))));
    }

    /// Decides by what is in force now, and writes. Where another one was first, what is in force is read again.
    async fn write_once(&mut self, inputs: Vec<Input>) -> Result<Vec<Outcomes>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.go_by(shared.present.get());
        let in_force = Arc::clone(&self.in_force);
        let mut faring = Faring { healths: Arc::clone(&in_force.healths), has_turned: false };
        let written = shared.write_group(&in_force, &mut self.ids, inputs, &mut faring).await;
        if let Err(StoreError::Conflict(what)) = written {
            metrics::counter!(REFUSED_TIMES, "what" => what).increment(1);
            shared.present.catch_up(&*shared.store).await?;
        }
        written
    }

    fn go_by(&mut self, in_force: Arc<InForce>) {
        if !Arc::ptr_eq(&in_force, &self.in_force) {
            in_force.start_after_past(&mut self.ids);
            self.in_force = in_force;
        }
    }

    /// Lets each of them run on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start_all(ingesters: Vec<Self>) -> Result<Ingesters, StoreError> {
        let running = ingesters.into_iter().map(Self::start).collect::<Result<_, _>>()?;
        Ok(Ingesters { running })
    }

    fn start(self) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (done, ended) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let result = match runtime {
                Ok(runtime) => runtime.block_on(self.run()),
                Err(error) => Err(no_thread(&error)),
            };
            // Nobody listening means that the process is ending anyway.
            let _ = done.send(result);
        };
        let name = "ingest".to_owned();
        thread::Builder::new().name(name).spawn(run).map_err(|error| no_thread(&error))?;
        Ok(ended)
    }
}

fn no_thread(error: &std::io::Error) -> StoreError {
    StoreError::Stopped(format!("no thread for a writer: {error}"))
}

/// The writers that run.
pub(super) struct Ingesters {
    running: FuturesUnordered<oneshot::Receiver<Result<(), StoreError>>>,
}

impl Ingesters {
    /// Waits until one of them fails.
    pub async fn failed(&mut self) -> StoreError {
        while let Some(ended) = self.running.next().await {
            if let Err(error) = outcome(ended) {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Waits until all of them have stopped.
    ///
    /// # Errors
    /// Why one of them failed.
    pub async fn stopped(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.running.next().await {
            outcome(ended)?;
        }
        Ok(())
    }
}

fn outcome(ended: Result<Result<(), StoreError>, oneshot::error::RecvError>) -> Result<(), StoreError> {
    ended.unwrap_or_else(|_| Err(StoreError::Stopped("a writer's thread ended".to_owned())))
}
