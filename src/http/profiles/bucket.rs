//! A bound on calls per second: a bucket of tokens that fills up again.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many calls per second, and as many at once after a pause.
#[derive(Debug)]
pub struct Bucket {
    per_second: f64,
    /// What is left, and when it was reckoned; `None` before the first call.
    left: Mutex<Option<(f64, Instant)>>,
}

impl Bucket {
    /// A full one.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), left: Mutex::new(None) }
    }

    /// Takes a token; says whether there was one.
    pub fn take(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = left.unwrap_or((self.per_second, now));
        let since = now.saturating_duration_since(at).as_secs_f64();
        let tokens = (tokens + since * self.per_second).min(self.per_second);
        let is_there = tokens >= 1.0;
        *left = Some((if is_there { tokens - 1.0 } else { tokens }, now.max(at)));
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_at_once_then_as_they_come_back() {
        let bucket = Bucket::new(4);
        let start = Instant::now();
        let taken = |at: Duration| (0..100).take_while(|_| bucket.take(start + at)).count();
        assert_eq!(taken(Duration::ZERO), 4);
        assert_eq!(taken(Duration::from_millis(249)), 0);
        assert_eq!(taken(Duration::from_millis(251)), 1);
        assert_eq!(taken(Duration::from_millis(800)), 2);
        assert_eq!(taken(Duration::from_secs(3600)), 4, "it holds no more than a second's worth");
    }

    #[test]
    fn instants_may_come_out_of_order() {
        let bucket = Bucket::new(1);
        let start = Instant::now();
        let later = start + Duration::from_millis(1500);
        assert!(bucket.take(later));
        assert!(!bucket.take(start), "a worker that was slow gets nothing for it");
        assert!(!bucket.take(later + Duration::from_millis(999)));
        assert!(bucket.take(later + Duration::from_millis(1001)));
    }
}
