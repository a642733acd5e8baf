//! Figures over time: what charts are drawn from. They are counted with what they count, in the same change set, so that nobody ever
//! has to look through journeys, events or deliveries for them.
//!
//! What becomes of journeys is counted towards the day on which each was first seen ([`count_of_day`]): a funnel of some days is about
//! the journeys of those days, however late they come how far. Everything else is counted towards the time at which it is written.
//!
//! Names of flows and stages are whatever is posted, so what is kept of them is bounded: they are cut (`limits::MAX_FIGURE_NAME`), a
//! point has room for so many details ([`Family::most_details`]; nodes that count at the same time may come to a few more), and there
//! is no subject without a source that is defined, or a journey, event or delivery that is stored anyway. Points are forgotten in time
//! ([`OldestFigures`]); only [`Family::Standing`] stays.

mod waits;

use std::collections::BTreeMap;

use super::limits;
use super::time::{Span, Timestamp};

pub use waits::{about, read_wait_detail, wait_detail};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Events that were taken in; the subject is the source's key, the detail empty.
    Accepted,
    /// Journeys that were opened, by when they were first seen; the subject is the flow, the detail empty.
    Opened,
    /// Journeys that came to their end; the subject is the flow, the detail the status.
    Ended,
    /// Journeys that stalled; the subject is the flow, the detail the stage.
    Stalled,
    /// Journeys as they stand now; the subject is the flow, the detail the status. Of all time: it falls, too.
    Standing,
    /// Journeys of a day that reached a stage, each once; the subject is the flow, the detail the stage.
    Reached,
    /// How long they had been in the stage before; the subject is the flow, the detail `<stage>:<seconds>`, see [`about`].
    Waited,
    /// Journeys of a day that ended in a stage without having come to their goal: they expired or were superseded; the subject is the
    /// flow, the detail the stage.
    Lost,
    /// Levels that fired; the subject is the flow, the detail the channel.
    Escalated,
    /// Attempts that ended, and deliveries that were given up without one; the subject is the destination, the detail `delivered`,
    /// `retry`, `failed`, `dead` or `ambiguous`.
    Attempted,
    /// Posts, and items of batches, that were refused; the subject is the source's key, empty where the write key was none of a
    /// source, the detail the error's code. They are written bit by bit: a crash loses those of the last seconds.
    Refused,
}

/// How long one point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
    /// All of time: there is one point, at 1970.
    Ever,
}

impl Grain {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Ever];

    /// The inverse of [`Self::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.as_str() == name)
    }

    /// The beginning of the point that `at` is in.
    pub fn start_of(self, at: Timestamp) -> Timestamp {
        match self.span() {
            Some(span) => {
                let length = span.millis();
                Timestamp::from_millis(at.millis().div_euclid(length) * length)
            }
            None => Timestamp::default(),
        }
    }

    /// Its length; `None` for all of time.
    pub fn span(self) -> Option<Span> {
        match self {
            Self::Minute => Some(Span::from_secs(60)),
            Self::Hour => Some(Span::from_hours(1)),
            Self::Day => Some(Span::from_days(1)),
            Self::Ever => None,
        }
    }

    /// The name that stores know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Ever => "ever",
        }
    }
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Opened,
        Self::Ended,
        Self::Stalled,
        Self::Standing,
        Self::Reached,
        Self::Waited,
        Self::Lost,
        Self::Escalated,
        Self::Attempted,
        Self::Refused,
    ];

    /// The name that stores know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Opened => "opened",
            Self::Ended => "ended",
            Self::Stalled => "stalled",
            Self::Standing => "standing",
            Self::Reached => "reached",
            Self::Waited => "waited",
            Self::Lost => "lost",
            Self::Escalated => "escalated",
            Self::Attempted => "attempted",
            Self::Refused => "refused",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }

    /// How many details a point of a subject has room for, where they are what somebody posts; further ones are not counted.
    pub fn most_details(self) -> Option<usize> {
        match self {
            Self::Stalled | Self::Reached | Self::Lost => Some(limits::MAX_FIGURE_STAGES),
            Self::Waited => Some(limits::MAX_FIGURE_WAITS),
            Self::Accepted
            | Self::Opened
            | Self::Ended
            | Self::Standing
            | Self::Escalated
            | Self::Attempted
            | Self::Refused => None,
        }
    }

    /// The grains that it is kept in.
    pub fn grains(self) -> &'static [Grain] {
        match self {
            Self::Accepted | Self::Refused => &[Grain::Minute, Grain::Hour],
            Self::Opened | Self::Ended | Self::Stalled | Self::Escalated | Self::Attempted => {
                &[Grain::Hour, Grain::Day]
            }
            Self::Standing => &[Grain::Ever],
            Self::Reached | Self::Waited | Self::Lost => &[Grain::Day],
        }
    }
}

