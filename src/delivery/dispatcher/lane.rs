//! What is under way to one destination.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::rate::RateLimit;
use crate::domain::definition::Definitions;
use crate::domain::delivery::EMAIL;
use crate::domain::ids::UserKey;
use crate::domain::limits::DEFAULT_IN_FLIGHT;
use crate::engine::Settlement;

/// One destination's lanes: at most one attempt per user, and a bound over all.
pub(super) struct Lane {
    pub key: String,
    /// Told when there may be something to claim.
    pub wake: Notify,
    /// Set when the destination was removed: its loop ends.
    pub retired: AtomicBool,
    /// Held while claiming, so that two claims never take the same delivery.
    pub claiming: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Users with an attempt under way, or with one that is not on disk yet.
    pub busy: HashSet<UserKey>,
    /// Attempts that ended, whose settlement the engine could not write yet.
    pub unsettled: Vec<Unsettled>,
    pub rate: RateLimit,
}

#[derive(Clone)]
pub(super) struct Unsettled {
    pub user: UserKey,
    pub settlement: Settlement,
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

    /// The user's next delivery may go.
    pub fn free(&self, user: &UserKey) {
        self.state().busy.remove(user);
        self.wake.notify_one();
    }
}

/// How a destination is sent to at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub max_in_flight: usize,
    pub rate_limit: Option<u32>,
}

impl Pace {
    /// The pace for `key`; `None` while nothing may be sent there.
    pub fn of(definitions: &Definitions, key: &str) -> Option<Self> {
        if key == EMAIL {
            return Some(Self { max_in_flight: at_least_one(DEFAULT_IN_FLIGHT), rate_limit: None });
        }
        let destination = definitions.destinations.get(key).filter(|destination| destination.enabled)?;
        Some(Self {
            max_in_flight: at_least_one(destination.max_in_flight),
            rate_limit: destination.rate_limit,
        })
    }
}

fn at_least_one(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).max(1)
}
