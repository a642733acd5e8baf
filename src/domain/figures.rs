//! Figures over time: what charts are drawn from. They are counted with what they count, in the same change set, so that nobody ever
//! has to look through journeys, events or deliveries for them.

use super::time::{Span, Timestamp};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Events that were taken in; the subject is the source's key, the detail empty.
    Accepted,
    /// Journeys that were opened; the subject is the flow, the detail empty.
    Opened,
    /// Journeys that came to their end; the subject is the flow, the detail the status.
    Ended,
    /// Journeys that stalled; the subject is the flow, the detail the stage.
    Stalled,
    /// Journeys as they stand now; the subject is the flow, the detail the status. Of all time: it falls, too.
    Standing,
    /// Journeys that reached a stage for their first time; the subject is the flow, the detail the stage.
    Reached,
    /// How long they had been in the stage before; the subject is the flow, the detail `<stage>:<step>`, see [`wait_step`].
    Waited,
    /// Levels that fired; the subject is the flow, the detail the channel.
    Escalated,
    /// Attempts that ended; the subject is the destination, the detail `delivered`, `retry`, `failed`, `dead` or `ambiguous`.
    Attempted,
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
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Opened,
        Self::Ended,
        Self::Stalled,
        Self::Standing,
        Self::Reached,
        Self::Waited,
        Self::Escalated,
        Self::Attempted,
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
            Self::Escalated => "escalated",
            Self::Attempted => "attempted",
        }
    }

    /// The grains that it is kept in.
    pub fn grains(self) -> &'static [Grain] {
        match self {
            Self::Accepted => &[Grain::Minute, Grain::Hour],
            Self::Opened | Self::Ended | Self::Stalled | Self::Escalated | Self::Attempted => {
                &[Grain::Hour, Grain::Day]
            }
            Self::Standing => &[Grain::Ever],
            Self::Reached | Self::Waited => &[Grain::Day],
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

/// How finely waiting times are told apart: this many steps to each doubling.
const STEPS_PER_DOUBLING: f64 = 4.0;

/// The step that a waiting time falls into, 0 to 255: each is about a fifth longer than the one before.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped; times are below 2^53 ms"
)]
pub fn wait_step(wait: Span) -> u8 {
    let millis = wait.millis().max(1) as f64;
    (millis.log2() * STEPS_PER_DOUBLING).round().clamp(0.0, 255.0) as u8
}

/// About how long the waiting times of a step are: its middle, at most a tenth away from each of them.
#[allow(clippy::cast_possible_truncation, reason = "2^63.75 at most is clamped by the cast")]
pub fn wait_of_step(step: u8) -> Span {
    Span::from_millis((f64::from(step) / STEPS_PER_DOUBLING).exp2().round() as i64)
}
