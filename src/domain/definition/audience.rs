//! Audiences: a query over a user's events and traits that yields true or false.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{EventId, LeafId, UserKey};
use crate::domain::query::{LeafSpec, Query};
use crate::domain::time::Timestamp;

/// What is sent when a membership changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// An identify with the trait `<key>: true|false`.
    Identify,
    /// A track `Audience Entered` or `Audience Exited`.
    Track,
}

impl Emit {
    /// The name in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Track => "track",
        }
    }
}

/// How far the first computation of an audience has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reading the event log into the leaves.
    History {
        /// The last event read.
        after: Option<EventId>,
        /// The last event to read; later ones update the leaves as they arrive.
        until: EventId,
        /// The leaves that are filled; the others of the query are shared with live audiences.
        fresh: BTreeSet<LeafId>,
    },
    /// Evaluating the profiles in the order of their keys.
    Profiles {
        /// The last profile evaluated.
        after: Option<UserKey>,
    },
}

/// Where an audience stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceStatus {
    /// Its members are being found.
    Computing(Phase),
    /// True to the millisecond.
    Live,
    /// Not computed; enabling computes it anew.
    Disabled,
}

impl AudienceStatus {
    /// The name in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Computing(_) => "computing",
            Self::Live => "live",
            Self::Disabled => "disabled",
        }
    }
}

/// One leaf of an audience's query, with the name of its state on profiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafUse {
    /// Where its state is kept.
    pub id: LeafId,
    /// What it counts.
    pub spec: LeafSpec,
}

/// A query whose truth is kept for every user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audience {
    /// `aud_…`; an audience that was removed and defined again has a new one.
    pub id: String,
    /// The snake-cased name; the trait under which its changes are sent.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What it asks.
    pub query: Query,
    /// Keys of the destinations that get its changes.
    pub destinations: Vec<String>,
    /// What they get.
    pub emit: Vec<Emit>,
    /// Whether it is to be computed.
    pub enabled: bool,
    /// Where it stands.
    pub status: AudienceStatus,
    /// Its leaves, in the order of [`Query::leaves`].
    pub leaves: Vec<LeafUse>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

impl Audience {
    /// Whether a change of this profile is looked at now: always when live; while its members are being found only for
    /// profiles that were already evaluated (the others' turn is still to come).
    pub fn covers(&self, user: &UserKey) -> bool {
        match &self.status {
            AudienceStatus::Live => true,
            AudienceStatus::Computing(Phase::Profiles { after }) => {
                after.as_ref().is_some_and(|last| user <= last)
            }
            AudienceStatus::Computing(Phase::History { .. }) | AudienceStatus::Disabled => false,
        }
    }

    /// Whether its leaves count events as they arrive.
    pub fn counts_events(&self) -> bool {
        match &self.status {
            AudienceStatus::Live | AudienceStatus::Computing(_) => true,
            AudienceStatus::Disabled => false,
        }
    }
}
