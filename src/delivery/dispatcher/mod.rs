//! The dispatcher: takes what is due out of the outbox, has it sent, and hands the outcome to the engine.
//!
//! Per destination and user one delivery is under way at a time, in the order they were made; users and destinations
//! do not wait for each other. A user's lane is freed only once the outcome is on disk. What was under way when the
//! process died is still pending in the store and is sent again under the same id: at least once.
//!
//! [`Dispatcher::step`] is the whole work, done once; the loops that [`Dispatcher::start`] runs add only the waiting.

mod lane;
mod outbox;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, warn};

use self::lane::{Lane, Pace, Unsettled};
pub use self::outbox::{EngineOutbox, Outbox};
use super::sender::{Sender, Verdict};
use crate::clock::Clock;
use crate::domain::definition::Definitions;
use crate::domain::delivery::{Delivery, EMAIL};
use crate::domain::time::Timestamp;
use crate::engine::{EngineError, Settlement};
use crate::store::StoreError;

/// Longest sleep of a loop: a wake-up that got lost costs no more than this.
const RECHECK: Duration = Duration::from_secs(1);
/// Shortest sleep of a loop, so that a store which keeps announcing what it does not hand out can't make it spin.
const BREATH: Duration = Duration::from_millis(2);

/// Sends what is due; cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    outbox: Arc<dyn Outbox>,
    sender: Arc<dyn Sender>,
    clock: Clock,
    definitions: watch::Receiver<Arc<Definitions>>,
    /// One per destination ever seen, so that a destination which comes back finds its attempts under way.
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    stopping: watch::Sender<bool>,
    /// Claims and attempts under way.
    working: Arc<watch::Sender<usize>>,
}