/// One thing that is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Figure {
    /// What.
    pub family: Family,
    /// Of which source, flow or destination.
    pub subject: String,
    /// What about it; may be empty.
    pub detail: String,
}

/// What was counted of one thing within one minute, hour, day, or ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigurePoint {
    /// The beginning of that time.
    pub start: Timestamp,
    /// What about the subject.
    pub detail: String,
    /// How many; more than 0.
    pub count: u64,
}

/// What one change set counts: how many more, or fewer, of each thing. What has a time is counted towards the points that it is in, the
/// rest towards those of the change set's own time.
pub type Counted = BTreeMap<(Option<Timestamp>, Figure), i64>;

/// A name as figures know it: its first `limits::MAX_FIGURE_NAME` bytes, in whole characters.
pub fn known_as(name: &str) -> &str {
    &name[..name.floor_char_boundary(limits::MAX_FIGURE_NAME)]
}

/// Counts `change` more of that; `detail` is a word of ours or was cut by [`known_as`] already.
pub fn count(counted: &mut Counted, family: Family, subject: &str, detail: &str, change: i64) {
    add(counted, None, family, subject, detail, change);
}

/// Counts one more of that, towards the day of `at`.
pub fn count_of_day(counted: &mut Counted, at: Timestamp, family: Family, subject: &str, detail: &str) {
    add(counted, Some(Grain::Day.start_of(at)), family, subject, detail, 1);
}

/// Counts one more of that, towards the points that `at` is in.
pub fn count_at(counted: &mut Counted, at: Timestamp, family: Family, subject: &str, detail: &str) {
    add(counted, Some(Grain::Minute.start_of(at)), family, subject, detail, 1);
}

fn add(
    counted: &mut Counted,
    at: Option<Timestamp>,
    family: Family,
    subject: &str,
    detail: &str,
    change: i64,
) {
    let figure = Figure { family, subject: known_as(subject).to_owned(), detail: detail.to_owned() };
    *counted.entry((at, figure)).or_default() += change;
}

/// A point as it was elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureWrite {
    /// What was counted.
    pub figure: Figure,
    /// How long the point is.
    pub grain: Grain,
    /// Its beginning.
    pub start: Timestamp,
    /// How many; more than 0.
    pub count: u64,
}

/// The beginnings of the oldest points that are kept: those before them are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldestFigures {
    /// Of minutes.
    pub minutes: Timestamp,
    /// Of hours.
    pub hours: Timestamp,
    /// Of days.
    pub days: Timestamp,
}

impl OldestFigures {
    /// By the limits, at that time.
    pub fn at(now: Timestamp) -> Self {
        Self {
            minutes: now.minus(limits::MINUTE_FIGURES_KEPT),
            hours: now.minus(limits::HOURLY_FIGURES_KEPT),
            days: now.minus(limits::DAILY_FIGURES_KEPT),
        }
    }

    /// That of a grain; `None` where points stay for ever.
    pub fn of(&self, grain: Grain) -> Option<Timestamp> {
        match grain {
            Grain::Minute => Some(self.minutes),
            Grain::Hour => Some(self.hours),
            Grain::Day => Some(self.days),
            Grain::Ever => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(known_as("no_reply"), "no_reply");
        assert_eq!(known_as(&"a".repeat(101)), "a".repeat(100));
        assert_eq!(known_as(&format!("a{}", "ü".repeat(60))).len(), 99);
        let mut counted = Counted::new();
        for (end, change) in [("x", 2), ("y", -1)] {
            let subject = "n".repeat(100) + end;
            count(&mut counted, Family::Opened, &subject, "", change);
        }
        assert_eq!(
            counted.into_iter().map(|((_, figure), n)| (figure.subject.len(), n)).collect::<Vec<_>>(),
            [(100, 1)]
        );
    }

    #[test]
    fn names_of_families_and_grains_are_read_back() {
        for family in Family::ALL {
            assert_eq!(Family::from_name(family.as_str()), Some(family));
            for grain in family.grains() {
                assert_eq!(Grain::from_name(grain.as_str()), Some(*grain));
            }
        }
        assert_eq!((Family::from_name("x"), Grain::from_name("x")), (None, None));
    }

    #[test]
    fn a_point_begins_where_its_time_begins() {
        let at = Timestamp::parse_lenient("2026-11-22T02:59:59.999Z").unwrap();
        let starts = [Grain::Minute, Grain::Hour, Grain::Day].map(|grain| grain.start_of(at).to_rfc3339());
        assert_eq!(
            starts,
            ["2026-11-22T02:59:00.000Z", "2026-11-22T02:00:00.000Z", "2026-11-22T00:00:00.000Z"]
        );
        assert_eq!(Grain::Ever.start_of(at), Timestamp::default());
    }
}
