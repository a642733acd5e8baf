//! The instant of an evaluation, and until when what was found out there surely stays so.

use std::cell::Cell;

use crate::domain::time::Timestamp;

/// An instant at which something is evaluated. It notes the next instant at which a test may come out otherwise: until
/// then the same tests would be asked, with the same answers.
#[derive(Debug)]
pub(super) struct Moment {
    now: i64,
    until: Cell<Option<i64>>,
}

impl Moment {
    /// Evaluation at `now`, of which nothing is known yet.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now: now.millis(), until: Cell::new(None) }
    }

    /// In milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Something may change at `at` (milliseconds since 1970); what has passed already is not noted.
    pub(super) fn note(&self, at: i64) {
        if at > self.now {
            self.until.set(Some(self.until.get().map_or(at, |known| known.min(at))));
        }
    }

    /// Whether now is in a time, both ends included. Notes its ends.
    pub(super) fn is_in(&self, from: Option<i64>, to: Option<i64>) -> bool {
        let after = to.map(|to| to.saturating_add(1));
        [from, after].into_iter().flatten().for_each(|edge| self.note(edge));
        from.is_none_or(|from| from <= self.now) && to.is_none_or(|to| self.now <= to)
    }

    /// The earliest instant noted. Beyond the last representable one nothing happens.
    pub(super) fn until(&self) -> Option<Timestamp> {
        let until = self.until.get()?;
        Some(Timestamp::from_millis(until)).filter(|instant| instant.millis() == until)
    }
}
