//! The one place where the clock and the system's randomness are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::time::Timestamp;

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is set.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.millis()))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[allow(clippy::disallowed_methods, reason = "this is the clock's one place")]
            Source::System => Timestamp::from_chrono(chrono::Utc::now()),
            Source::Manual(ms) => Timestamp::from_millis(ms.load(Ordering::SeqCst)),
        }
    }

    /// Sets a manual clock, forward or back; does nothing to the system's.
    pub fn set(&self, now: Timestamp) {
        if let Source::Manual(ms) = &self.0 {
            ms.store(now.millis(), Ordering::SeqCst);
        }
    }
}

/// Thirty-two bytes of the system's randomness, to seed an id source with.
pub fn entropy() -> [u8; 32] {
    #[allow(clippy::disallowed_methods, reason = "this is randomness's one place")]
    let seed = rand::random();
    seed
}
