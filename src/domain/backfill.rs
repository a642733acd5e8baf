//! What is on record of a backfill: one reading of the past for computations that were made or changed together.
//!
//! The record is rewritten in the change set of every step, so that a step that was cut short is done again from where the
//! one before it ended, and none is done twice.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::definition::Kind;
use super::ids::{BackfillId, EventId, LeafId, UserKey};
use super::profile::Profile;
use super::time::Timestamp;

/// A computation as it was when its backfill began: one that was edited or made anew since has another id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputationRef {
    /// Audience or computed trait.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// Its id.
    pub id: String,
}

/// One reading of the past for computations that were made or changed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// Its id.
    pub id: BackfillId,
    /// The computations that it is for. With none it only lets profiles forget what no computation asks for any more; the
    /// others go before it.
    pub computations: Vec<ComputationRef>,
    /// Leaves that no live computation had, and that the events of the past are counted into.
    pub fresh: BTreeSet<LeafId>,
    /// The last event of the past; later ones count as they arrive. `None`: there is no past.
    pub until: Option<EventId>,
    /// How far it got.
    pub phase: BackfillPhase,
    /// Whether the log is being read for the next profiles; only in what is published.
    #[serde(skip)]
    pub is_reading: bool,
    /// Events read so far for the profiles that are next; only in what is published. Where their past does not fit into memory
    /// at once, the log is read again for the others.
    #[serde(skip)]
    pub events_read: u64,
    /// Events that there were to read when it began.
    pub events_total: u64,
    /// Profiles looked at so far.
    pub profiles_done: u64,
    /// Profiles that there were when it began to look at them.
    pub profiles_total: u64,
    /// When it began.
    pub started_at: Timestamp,
}

/// How far a backfill got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackfillPhase {
    /// Every profile is given its share of the past and looked at once, in the order of keys.
    Profiles {
        /// The last key that is done; `None` before the first.
        after: Option<UserKey>,
    },
    /// Every account is looked at once, now that what its users are to it is known; only where something is computed of
    /// accounts.
    Accounts {
        /// The last one looked at; `None` before the first.
        after: Option<UserKey>,
    },
}

impl Backfill {
    /// Whether it computes nothing.
    pub fn only_forgets(&self) -> bool {
        self.computations.is_empty()
    }

    /// Whether nothing of it is done yet.
    pub fn is_untouched(&self) -> bool {
        matches!(self.phase, BackfillPhase::Profiles { after: None })
    }

    /// The last event of the past that the profiles are given their shares of, if there is one.
    pub fn past(&self) -> Option<EventId> {
        self.until.filter(|_| !self.fresh.is_empty())
    }

    /// Whether the profile was evaluated already, so that its changes count from now on. Somebody who has other ids has not
    /// got all of his past before the last of them that is listed had its turn.
    pub fn has_reached(&self, profile: &Profile) -> bool {
        let is_account = profile.key.group_id().is_some();
        let is_behind = |after: &Option<UserKey>| after.as_ref().is_some_and(|last| profile.is_behind(last));
        match &self.phase {
            BackfillPhase::Profiles { after } => !is_account && is_behind(after),
            BackfillPhase::Accounts { after } => !is_account || is_behind(after),
        }
    }

    /// What it is doing: `history`, `profiles` or `accounts`.
    pub fn phase_name(&self) -> &'static str {
        match self.phase {
            BackfillPhase::Profiles { .. } if self.is_reading => "history",
            BackfillPhase::Profiles { .. } => "profiles",
            BackfillPhase::Accounts { .. } => "accounts",
        }
    }
}
