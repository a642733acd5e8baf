//! Journeys: one run of one flow by one user.
//!
//! Stored names are short: a profile is written whole with each of its posts, and its size is what a post costs. The API
//! has names of its own.

mod counted;
mod ladder;
mod progress;
mod stall;

use serde::{Deserialize, Serialize};

use super::definition::LevelKey;
use super::delivery::{Delivery, DeliveryStatus};
use super::ids::{DeliveryId, JourneyId, UserKey};
use super::limits;
use super::page::Order;
use super::time::Timestamp;

pub use ladder::{DueLevel, Ladder, NextLevel};
pub use progress::{Journeys, Post};
pub use stall::Standing;

/// Where a journey stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JourneyStatus {
    /// Under way.
    Active,
    /// Stood in a stage longer than a rule allows; its escalation runs.
    Stalled,
    /// Reached a terminal stage.
    Completed,
    /// Closed by an operator.
    Resolved,
    /// A newer run of the same flow took its place.
    Superseded,
    /// Nothing was heard of it for the flow's `expire_after`.
    Expired,
}

impl JourneyStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::Stalled, Self::Completed, Self::Resolved, Self::Superseded, Self::Expired];

    /// Whether the run is still going on.
    pub fn is_open(self) -> bool {
        match self {
            Self::Active | Self::Stalled => true,
            Self::Completed | Self::Resolved | Self::Superseded | Self::Expired => false,
        }
    }

    /// The name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stalled => "stalled",
            Self::Completed => "completed",
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// One stage that was posted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The stage's name.
    #[serde(rename = "s")]
    pub stage: String,
    /// When it happened.
    #[serde(rename = "a")]
    pub at: Timestamp,
    /// When it was told.
    #[serde(rename = "r")]
    pub received_at: Timestamp,
    /// The post.
    #[serde(rename = "m")]
    pub message_id: String,
}

/// One level of the escalation that fired: its mark, one for each delivery that it made. A level fires once per journey, ever,
/// but for its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// The stage whose rule it was.
    #[serde(rename = "s")]
    pub stage: String,
    /// 1 for the first level of that stage in rising `after`, and so on, as it was when it fired; for people to read.
    #[serde(rename = "l")]
    pub level: u32,
    /// Which level it was.
    #[serde(rename = "k")]
    pub key: LevelKey,
    /// How it was sent: `email`, `call`.
    #[serde(rename = "c")]
    pub channel: String,
    /// When it fired.
    #[serde(rename = "a")]
    pub at: Timestamp,
    /// What was sent.
    #[serde(rename = "d")]
    pub delivery_id: DeliveryId,
    /// 0 where the level fired for the first time; it counts its repetitions, and what reminds after a snooze.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub again: u32,
    /// By how many milliseconds hours and snoozes have put the ladder of this stall off so far, or what came early has hastened it
    /// (below 0): the next levels keep their distances from this one.
    #[serde(rename = "m", default, skip_serializing_if = "is_none_at_all")]
    pub moved_by: i64,
    /// What became of it, where the receiver tells: a call that nobody answered lets the next level fire at once.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<EscalationReceipt>,
}

impl Escalation {
    /// Whether it went to somebody's telephone, of which the receiver tells whether it reached anybody.
    pub fn is_to_telephone(&self) -> bool {
        matches!(self.channel.as_str(), "call" | "sms")
    }
}

/// What became of an escalation at its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationReceipt {
    /// The receiver's word: `answered`, `no-answer`, `delivered`.
    #[serde(rename = "s")]
    pub status: String,
    /// Whether it reached somebody; `None` while that is open.
    #[serde(rename = "r")]
    pub reached: Option<bool>,
    /// When that was told.
    #[serde(rename = "a")]
    pub at: Timestamp,
}

impl EscalationReceipt {
    /// What a delivery's end, or its receiver, says; `None` where nothing was told.
    pub fn of(delivery: &Delivery) -> Option<Self> {
        match delivery.status {
            DeliveryStatus::Failed | DeliveryStatus::Dead => Some(Self::of_nobody(delivery)),
            // Nothing took its place: its destination was removed.
            DeliveryStatus::Superseded if delivery.superseded_by.is_none() && !delivery.withdrawn => {
                Some(Self::of_nobody(delivery))
            }
            DeliveryStatus::Pending
            | DeliveryStatus::Delivered
            | DeliveryStatus::Ambiguous
            | DeliveryStatus::Superseded => {
                let receipt = delivery.receipt.as_ref()?;
                Some(Self { status: receipt.status.clone(), reached: receipt.reached, at: receipt.at })
            }
        }
    }

    fn of_nobody(delivery: &Delivery) -> Self {
        Self { status: delivery.status.as_str().to_owned(), reached: Some(false), at: delivery.updated_at }
    }
}

