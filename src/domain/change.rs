//! Change sets: everything that one group of inputs causes, written together or not at all.

use super::backfill::Backfill;
use super::copying::CopyWrite;
use super::definition::{Definition, Kind};
use super::delivery::{Delivery, DeliveryStatus};
use super::event::Event;
use super::figures::{Counted, Figure, FigureWrite, Grain, OldestFigures};
use super::health::Health;
use super::ids::{BackfillId, JourneyId, LeafId, ReplayId, UserKey};
use super::journey::{Journey, Journeys, Listed};
use super::profile::{MessageHash, Profile};
use super::replay::Replay;
use super::shelf::EntryWrite;
use super::sizes::{Per, SizePoint};
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
    /// Whether the profile in the store had become part of another one (`Profile::merged_into`): such a one is not counted.
    pub was_merged: bool,
}

impl ProfileWrite {
    /// What it adds to the number of profiles: those that have become part of another one, and desks, are not counted.
    pub fn adds(&self) -> i64 {
        if self.profile.key.is_desk() {
            return 0;
        }
        i64::from(self.profile.merged_into.is_none()) - i64::from(!self.is_new && !self.was_merged)
    }
}

/// A journey was opened, stands elsewhere in lists than before, or went to another user.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyMove {
    /// Which.
    pub id: JourneyId,
    /// Whose; the journey itself is in his profile.
    pub user: UserKey,
    /// Of which flow it is a run.
    pub flow: String,
    /// The stage that it was in then.
    pub stage: String,
    /// How lists had it; `None` when it was opened just now.
    pub from: Option<Listed>,
    /// How lists have it; as they had it when only its user changes.
    pub to: Listed,
    /// Whether it was another user's before.
    pub moved: bool,
}

impl JourneyMove {
    /// That the journey, which lists had as `from` (`None`: was not there), is as it is now.
    pub fn of(journey: &Journey, from: Option<Listed>) -> Self {
        Self {
            id: journey.id,
            user: journey.user.clone(),
            flow: journey.flow.clone(),
            stage: journey.stage.clone(),
            from,
            to: journey.listed(),
            moved: false,
        }
    }

    /// That it was another user's, and is no longer.
    pub fn to_another(journey: &Journey) -> Self {
        Self { moved: true, ..Self::of(journey, Some(journey.listed())) }
    }
}

/// A user's archived journeys become another's: the newest `limits::MAX_ADOPTED_JOURNEYS` of them, with those that the same
/// change set archives. The others stay with `from`; a further adoption moves as many again.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption {
    /// Whose they were.
    pub from: UserKey,
    /// Whose they are from now on.
    pub to: UserKey,
}

/// A page of a leaf's state.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafPageWrite {
    /// The user or group whose state it is.
    pub owner: UserKey,
    /// The leaf.
    pub leaf: LeafId,
    /// The page's number.
    pub number: u32,
    /// The page, packed by whoever makes it (best below 5 KiB, at most 1 MiB); `None` removes it.
    pub page: Option<Vec<u8>>,
}

/// A backfill's record that was set or removed.
#[derive(Clone, Debug, PartialEq)]
pub enum BackfillWrite {
    /// Set.
    Put(Box<Backfill>),
    /// Removed.
    Delete(BackfillId),
}

/// How a destination fares, set or forgotten.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthWrite {
    /// Set.
    Put(Health),
    /// The destination with that key is gone.
    Delete(String),
}

/// A replay's record that was set or removed.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayWrite {
    /// Set.
    Put(Box<Replay>),
    /// Removed.
    Delete(ReplayId),
}

/// An id beside his user id that a profile is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalIdWrite {
    /// What it is: `email`, `phone`, `execution`.
    pub kind: String,
    /// The id, in lower case (an execution's as it is); at most `limits::MAX_ADDRESS_BYTES`.
    pub id: String,
    /// Whose.
    pub user: UserKey,
    /// Whether it is his; `false` removes it.
    pub present: bool,
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
///
/// It stays under that user's key when his profile becomes part of another one: whoever asks then asks under both keys.
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

/// How often records of each of these sorts were written, in a store that several nodes share; all 0 in any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Definitions.
    pub definitions: u64,
    /// Records of backfills.
    pub backfills: u64,
    /// How destinations fare.
    pub healths: u64,
    /// Records of replays.
    pub replays: u64,
}

/// A part of all profiles that a step of long work looked at: those that were there, and nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// It begins after this key; `None`: with the first one there is.
    pub after: Option<UserKey>,
    /// And ends with this key; `None`: with the last one there is.
    pub to: Option<UserKey>,
    /// Who was there, with the revisions they had, in the order of the keys.
    pub profiles: Vec<(UserKey, u64)>,
}

impl Swept {
    /// The part that a store handed out: `profiles`, those after `after`, and the last one's key (`None`: there were none).
    pub fn of(after: Option<&UserKey>, to: Option<&UserKey>, profiles: &[Profile]) -> Self {
        Self {
            after: after.cloned(),
            to: to.cloned(),
            profiles: profiles.iter().map(|profile| (profile.key.clone(), profile.revision)).collect(),
        }
    }
}

