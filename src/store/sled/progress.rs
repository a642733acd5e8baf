//! Which batches are on the disk: a batch can be read as soon as it is applied, which is before it is synced.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The batches of one database, counted.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that were begun: whoever reads now may see the last of them.
    begun: u64,
    /// Batches that are on the disk, in the same order.
    synced: u64,
    /// A batch failed: it may be read, and will never be known to be on the disk.
    failed: bool,
}

impl Progress {
    /// A batch is about to be applied; answers its number.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.state();
        state.begun += 1;
        state.begun
    }

    /// The number of the newest batch.
    pub(super) fn newest(&self) -> u64 {
        self.state().begun
    }

    /// That batch and those before it are on the disk, or it failed.
    pub(super) fn end(&self, number: u64, is_synced: bool) {
        let mut state = self.state();
        if is_synced {
            state.synced = state.synced.max(number);
        } else {
            state.failed = true;
        }
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until everything that was read before is on the disk; `false` where that can't be known any more. No batch waits
    /// for whoever waits here.
    pub(super) fn wait(&self) -> bool {
        let state = self.state();
        let read = state.begun;
        let under_way = |state: &mut State| state.synced < read && !state.failed;
        let state = self.ended.wait_while(state, under_way).unwrap_or_else(PoisonError::into_inner);
        state.synced >= read
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
