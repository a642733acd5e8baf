//! The size of an audience over time, per hour and per day of UTC.

use super::time::{Span, Timestamp};

/// How long one point of a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// Hours; kept for `limits::HOURLY_SIZES_KEPT`.
    Hour,
    /// Days; kept for `limits::DAILY_SIZES_KEPT`.
    Day,
}

impl Per {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The name in the API: `hour` or `day`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length.
    pub fn span(self) -> Span {
        match self {
            Self::Hour => Span::from_hours(1),
            Self::Day => Span::from_days(1),
        }
    }

    /// The beginning of the hour or day that `at` is in.
    pub fn start_of(self, at: Timestamp) -> Timestamp {
        let length = self.span().millis();
        Timestamp::from_millis(at.millis().div_euclid(length) * length)
    }
}

/// What became of an audience within an hour or a day.
///
/// There is a point only where somebody entered or left. In between the size stayed what it was: at a point's beginning it
/// was `size + exited - entered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizePoint {
    /// The beginning of that hour or day.
    pub start: Timestamp,
    /// How often a user entered.
    pub entered: u64,
    /// How often a member left.
    pub exited: u64,
    /// Members at its end, so far.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_and_a_day_begin_where_they_begin() {
        for (at, hour, day) in [
            ("2026-03-29T02:59:59.999Z", "2026-03-29T02:00:00Z", "2026-03-29"),
            ("2026-03-29T03:00:00Z", "2026-03-29T03:00:00Z", "2026-03-29"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:00:00Z", "1969-12-31"),
            ("0000-01-01T00:00:00.001Z", "0000-01-01T00:00:00Z", "0000-01-01"),
        ] {
            let at = Timestamp::parse_lenient(at).unwrap();
            assert_eq!(Some(Per::Hour.start_of(at)), Timestamp::parse_lenient(hour));
            assert_eq!(Some(Per::Day.start_of(at)), Timestamp::parse_lenient(day));
        }
    }
}
