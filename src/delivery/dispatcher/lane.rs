//! What is claimed of one destination's queue, and under way.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::circuit::Circuit;
use crate::domain::delivery::Delivery;
use crate::domain::ids::UserKey;
use crate::domain::limits::LEASE;
use crate::domain::time::Timestamp;
use crate::engine::{LeaseUse, Settlement};

/// One destination's lanes: at most one attempt per user, and a bound over all.
pub(super) struct Lane {
    pub key: String,
    /// Told when there may be something to claim, or to send.
    pub wake: Notify,
    /// Set when the destination was removed: its loop ends.
    pub retired: AtomicBool,
    /// Held while claiming, so that two claims never take the same delivery.
    pub claiming: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// The name of the lease on sending to the destination, and when it came to be that one.
    pub lease: Option<(String, Option<Instant>)>,
    /// The term of the lease under which it was claimed.
    pub term: Option<u64>,
    /// Users of whom something is claimed: read ahead, under way, or ended and not on disk yet.
    pub busy: HashSet<UserKey>,
    /// What is claimed and has not begun; what goes together stands together.
    pub ready: VecDeque<Vec<Delivery>>,
    /// Requests under way.
    pub in_flight: usize,
    /// Attempts that began, and whose outcome is not on disk yet.
    pub open: usize,
    /// Attempts that ended, whose settlement the engine could not write yet.
    pub unsettled: Vec<Unsettled>,
    pub circuit: Circuit,
    /// When the queue, as it was at the last claim, has something next.
    pub next: Option<Timestamp>,
}

/// Attempts that ended, which were made together.
#[derive(Clone)]
pub(super) struct Unsettled {
    pub users: HashSet<UserKey>,
    pub settlements: Vec<Settlement>,
    /// Nobody else sends there before the outcome is on disk.
    pub _lease: Option<Arc<LeaseUse>>,
}

impl State {
    /// Whether the lane's lease has had that name for long enough: where it was another just now (the destination's rate is shared
    /// with others, or no more), a node that does not know yet, or is still at it, may be sending under the old one.
    pub fn has_long_had(&mut self, lease: String) -> bool {
        let has_changed = self.lease.as_ref().is_some_and(|(known, _)| *known != lease);
        if has_changed || self.lease.is_none() {
            self.lease = Some((lease, has_changed.then(Instant::now)));
        }
        let changed_at = self.lease.as_ref().and_then(|(_, at)| *at);
        changed_at.is_none_or(|at| at.elapsed() >= LEASE.to_std())
    }

    /// Takes in what was claimed.
    pub fn hold(&mut self, together: Vec<Delivery>) {
        self.busy.extend(together.iter().map(|delivery| delivery.user.clone()));
        self.ready.push_back(together);
    }

    /// Gives back what has not begun.
    pub fn release(&mut self) {
        for delivery in self.ready.drain(..).flatten() {
            self.busy.remove(&delivery.user);
        }
    }
}

impl Lane {
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            wake: Notify::new(),
            retired: AtomicBool::new(false),
            claiming: tokio::sync::Mutex::new(()),
            state: Mutex::new(State::default()),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the sets would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attempts that were made together are at their end: the next deliveries of these users may go.
    pub fn close(&self, users: &HashSet<UserKey>) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        for user in users {
            state.busy.remove(user);
        }
        drop(state);
        self.wake.notify_one();
    }
}
