//! What keeps a destination that fails from being hammered, and from costing the others anything.
//!
//! After [`CIRCUIT_FAILURES`] failures in a row one attempt is made at a time, with growing gaps between them; one that gets
//! through opens the way for all again. It is forgotten at a restart: a handful of failures brings it back.

use crate::domain::health::Signal;
use crate::domain::limits::{CIRCUIT_CAP, CIRCUIT_FAILURES, CIRCUIT_GAP};
use crate::domain::time::{Span, Timestamp};

/// How many may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// As many as the destination's settings let.
    All,
    /// One, if none is under way.
    One,
    /// None before this instant, or at all.
    None(Option<Timestamp>),
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    last_failure: Option<Timestamp>,
}

impl Circuit {
    /// Notes what an attempt said.
    pub fn note(&mut self, signal: Signal, now: Timestamp) {
        match signal {
            Signal::Good => *self = Self::default(),
            Signal::Bad | Signal::Barred => {
                self.failures = self.failures.saturating_add(1);
                self.last_failure = Some(now);
            }
            Signal::None => {}
        }
    }

    /// How many may go now.
    pub fn gate(&self, now: Timestamp) -> Gate {
        let Some(further) = self.failures.checked_sub(CIRCUIT_FAILURES) else { return Gate::All };
        let factor = 1_i64.checked_shl(further.min(32)).unwrap_or(i64::MAX);
        let gap = CIRCUIT_GAP.millis().saturating_mul(factor).min(CIRCUIT_CAP.millis());
        let free_at = self.last_failure.map_or(now, |at| at.plus(Span::from_millis(gap)));
        // A clock that was set back must not block until it has caught up.
        let is_sane = free_at <= now.plus(CIRCUIT_CAP);
        if free_at > now && is_sane { Gate::None(Some(free_at)) } else { Gate::One }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn many_failures_in_a_row_slow_it_down_and_one_success_ends_that() {
        let mut circuit = Circuit::default();
        for _ in 0..CIRCUIT_FAILURES - 1 {
            circuit.note(Signal::Bad, at(0));
        }
        circuit.note(Signal::None, at(0));
        assert_eq!(circuit.gate(at(0)), Gate::All);
        let mut gaps = Vec::new();
        for _ in 0..10 {
            circuit.note(Signal::Bad, at(0));
            let Gate::None(Some(until)) = circuit.gate(at(0)) else { panic!("{circuit:?}") };
            assert_eq!(circuit.gate(until), Gate::One);
            gaps.push(until.millis());
        }
        assert_eq!(gaps, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        circuit.note(Signal::Good, at(0));
        assert_eq!(circuit.gate(at(0)), Gate::All);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_block() {
        let mut circuit = Circuit::default();
        (0..CIRCUIT_FAILURES).for_each(|_| circuit.note(Signal::Bad, at(1_000_000)));
        assert_eq!(circuit.gate(at(0)), Gate::One);
    }
}
