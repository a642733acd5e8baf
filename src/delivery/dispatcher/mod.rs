//! The dispatcher: takes what is due out of the outbox, has it sent, and hands the outcome to the engine.
//!
//! Per destination and user one delivery is under way at a time, in the order they were made; users and destinations
//! do not wait for each other. A user's lane is freed only once the outcome is on disk. What was under way when the
//! process died is still pending in the store and is sent again under the same id: at least once.
//!
//! ```text
//! claim (pace, rate, circuit: what may go) ─▶ ready ─▶ attempt ─▶ settle, on disk ─▶ the users' lanes are free
//! ```
//!
//! Where several nodes share the queue, each destination is sent to by one of them at a time, the one that holds its lease
//! ([`Leases`]): order, rate, circuit and batches are that node's. What it has under way when it loses the lease is broken off,
//! and sent again by the next.
//!
//! [`Dispatcher::step`] is the whole work, done once; the loops that [`Dispatcher::start`] runs add only the waiting.

mod attempt;
mod circuit;
mod claim;
mod lane;
mod outbox;
mod pace;
mod rate;
mod supervise;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use self::circuit::Gate;
use self::lane::Lane;
pub use self::outbox::{Claimed, EngineOutbox, Outbox};
use self::rate::RateLimit;
use super::sender::Sender;
use crate::clock::Clock;
use crate::domain::definition::Definitions;
use crate::domain::health::Health;
use crate::engine::{Leases, outbox_lease};
use crate::store::StoreError;

/// Sends what is due; cheap to clone.
#[derive(Clone)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

struct Inner {
    outbox: Arc<dyn Outbox>,
    sender: Arc<dyn Sender>,
    clock: Clock,
    /// What this node may send to, where several share the queue.
    leases: Leases,
    definitions: watch::Receiver<Arc<Definitions>>,
    healths: watch::Receiver<Arc<BTreeMap<String, Health>>>,
    /// By `Pace::rate_key`.
    rates: Mutex<HashMap<String, RateLimit>>,
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
            healths: outbox.healths(),
            leases: outbox.leases(),
            rates: Mutex::default(),
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
        tokio::spawn(supervise::supervise(self.inner.clone()));
    }

    /// One step for one destination: claims what is due, makes the attempts, and has the outcomes written.
    /// Answers how many attempts it made.
    ///
    /// # Errors
    /// When the store can't read; nothing was claimed then.
    pub async fn step(&self, destination: &str) -> Result<usize, StoreError> {
        let lane = self.inner.lane(destination);
        self.inner.settle_again(&lane).await;
        let _working = self.inner.claim(&lane).await?;
        let taken = self.inner.take(&lane);
        let count = taken.iter().map(Vec::len).sum();
        join_all(taken.into_iter().map(|together| self.inner.attempt(&lane, together))).await;
        Ok(count)
    }

    /// Whether nothing is sent to that destination now, whatever is due: it is paused or disabled, it failed just now, its rate
    /// is used up, or its batch is not full.
    pub fn waits(&self, destination: &str) -> bool {
        let lane = self.inner.lane(destination);
        let now = self.inner.clock.now();
        self.inner.pace(&lane).is_none_or(|pace| {
            matches!(pace.gate, Gate::None(_))
                || self.inner.rates().entry(pace.rate_key).or_default().allowance(pace.rate, now) == 0
                || (pace.batch.is_some() && lane.state().next.is_some_and(|at| at > now))
        })
    }

    /// How many attempts, and looks for what is due, are under way now.
    pub fn under_way(&self) -> usize {
        *self.inner.working.borrow()
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

    /// The lease on sending to the lane's destination.
    fn lease(&self, lane: &Lane) -> String {
        outbox_lease(&self.definitions.borrow(), &lane.key)
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn rates(&self) -> MutexGuard<'_, HashMap<String, RateLimit>> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