/// An operator's word on a journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub by: String,
    /// Why, in his words; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// By what: `api`, `mail`, `call`; absent in what was written before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// An operator wants to hear of a stall again later: its ladder rests until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snooze {
    /// The stage that the journey was in.
    #[serde(rename = "s")]
    pub stage: String,
    /// Since when it was in that stage.
    #[serde(rename = "a")]
    pub stage_at: Timestamp,
    /// Until when.
    #[serde(rename = "u")]
    pub until: Timestamp,
    /// Who, why and when.
    #[serde(rename = "n")]
    pub note: Note,
}

/// An operator took notice of a stall: its ladder stops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The stage that the journey was in.
    #[serde(rename = "s")]
    pub stage: String,
    /// Since when it was in that stage.
    #[serde(rename = "a")]
    pub stage_at: Timestamp,
    /// Who, why and when.
    #[serde(rename = "n")]
    pub note: Note,
}

/// One run of one flow by one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// Its id.
    #[serde(rename = "i")]
    pub id: JourneyId,
    /// Whose it is.
    #[serde(rename = "u")]
    pub user: UserKey,
    /// The flow's name.
    #[serde(rename = "f")]
    pub flow: String,
    /// The person's address, as last posted.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The Studio execution that it is, where posted.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub execution_sid: Option<String>,
    /// Where it stands.
    #[serde(rename = "z")]
    pub status: JourneyStatus,
    /// The stage it is in: the one that happened last.
    #[serde(rename = "s")]
    pub stage: String,
    /// Since when it is in that stage.
    #[serde(rename = "a")]
    pub stage_at: Timestamp,
    /// When its first stage happened.
    #[serde(rename = "b")]
    pub started_at: Timestamp,
    /// When something about it changed last, by the server's clock.
    #[serde(rename = "c")]
    pub updated_at: Timestamp,
    /// When it was closed, if it is.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its stages in the order they happened.
    #[serde(rename = "t")]
    pub steps: Vec<Step>,
    /// Steps that were posted but are not kept, past `limits::MAX_JOURNEY_STEPS`.
    #[serde(rename = "o", default, skip_serializing_if = "is_zero")]
    pub steps_left_out: u32,
    /// Levels that fired.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// What operators took notice of, oldest first.
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledgement>,
    /// Snoozes, oldest first; the newest of the present stage counts.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub snoozes: Vec<Snooze>,
    /// When its Studio execution ended without a terminal stage, and how (`ended_reason`), where that was told: it stalls as
    /// soon as `limits::DEATH_GRACE` is over.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub died: Option<Death>,
    /// Set when an operator resolved the journey.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Note>,
}

/// A Studio execution that ended without a terminal stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// When.
    #[serde(rename = "a")]
    pub at: Timestamp,
    /// Twilio's word for how: `FLOW_END`, …; may be empty.
    #[serde(rename = "w", default)]
    pub reason: String,
    /// When it was told first, by the server's clock; the beginning of time in what was written before that was kept.
    #[serde(rename = "t", default)]
    pub told_at: Timestamp,
}

impl Death {
    /// When the journey stalls of it: the terminal step may be told of a little later than the end.
    pub fn acts_at(&self) -> Timestamp {
        self.at.max(self.told_at.plus(limits::DEATH_GRACE))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_at_all(millis: &i64) -> bool {
    *millis == 0
}

/// Which journeys are wanted; an absent field means any.
#[derive(Clone, Debug, Default)]
pub struct JourneyFilter {
    /// Of this flow.
    pub flow: Option<String>,
    /// In this stage.
    pub stage: Option<String>,
    /// With this status.
    pub status: Option<JourneyStatus>,
    /// Of this user.
    pub user: Option<UserKey>,
    /// First seen at or after.
    pub from: Option<Timestamp>,
    /// First seen before.
    pub to: Option<Timestamp>,
    /// By when they were first seen.
    pub order: Order,
    /// How many may be looked at for one page; fewer than `limits::MAX_SCAN`, which it is where nothing is said.
    pub looks: Option<usize>,
}

impl JourneyFilter {
    /// The ids of what is still to be looked through after the page that ended with `last`: from the one on, up to but not including
    /// the other.
    pub fn ids_after(&self, last: Option<JourneyId>) -> (Option<JourneyId>, Option<JourneyId>) {
        let (from, to) = (self.from.map(JourneyId::floor), self.to.map(JourneyId::floor));
        match self.order {
            Order::NewestFirst => (from, [last, to].into_iter().flatten().min()),
            Order::OldestFirst => (last.map(JourneyId::successor).max(from), to),
        }
    }

    /// Whether `journey` is wanted.
    pub fn accepts(&self, journey: &Journey) -> bool {
        let seen_at = journey.id.made_at();
        self.flow.as_ref().is_none_or(|flow| *flow == journey.flow)
            && self.stage.as_ref().is_none_or(|stage| *stage == journey.stage)
            && self.status.is_none_or(|status| status == journey.status)
            && self.user.as_ref().is_none_or(|user| *user == journey.user)
            && self.from.is_none_or(|from| seen_at >= from)
            && self.to.is_none_or(|to| seen_at < to)
    }
}
