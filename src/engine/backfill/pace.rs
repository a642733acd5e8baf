//! How much of long work is done at a time, so that ingest has its share of the writer meanwhile.

use std::time::Duration;

use crate::domain::limits;

/// How much of a backfill is done at a time.
#[derive(Clone, Copy, Debug)]
pub struct BackfillPace {
    /// Events, or profiles, looked at in one step before ingest has its turn again; while it goes by time, the first number
    /// that is tried.
    pub step: usize,
    /// Bytes of shares of the past that are held in memory.
    pub bytes: usize,
    /// Whether it goes by time: steps take about as long as ingest leaves, and the log is read on a thread of its own. If not,
    /// every run does the same in the same order.
    pub by_time: bool,
}

impl Default for BackfillPace {
    fn default() -> Self {
        Self { step: limits::BACKFILL_STEP, bytes: limits::BACKFILL_BYTES, by_time: true }
    }
}

/// How many items a step takes, by how long those before it took.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Slice {
    /// Time of one item, in seconds; `None` before the first.
    item: Option<f64>,
}

impl Slice {
    /// How many are to be done next. `busy`: others wait for the writer.
    pub fn items(self, pace: BackfillPace, busy: bool) -> usize {
        let Some(item) = self.item.filter(|_| pace.by_time) else { return pace.step };
        let time = if busy { limits::SLICE_BUSY } else { limits::SLICE_IDLE };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to small numbers"
        )]
        let items = (time.to_std().as_secs_f64() / item.max(1e-9)).clamp(1.0, 1e4) as usize;
        items.clamp(pace.step / 16, pace.step * 4).max(1)
    }

    /// A step of so many took so long.
    pub fn took(&mut self, items: usize, time: Duration) {
        let Ok(items) = u32::try_from(items.max(1)) else { return };
        let item = time.as_secs_f64() / f64::from(items);
        // What came before counts three times as much: one slow disk write is not to make the next step tiny.
        self.item = Some(self.item.map_or(item, |before| (3.0 * before + item) / 4.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_takes_as_long_as_it_may() {
        let pace = BackfillPace::default();
        let mut slice = Slice::default();
        assert_eq!(slice.items(pace, true), pace.step);
        for _ in 0..100 {
            slice.took(1000, Duration::from_millis(20));
        }
        let busy = limits::SLICE_BUSY.to_std().as_secs_f64() / 20e-6;
        assert!((f64::from(u32::try_from(slice.items(pace, true)).unwrap()) - busy).abs() < 2.0);
        assert!(slice.items(pace, false) > slice.items(pace, true));
        slice.took(1, Duration::from_secs(1));
        assert!(slice.items(pace, true) >= pace.step / 16, "never so little that it takes for ever");
        assert_eq!(slice.items(BackfillPace { by_time: false, ..pace }, true), pace.step);
    }
}
