//! Wrong passwords, counted by whose they are or where they come from.

use std::collections::HashMap;
use std::hash::Hash;

use crate::domain::limits;
use crate::domain::time::{Span, Timestamp};

/// Attempts at signing in, by what they are counted for: after `most` within a time, that is held for a time.
///
/// An attempt counts before it is looked at, so that many at once are no way around; one that was right is taken back.
#[derive(Debug)]
pub struct Attempts<K> {
    most: u32,
    within: Span,
    held: Span,
    known: HashMap<K, Tries>,
}

#[derive(Debug)]
struct Tries {
    since: Timestamp,
    count: u32,
    held_until: Option<Timestamp>,
}

impl Tries {
    fn is_over(&self, within: Span, now: Timestamp) -> bool {
        match self.held_until {
            Some(until) => now >= until,
            None => now >= self.since.plus(within),
        }
    }
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    /// None yet.
    pub fn new(most: u32, within: Span, held: Span) -> Self {
        Self { most, within, held, known: HashMap::new() }
    }

    /// Counts an attempt; answers which one of its time it is, from 1. Refused, it is not to be looked at, however right it is.
    ///
    /// # Errors
    /// How much longer it is held.
    pub fn begin(&mut self, key: &K, now: Timestamp) -> Result<u32, Span> {
        self.make_room(key, now);
        let fresh = || Tries { since: now, count: 0, held_until: None };
        let tries = self.known.entry(key.clone()).or_insert_with(fresh);
        if tries.is_over(self.within, now) {
            *tries = fresh();
        }
        if let Some(until) = tries.held_until {
            return Err(Span::from_millis(until.millis_since(now)));
        }
        tries.count += 1;
        if tries.count >= self.most {
            tries.held_until = Some(now.plus(self.held));
        }
        Ok(tries.count)
    }

    /// An attempt was right: with `all`, those before it are forgotten, too.
    pub fn right(&mut self, key: &K, all: bool) {
        if all {
            self.known.remove(key);
        } else if let Some(tries) = self.known.get_mut(key) {
            tries.count = tries.count.saturating_sub(1);
            tries.held_until = tries.held_until.filter(|_| tries.count >= self.most);
        }
    }

    /// Memory has a bound: what is over goes, then what was tried least, of that what began first. So whoever wants a count forgotten
    /// has to try all the others as often.
    fn make_room(&mut self, key: &K, now: Timestamp) {
        if self.known.len() < limits::MAX_COUNTED_SIGN_INS || self.known.contains_key(key) {
            return;
        }
        self.known.retain(|_, tries| !tries.is_over(self.within, now));
        if self.known.len() >= limits::MAX_COUNTED_SIGN_INS {
            let least = self.known.iter().min_by_key(|(_, tries)| (tries.count, tries.since));
            let least = least.map(|(key, _)| key.clone());
            least.map(|least| self.known.remove(&least));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Span = Span::from_secs(60);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + secs * 1000)
    }

    #[test]
    fn held_after_so_many_and_let_go_after_a_time() {
        let mut attempts = Attempts::new(3, MINUTE, MINUTE);
        for n in 0..3 {
            assert_eq!(attempts.begin(&"ann", at(n.into())), Ok(n + 1));
        }
        assert_eq!(attempts.begin(&"ann", at(10)), Err(Span::from_secs(52)));
        assert_eq!(attempts.begin(&"bob", at(10)), Ok(1), "nobody else is held");
        assert_eq!(attempts.begin(&"ann", at(62)), Ok(1));
        assert_eq!(attempts.begin(&"ann", at(62)), Ok(2), "the count began anew");
    }

    #[test]
    fn what_is_long_past_does_not_count() {
        let mut attempts = Attempts::new(2, MINUTE, MINUTE);
        for n in 0..10 {
            assert_eq!(attempts.begin(&"ann", at(60 * n)), Ok(1), "{n}");
        }
    }

    #[test]
    fn a_right_one_is_taken_back() {
        let mut attempts = Attempts::new(2, MINUTE, MINUTE);
        for _ in 0..5 {
            assert_eq!(attempts.begin(&"ann", at(0)), Ok(1));
            attempts.right(&"ann", false);
        }
        assert_eq!(attempts.begin(&"ann", at(0)), Ok(1));
        assert_eq!(attempts.begin(&"ann", at(0)), Ok(2));
        attempts.right(&"ann", false);
        assert_eq!(attempts.begin(&"ann", at(0)), Ok(2), "one wrong one before");
        attempts.right(&"ann", true);
        assert_eq!(attempts.begin(&"ann", at(0)), Ok(1));
        assert_eq!(attempts.begin(&"ann", at(0)), Ok(2));
    }

    #[test]
    fn memory_has_a_bound() {
        let mut attempts = Attempts::new(2, MINUTE, MINUTE);
        for n in 0..limits::MAX_COUNTED_SIGN_INS + 10 {
            assert_eq!(attempts.begin(&n, at(0)), Ok(1));
        }
        assert!(attempts.known.len() <= limits::MAX_COUNTED_SIGN_INS);
    }

    #[test]
    fn a_swarm_makes_no_count_forgotten() {
        let mut attempts = Attempts::new(3, MINUTE, MINUTE);
        let ann = usize::MAX;
        assert_eq!((attempts.begin(&ann, at(0)), attempts.begin(&ann, at(0))), (Ok(1), Ok(2)));
        for n in 0..2 * limits::MAX_COUNTED_SIGN_INS {
            assert_eq!(attempts.begin(&n, at(1)), Ok(1));
        }
        assert_eq!(attempts.begin(&ann, at(2)), Ok(3));
        assert!(attempts.begin(&ann, at(2)).is_err());
    }
}
