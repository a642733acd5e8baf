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
    /// A batch is about to be applied. No two are under way at a time.
    pub(super) fn begin(&self) {
        self.state().begun += 1;
    }

    /// That batch is on the disk, or it failed.
    pub(super) fn end(&self, is_synced: bool) {
        let mut state = self.state();
        if is_synced {
            state.synced = state.begun;
        } else {
            state.failed = true;
        }
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until everything that was read before is on the disk; `false` where that can't be known any more. Waits for one
    /// batch at most, and no batch waits for it.
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