impl Dispatcher {
    /// A dispatcher that sends nothing yet.
    pub fn new(outbox: Arc<dyn Outbox>, sender: Arc<dyn Sender>, clock: Clock) -> Self {
        let inner = Inner {
            definitions: outbox.definitions(),
            outbox,
            sender,
            clock,
            lanes: Mutex::default(),
            stopping: watch::Sender::new(false),
            working: Arc::new(watch::Sender::new(0)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins to send: one loop for each destination, as they come and go, and one for mails.
    pub fn start(&self) {
        tokio::spawn(supervise(self.inner.clone()));
    }

    /// One step for one destination: claims what is due, makes the attempts, and has the outcomes written.
    /// Answers how many attempts it made.
    ///
    /// # Errors
    /// When the store can't read; nothing was claimed then.
    pub async fn step(&self, destination: &str) -> Result<usize, StoreError> {
        let lane = self.inner.lane(destination);
        self.inner.settle_again(&lane).await;
        let (claimed, _working) = self.inner.claim(&lane).await?;
        let count = claimed.len();
        join_all(claimed.into_iter().map(|delivery| self.inner.attempt(&lane, delivery))).await;
        Ok(count)
    }

    /// Claims nothing more and waits up to `grace` for the attempts under way. Answers how many were still not over:
    /// those stay pending and are made again at the next start.
    pub async fn shutdown(&self, grace: Duration) -> usize {
        self.inner.stopping.send_replace(true);
        let mut working = self.inner.working.subscribe();
        let _ = tokio::time::timeout(grace, working.wait_for(|count| *count == 0)).await;
        for lane in self.inner.all_lanes() {
            self.inner.settle_again(&lane).await;
        }
        *working.borrow()
    }
}

/// Counts as work under way until it is dropped.
struct Working(Arc<watch::Sender<usize>>);

impl Working {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Inner {
    fn lane(&self, key: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(key.to_owned()).or_insert_with(|| Arc::new(Lane::new(key))).clone()
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn pace(&self, lane: &Lane) -> Option<Pace> {
        Pace::of(&self.definitions.borrow(), &lane.key)
    }

    /// Takes what is due now and marks its users busy. What is returned beside it counts as work until dropped.
    async fn claim(&self, lane: &Lane) -> Result<(Vec<Delivery>, Working), StoreError> {
        let _alone = lane.claiming.lock().await;
        // First counted, then asked whether to stop: a shutdown either is seen here or sees this.
        let working = Working::new(&self.working);
        let nothing = Vec::new();
        let Some(pace) = self.pace(lane).filter(|_| !*self.stopping.borrow()) else {
            return Ok((nothing, working));
        };
        let now = self.clock.now();
        let (busy, free) = {
            let mut state = lane.state();
            let slots = pace.max_in_flight.saturating_sub(state.busy.len());
            (state.busy.clone(), slots.min(state.rate.allowance(pace.rate_limit, now)))
        };
        if free == 0 {
            return Ok((nothing, working));
        }
        let due = self.outbox.due(&lane.key, now, &busy, free).await?;
        let mut state = lane.state();
        state.rate.take(pace.rate_limit, due.len(), now);
        state.busy.extend(due.iter().map(|delivery| delivery.user.clone()));
        Ok((due, working))
    }

    /// Tries `delivery` once, has the outcome written, and then frees its user's lane.
    async fn attempt(&self, lane: &Lane, delivery: Delivery) {
        let (at, begun) = (self.clock.now(), Instant::now());
        let sent = AssertUnwindSafe(self.sender.send(std::slice::from_ref(&delivery))).catch_unwind().await;
        let sent = sent.ok().and_then(|sent| sent.into_iter().next()).unwrap_or_else(|| {
            error!(delivery = %delivery.id, destination = %lane.key, "an attempt panicked");
            Verdict::retry(None, "an internal error; the server's log has more").into_sent(at, 0)
        });
        let labels = [("destination", lane.key.clone()), ("outcome", sent.outcome.as_str().to_owned())];
        metrics::counter!("stagepost_delivery_attempts_total", &labels).increment(1);
        metrics::histogram!("stagepost_delivery_duration_seconds", "destination" => lane.key.clone())
            .record(begun.elapsed().as_secs_f64());
        // Without an attempt it was held back: it is as it was, and due again.
        let Some(attempt) = sent.attempt else { return lane.free(&delivery.user) };
        let settlement = Settlement { id: delivery.id, attempt, outcome: sent.outcome };
        self.settle(lane, Unsettled { user: delivery.user, settlement }).await;
    }

    async fn settle(&self, lane: &Lane, unsettled: Unsettled) {
        let id = unsettled.settlement.id;
        match self.outbox.settle(unsettled.settlement.clone()).await {
            Ok(()) => lane.free(&unsettled.user),
            // The lane stays closed: sending again what is known to have arrived would be a repetition for nothing.
            Err(why @ (EngineError::Busy | EngineError::Unavailable(_) | EngineError::Store(_))) => {
                warn!(delivery = %id, "the outcome of an attempt could not be written yet: {why}");
                lane.state().unsettled.push(unsettled);
            }
            Err(
                why @ (EngineError::NotFound { .. } | EngineError::Conflict(_) | EngineError::Invalid(_)),
            ) => {
                warn!(delivery = %id, "the outcome of an attempt was not wanted: {why}");
                lane.free(&unsettled.user);
            }
        }
    }

    /// Tries once more to have written what could not be.
    async fn settle_again(&self, lane: &Lane) {
        let unsettled = std::mem::take(&mut lane.state().unsettled);
        for one in unsettled {
            self.settle(lane, one).await;
        }
    }

    /// How long a loop may sleep unless it is woken.
    async fn pause(&self, lane: &Lane) -> Duration {
        let Some(pace) = self.pace(lane) else { return RECHECK };
        let now = self.clock.now();
        let busy = {
            let mut state = lane.state();
            if state.busy.len() >= pace.max_in_flight {
                return RECHECK;
            }
            if state.rate.allowance(pace.rate_limit, now) == 0 {
                return state.rate.free_at().map_or(RECHECK, |at| until(at, now));
            }
            state.busy.clone()
        };
        match self.outbox.next(&lane.key, &busy).await {
            Ok(next) => next.map_or(RECHECK, |at| until(at, now)),
            Err(_) => RECHECK,
        }
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    let wait = u64::try_from(at.millis_since(now)).unwrap_or(0);
    Duration::from_millis(wait).clamp(BREATH, RECHECK)
}

/// Keeps one loop per destination and passes on the word that deliveries were made.
async fn supervise(inner: Arc<Inner>) {
    let mut stopping = inner.stopping.subscribe();
    let mut definitions = inner.definitions.clone();
    let mut loops: BTreeMap<String, (Arc<Lane>, JoinHandle<()>)> = BTreeMap::new();
    loop {
        let now = definitions.borrow_and_update().clone();
        retire(&mut loops, &now);
        let keys = now.destinations.keys().map(String::as_str).filter(|key| *key != EMAIL);
        for key in keys.chain([EMAIL]) {
            run(&inner, &mut loops, key).await;
        }
        // Whatever happens, everybody looks again: a wake-up too many is harmless.
        tokio::select! {
            () = inner.outbox.made() => {}
            changed = definitions.changed() => if changed.is_err() { return },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        for (lane, _) in loops.values() {
            lane.wake.notify_one();
        }
    }
}

/// Tells the loops of destinations that are gone to end. What they have under way still ends as it should.
fn retire(loops: &mut BTreeMap<String, (Arc<Lane>, JoinHandle<()>)>, definitions: &Definitions) {
    for (key, (lane, _)) in loops.iter() {
        if key != EMAIL && !definitions.destinations.contains_key(key) {
            lane.retired.store(true, Ordering::SeqCst);
            lane.wake.notify_one();
        }
    }
}

/// Sees to it that `key` has a loop.
async fn run(inner: &Arc<Inner>, loops: &mut BTreeMap<String, (Arc<Lane>, JoinHandle<()>)>, key: &str) {
    if let Some((lane, task)) = loops.get_mut(key) {
        if !lane.retired.load(Ordering::SeqCst) && !task.is_finished() {
            return;
        }
        // It is on its way out, or it died; only one loop per lane.
        let _ = task.await;
    }
    let lane = inner.lane(key);
    lane.retired.store(false, Ordering::SeqCst);
    let task = tokio::spawn(drive(inner.clone(), lane.clone()));
    loops.insert(key.to_owned(), (lane, task));
}

/// The loop of one destination.
async fn drive(inner: Arc<Inner>, lane: Arc<Lane>) {
    let mut stopping = inner.stopping.subscribe();
    while !lane.retired.load(Ordering::SeqCst) {
        inner.settle_again(&lane).await;
        let pause = match inner.claim(&lane).await {
            Ok((claimed, _claiming)) => {
                for delivery in claimed {
                    let (inner, lane, working) = (inner.clone(), lane.clone(), Working::new(&inner.working));
                    tokio::spawn(async move {
                        inner.attempt(&lane, delivery).await;
                        drop(working);
                    });
                }
                inner.pause(&lane).await
            }
            Err(why) => {
                warn!(destination = %lane.key, "what is due could not be read: {why}");
                RECHECK
            }
        };
        tokio::select! {
            () = lane.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
