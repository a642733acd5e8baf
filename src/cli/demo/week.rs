//! The seven days that the demo makes, and when in them things happen.

use rand::Rng;
use rand::rngs::StdRng;

use crate::domain::time::{Span, Timestamp};

const HOUR: i64 = 3_600_000;
/// By how much the clinic's clock is ahead of UTC, in hours; close enough for when people are awake.
const AHEAD: i64 = 1;
/// How much is going on in each hour of the clinic's day, in comparison with the busiest.
const BUSY: [f64; 24] = [
    0.08, 0.05, 0.04, 0.04, 0.05, 0.08, 0.2, 0.45, 0.8, 1.0, 1.0, 0.9, 0.65, 0.7, 0.9, 0.95, 0.9, 0.75, 0.55,
    0.45, 0.4, 0.3, 0.2, 0.12,
];
/// The same for the days, from Thursday on, which 1 January 1970 was.
const DAYS: [f64; 7] = [0.95, 1.0, 0.45, 0.3, 1.0, 0.95, 0.9];

/// A time that ends now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Week {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Week {
    /// The one that ends at `end`.
    pub fn until(end: Timestamp) -> Self {
        Self { start: end.minus(Span::from_days(7)), end }
    }

    /// An instant in it, at a time of day at which something happens.
    pub fn moment(self, random: &mut StdRng) -> Timestamp {
        loop {
            let at = Timestamp::from_millis(random.random_range(self.start.millis()..self.end.millis()));
            if random.random_bool(busy(at)) {
                return at;
            }
        }
    }

    /// An instant in its last hours, whatever the time of day: what is seen first has to be lively.
    pub fn of_late(self, random: &mut StdRng) -> Timestamp {
        Timestamp::from_millis(self.end.millis() - random.random_range(0..3 * HOUR))
    }
}

fn busy(at: Timestamp) -> f64 {
    let hours = at.millis() / HOUR + AHEAD;
    let place = |number: i64, count: i64| usize::try_from(number.rem_euclid(count)).unwrap_or(0);
    BUSY[place(hours, 24)] * DAYS[place(hours / 24, 7)]
}
