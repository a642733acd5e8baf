//! Slots: rows that writers add to side by side instead of waiting for each other.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

/// How many there are; the fence has a row for each.
pub(super) const SLOTS: i16 = 64;

/// The slots that nobody in this process has just now. Which come first differs from node to node; that two nodes have the same one
/// now and then does no harm.
pub(super) struct Slots(Mutex<Vec<i16>>);

impl Slots {
    pub(super) fn new(rng: &mut StdRng) -> Self {
        let mut slots: Vec<i16> = (0..SLOTS).collect();
        slots.shuffle(rng);
        Self(Mutex::new(slots))
    }

    /// One for a commit, until it ends.
    pub(super) fn take(&self) -> Slot<'_> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Slot { slots: self, taken }
    }
}

/// A slot that is somebody's.
pub(super) struct Slot<'s> {
    slots: &'s Slots,
    /// `None` where all were taken.
    taken: Option<i16>,
}

impl Slot<'_> {
    pub(super) fn number(&self) -> i16 {
        self.taken.unwrap_or(0)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // The last one that was given back is taken first: few rows are used.
        self.slots.0.lock().unwrap_or_else(PoisonError::into_inner).extend(self.taken);
    }
}