/// A point of an audience's size as it was elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeWrite {
    /// The audience's id (`aud_…`).
    pub audience_id: String,
    /// What it is a point of.
    pub per: Per,
    /// The point.
    pub point: SizePoint,
}

/// Everything that one group of inputs causes. A store writes all of it or nothing.
///
/// A store that several nodes share refuses it with `StoreError::Conflict` where something that it was decided on is no longer
/// so: a profile's revision, what a delivery was, [`Self::basis`], [`Self::swept`]. Whoever decided reads again, and decides
/// again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// Events for the log, in rising order of their ids.
    pub events: Vec<Event>,
    /// Profiles, each at most once.
    pub profiles: Vec<ProfileWrite>,
    /// Journeys that were opened, stand elsewhere in lists or went to another user, in the order it happened (one journey may be
    /// there twice).
    pub journeys: Vec<JourneyMove>,
    /// Finished journeys that left their profile; a store keeps them whole.
    pub archived: Vec<Journey>,
    /// Archived journeys that go to another user, in the order it happened; those of `archived` are there by then.
    pub adopted: Vec<Adoption>,
    /// Memberships, in the order it happened (one may be there twice; the last holds).
    pub memberships: Vec<MembershipWrite>,
    /// The instant of the decision: memberships count towards its hour and day. While it is 1970's first instant (its default)
    /// they count towards none.
    pub at: Timestamp,
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
    /// Ids of audiences that are gone, each at most once: up to `drop_members_limit` of each one's member rows are removed, and
    /// as many of the rows of its size.
    pub drop_members: Vec<String>,
    /// How many rows of each sort to remove at most per audience.
    pub drop_members_limit: usize,
    /// Sizes of audiences to forget: hours that begin before the one instant, days that begin before the other, at most
    /// `limits::UPKEEP_STEP` of them.
    pub forget_sizes_before: Option<(Timestamp, Timestamp)>,
    /// The hash of the admin token, when it is to be set.
    pub admin_token_hash: Option<String>,
    /// Leaves of which all pages of that owner are removed, before `leaf_pages` is written.
    pub drop_leaves: Vec<(UserKey, LeafId)>,
    /// Pages of leaves, each at most once.
    pub leaf_pages: Vec<LeafPageWrite>,
    /// Records of backfills, in the order it happened.
    pub backfills: Vec<BackfillWrite>,
    /// How destinations fare, in the order it happened.
    pub healths: Vec<HealthWrite>,
    /// Records of replays, in the order it happened.
    pub replays: Vec<ReplayWrite>,
    /// Ids that profiles are found by, in the order it happened.
    pub external_ids: Vec<ExternalIdWrite>,
    /// Records on shelves, each at most once.
    pub entries: Vec<EntryWrite>,
    /// What is counted for charts: how many more, or fewer; what has no time of its own towards the minute, hour and day of
    /// [`Self::at`], as memberships are.
    pub figures: Counted,
    /// Points of figures to forget, at most `limits::UPKEEP_STEP` records of them.
    pub forget_figures: Option<OldestFigures>,
    /// Points of figures, for a copy of another store, which has none of them.
    pub figure_points: Vec<FigureWrite>,
    /// Points of audiences' sizes, for a copy of another store.
    pub sizes: Vec<SizeWrite>,
    /// How far the copy of another store got that this is a step of.
    pub copied: Option<CopyWrite>,
    /// What was in force when all this was decided: definitions and backfills, and how destinations fare and replays where any
    /// of those are written.
    pub basis: Option<Revisions>,
    /// Of `backfills`: those that begin with this change set. Where several nodes share the store, the log up to this commit is
    /// their past: the store sets [`Backfill::until`] to its last event.
    pub begun: Vec<BackfillId>,
    /// Profiles that were looked at, of which none may have changed or come.
    pub swept: Option<Swept>,
}

impl ChangeSet {
    /// That user's journeys, to be moved on: what comes of it is noted here.
    pub fn journeys_of<'a>(&'a mut self, user: &'a UserKey, list: &'a mut Vec<Journey>) -> Journeys<'a> {
        Journeys { user, list, moves: &mut self.journeys, figures: &mut self.figures }
    }

    /// What [`Self::figures`] add to which points: of what, of which grain, beginning when, how many.
    pub fn counted(&self) -> impl Iterator<Item = (&Figure, Grain, Timestamp, i64)> {
        let happened = self.figures.iter().filter(|(_, change)| **change != 0);
        happened.flat_map(|((own, figure), change)| {
            let at = own.or((self.at != Timestamp::default()).then_some(self.at));
            let grains = at.map_or(&[][..], |_| figure.family.grains());
            let at = at.unwrap_or_default();
            grains.iter().map(move |grain| (figure, *grain, grain.start_of(at), *change))
        })
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self { at: self.at, basis: self.basis, swept: self.swept.clone(), ..Self::default() }
    }
}
