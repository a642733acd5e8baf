//! Records that were read just now and are in one row each: whoever writes one of them needs not look for further pieces.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most keys that are remembered; of others nothing is known.
const MOST: usize = 10_000;

/// Keys of records in one row, as of the newest commit. Each commit empties it.
#[derive(Debug, Default)]
pub(super) struct Single(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    commits: u64,
    keys: HashSet<Vec<u8>>,
}

impl Single {
    /// The commits so far; to be asked before the record is read.
    pub(super) fn commits(&self) -> u64 {
        self.state().commits
    }

    /// The record at `key` was read after `commits`, and it is in one row.
    pub(super) fn remember(&self, key: Vec<u8>, commits: u64) {
        let mut state = self.state();
        // What was read before a commit ended may be what it has replaced.
        if state.commits == commits && state.keys.len() < MOST {
            state.keys.insert(key);
        }
    }

    /// Whether the record at `key` is known to be in one row. To be asked under the commit lock.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        self.state().keys.contains(key)
    }

    /// A batch was written.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.commits += 1;
        state.keys.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
