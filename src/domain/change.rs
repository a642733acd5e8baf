//! Change sets: everything that one group of inputs causes, written together or not at all.

use super::definition::{Definition, Kind};
use super::delivery::{Delivery, DeliveryStatus};
use super::event::Event;
use super::ids::{JourneyId, UserKey};
use super::journey::{Journey, JourneyStatus};
use super::profile::{MessageHash, Profile};
use super::time::Timestamp;

/// A profile as it is to be, with the timer that it had.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileWrite {
    /// The whole new profile; its `wake_at` is the timer that it is to have.
    pub profile: Profile,
    /// The timer that is set in the store now.
    pub wake_was: Option<Timestamp>,
    /// Whether the store has no profile of this user yet.
    pub is_new: bool,
}

/// A journey was opened or went from one status to another.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyMove {
    /// Which.
    pub id: JourneyId,
    /// Whose; the journey itself is in his profile.
    pub user: UserKey,
    /// The status it had; `None` when it was opened just now.
    pub from: Option<JourneyStatus>,
    /// The status it has.
    pub to: JourneyStatus,
}

/// A user entered or left an audience.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipWrite {
    /// The audience's id (`aud_…`).
    pub audience_id: String,
    /// Who.
    pub user: UserKey,
    /// Since when he is in; `None` when he left.
    pub since: Option<Timestamp>,
}

/// A delivery as it is to be, with what the queue holds of it now.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryWrite {
    /// The whole new record.
    pub delivery: Delivery,
    /// Its status and next attempt in the store; `None` for a new one.
    pub was: Option<(DeliveryStatus, Timestamp)>,
}

/// A message id that moves out of a profile, to be remembered on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenWrite {
    /// Who sent it.
    pub user: UserKey,
    /// Its hash.
    pub message: MessageHash,
    /// When it arrived.
    pub at: Timestamp,
}

/// A definition that was set or removed.
#[derive(Clone, Debug, PartialEq)]
pub enum DefinitionWrite {
    /// Set.
    Put(Box<Definition>),
    /// Removed.
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its key.
        key: String,
    },
}

/// Everything that one group of inputs causes. A store writes all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// Events for the log, in rising order of their ids.
    pub events: Vec<Event>,
    /// Profiles, each at most once.
    pub profiles: Vec<ProfileWrite>,
    /// Journeys that were opened or changed status, in the order it happened (one journey may be there twice).
    pub journeys: Vec<JourneyMove>,
    /// Finished journeys that left their profile; a store keeps them whole.
    pub archived: Vec<Journey>,
    /// Memberships, in the order it happened (one may be there twice; the last holds).
    pub memberships: Vec<MembershipWrite>,
    /// Deliveries, each at most once.
    pub deliveries: Vec<DeliveryWrite>,
    /// Definitions.
    pub definitions: Vec<DefinitionWrite>,
    /// Message ids to remember on their own.
    pub seen: Vec<SeenWrite>,
    /// Message ids to forget, as [`SeenWrite`]s that were stored before.
    pub forget_seen: Vec<(UserKey, MessageHash)>,
    /// Names of flows that were posted and that no definition knows.
    pub unknown_flows: Vec<String>,
    /// Ids of audiences that are gone: up to `drop_members_limit` of each one's member rows are removed.
    pub drop_members: Vec<String>,
    /// How many member rows to remove at most per audience.
    pub drop_members_limit: usize,
    /// The hash of the admin token, when it is to be set.
    pub admin_token_hash: Option<String>,
}

impl ChangeSet {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
