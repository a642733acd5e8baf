//! A bound on attempts per second.

use std::collections::VecDeque;

use crate::domain::time::{Span, Timestamp};

const SECOND: Span = Span::from_secs(1);

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Attempts per second; at least 1.
    pub per_second: u32,
    /// How many may begin at once after a pause; `None`: no more than `per_second` in any second, wherever it begins.
    pub burst: Option<u32>,
}

/// Remembers attempts, as far as a [`Rate`] needs it.
///
/// Without a burst it is strict: it counts the attempts of the last second, because a bucket that refills would let twice as
/// many through after a pause. With one it is that bucket.
#[derive(Clone, Debug, Default)]
pub struct RateLimit {
    /// Attempts of the last second.
    taken: VecDeque<Timestamp>,
    /// What the bucket lacks, in thousandths of an attempt, and when that was so.
    missing: (i64, Option<Timestamp>),
}

impl RateLimit {
    /// How many attempts may begin now.
    pub fn allowance(&mut self, rate: Option<Rate>, now: Timestamp) -> usize {
        let Some(rate) = rate else { return usize::MAX };
        match rate.burst {
            None => {
                // A clock that was set back must not block until it has caught up.
                self.taken.retain(|at| at.plus(SECOND) > now && *at <= now);
                usize::try_from(rate.per_second).unwrap_or(usize::MAX).saturating_sub(self.taken.len())
            }
            Some(burst) => {
                let free = i64::from(burst.max(1)) * 1000 - self.refill(rate, now);
                usize::try_from(free / 1000).unwrap_or(0)
            }
        }
    }

    /// Notes that `count` attempts begin now.
    pub fn take(&mut self, rate: Option<Rate>, count: usize, now: Timestamp) {
        let Some(rate) = rate else { return };
        if rate.burst.is_none() {
            self.taken.extend(std::iter::repeat_n(now, count));
        } else {
            let missing = self.refill(rate, now);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.missing = (missing.saturating_add(count.saturating_mul(1000)), Some(now));
        }
    }

    /// When the next attempt may begin, after [`Self::allowance`] said none may.
    pub fn free_at(&self, rate: Option<Rate>) -> Option<Timestamp> {
        let rate = rate?;
        match rate.burst {
            None => self.taken.front().map(|at| at.plus(SECOND)),
            Some(burst) => {
                let (missing, at) = self.missing;
                let lacking = missing - (i64::from(burst.max(1)) - 1) * 1000;
                let per_second = i64::from(rate.per_second.max(1));
                at.map(|at| {
                    at.plus(Span::from_millis(lacking.max(0).saturating_add(per_second - 1) / per_second))
                })
            }
        }
    }

    /// What the bucket lacks now: in a millisecond `per_second` thousandths come back.
    fn refill(&mut self, rate: Rate, now: Timestamp) -> i64 {
        let (missing, at) = self.missing;
        let passed = at.map_or(0, |at| now.millis_since(at));
        // A clock that was set back starts anew.
        let missing = if passed < 0 {
            0
        } else {
            missing.saturating_sub(passed.saturating_mul(i64::from(rate.per_second)))
        };
        self.missing = (missing.max(0), Some(now));
        self.missing.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn strict(per_second: u32) -> Option<Rate> {
        Some(Rate { per_second, burst: None })
    }

    const fn bursting(per_second: u32, burst: u32) -> Option<Rate> {
        Some(Rate { per_second, burst: Some(burst) })
    }

    #[test]
    fn one_a_second_is_spaced_by_a_second() {
        let mut rate = RateLimit::default();
        let at = Timestamp::from_millis;
        assert_eq!(rate.allowance(strict(1), at(0)), 1);
        rate.take(strict(1), 1, at(0));
        assert_eq!(rate.allowance(strict(1), at(999)), 0);
        assert_eq!(rate.free_at(strict(1)), Some(at(1000)));
        assert_eq!(rate.allowance(strict(1), at(1000)), 1);
        assert_eq!(rate.allowance(None, at(1000)), usize::MAX);
    }

    #[test]
    fn a_burst_goes_at_once_and_then_as_it_refills() {
        let mut rate = RateLimit::default();
        let (at, limit) = (Timestamp::from_millis, bursting(4, 10));
        assert_eq!(rate.allowance(limit, at(0)), 10);
        rate.take(limit, 10, at(0));
        assert_eq!((rate.allowance(limit, at(0)), rate.free_at(limit)), (0, Some(at(250))));
        assert_eq!((rate.allowance(limit, at(249)), rate.allowance(limit, at(250))), (0, 1));
        rate.take(limit, 1, at(250));
        assert_eq!(rate.allowance(limit, at(1250)), 4);
        assert_eq!(rate.allowance(limit, at(100_000)), 10, "no more than the burst is saved up");
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_bound(
            steps in proptest::collection::vec(0_i64..400, 1..80),
            per_second in 1_u32..20,
            burst in proptest::option::of(1_u32..30),
        ) {
            let mut rate = RateLimit::default();
            let limit = Some(Rate { per_second, burst });
            let (mut now, mut sent) = (0, Vec::new());
            for step in steps {
                now += step;
                let at = Timestamp::from_millis(now);
                let free = rate.allowance(limit, at);
                rate.take(limit, free, at);
                sent.extend(std::iter::repeat_n(now, free));
                let next = rate.free_at(limit).unwrap();
                prop_assert!(rate.clone().allowance(limit, next) > 0, "it may begin when it says so");
            }
            let most = (per_second + burst.unwrap_or_default()) as usize;
            for from in &sent {
                let within = sent.iter().filter(|at| (*from..*from + 1000).contains(at)).count();
                prop_assert!(within <= most);
            }
        }
    }
}
