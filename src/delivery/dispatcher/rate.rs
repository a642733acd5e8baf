//! A bound on attempts per second.

use std::collections::VecDeque;

use crate::domain::time::{Span, Timestamp};

const SECOND: Span = Span::from_secs(1);

/// Remembers the attempts of the last second. Strict: no stretch of one second, wherever it begins, holds more than the
/// bound (a bucket that refills would let twice as many through after a pause).
#[derive(Debug, Default)]
pub struct RateLimit {
    taken: VecDeque<Timestamp>,
}

impl RateLimit {
    /// How many attempts may begin now.
    pub fn allowance(&mut self, per_second: Option<u32>, now: Timestamp) -> usize {
        let Some(per_second) = per_second else {
            self.taken.clear();
            return usize::MAX;
        };
        // A clock that was set back must not block until it has caught up.
        self.taken.retain(|at| at.plus(SECOND) > now && *at <= now);
        usize::try_from(per_second).unwrap_or(usize::MAX).saturating_sub(self.taken.len())
    }

    /// Notes that `count` attempts begin now.
    pub fn take(&mut self, per_second: Option<u32>, count: usize, now: Timestamp) {
        if per_second.is_some() {
            self.taken.extend(std::iter::repeat_n(now, count));
        }
    }

    /// When the next attempt may begin, after [`Self::allowance`] said none may.
    pub fn free_at(&self) -> Option<Timestamp> {
        self.taken.front().map(|at| at.plus(SECOND))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_a_second_is_spaced_by_a_second() {
        let mut rate = RateLimit::default();
        let at = Timestamp::from_millis;
        assert_eq!(rate.allowance(Some(1), at(0)), 1);
        rate.take(Some(1), 1, at(0));
        assert_eq!(rate.allowance(Some(1), at(999)), 0);
        assert_eq!(rate.free_at(), Some(at(1000)));
        assert_eq!(rate.allowance(Some(1), at(1000)), 1);
        assert_eq!(rate.allowance(None, at(1000)), usize::MAX);
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_bound(
            steps in proptest::collection::vec(0_i64..400, 1..80),
            per_second in 1_u32..20,
        ) {
            let mut rate = RateLimit::default();
            let (mut now, mut sent) = (0, Vec::new());
            for step in steps {
                now += step;
                let at = Timestamp::from_millis(now);
                let free = rate.allowance(Some(per_second), at);
                rate.take(Some(per_second), free, at);
                sent.extend(std::iter::repeat_n(now, free));
            }
            for from in &sent {
                let within = sent.iter().filter(|at| (*from..*from + 1000).contains(at)).count();
                prop_assert!(within <= per_second as usize);
            }
        }
    }
}
