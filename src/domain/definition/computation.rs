//! Computations: a query over a user's (or an account's) events and traits whose value is kept for everyone.
//!
//! An *audience* yields true or false, a *computed trait* a value. Both live the same life.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Definition, Kind};
use crate::domain::ids::{LeafId, UserKey};
use crate::domain::query::{LeafSpec, Query, Target};
use crate::domain::time::{Span, Timestamp};

/// The form in which leaf states are kept. A computation that was stored under an older one is computed anew.
pub const LEAF_FORM: u8 = 1;

/// What a computation yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// True or false.
    Audience,
    /// A value.
    Trait,
}

impl Class {
    /// Segment's `computation_class`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Trait => "trait",
        }
    }

    /// What its ids begin with.
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Audience => "aud_",
            Self::Trait => "tra_",
        }
    }
}

/// What is sent when a value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// An identify with the trait `<key>: <value>`; for an account a group call.
    Identify,
    /// A track `Audience Entered`, `Audience Exited` or `Trait Computed`.
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

/// How much of the past a computation looks at (traits always count).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// All that is kept.
    #[default]
    All,
    /// Nothing before it was made.
    Off,
    /// What happened at most that long before it was made.
    Last(Span),
}

impl History {
    /// The earliest event that counts for a computation made at `made`; `None` for any.
    pub fn earliest(self, made: Timestamp) -> Option<Timestamp> {
        match self {
            Self::All => None,
            Self::Off => Some(made),
            Self::Last(span) => Some(made.minus(span)),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Off => f.write_str("off"),
            Self::Last(span) => span.fmt(f),
        }
    }
}

/// Where a computation stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its values are being found; how far that is stands in a [`crate::domain::backfill::Backfill`].
    Computing,
    /// True to the millisecond.
    Live,
    /// Not computed; enabling computes it anew.
    Disabled,
    /// Its values could not be found; the next start tries again.
    Failed,
    /// To be deleted once its members were told that they are out.
    Leaving,
}

impl Status {
    /// The name in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Live => "live",
            Self::Disabled | Self::Leaving => "disabled",
            Self::Failed => "failed",
        }
    }

    /// Whether its leaves count events as they arrive.
    pub fn counts_events(&self) -> bool {
        match self {
            Self::Live | Self::Computing => true,
            Self::Disabled | Self::Failed | Self::Leaving => false,
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    /// Also reads what the first version stored, where `computing` held how far it was.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Named {
            Computing,
            Live,
            Disabled,
            Failed,
            Leaving,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Holding {
            Computing(serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stored {
            Named(Named),
            Holding(Holding),
        }
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Named(Named::Live) => Self::Live,
            Stored::Named(Named::Disabled) => Self::Disabled,
            Stored::Named(Named::Computing) | Stored::Holding(Holding::Computing(_)) => Self::Computing,
            Stored::Named(Named::Failed) => Self::Failed,
            Stored::Named(Named::Leaving) => Self::Leaving,
        })
    }
}

/// One leaf of a query, with the name of its state on profiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeafUse {
    /// Where its state is kept.
    pub id: LeafId,
    /// What it is.
    pub spec: LeafSpec,
    /// Events that happened before are not counted; `None`: all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl LeafUse {
    /// Whether an event of that instant is too old for it.
    pub fn is_too_old(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since)
    }
}

/// One `ANY` or `ALL` of an account-level query: a condition on users whose truth each user's profile remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartUse {
    /// Under what its truth is remembered on users and counted on accounts.
    pub id: LeafId,
    /// Its leaves, in the order of its condition's.
    pub leaves: Vec<LeafUse>,
}

/// A destination that was added later and is being told of the present values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its key.
    pub destination: String,
    /// The last profile whose value it was told.
    pub after: Option<UserKey>,
}

/// A query whose value is kept for everyone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Computation {
    /// What it yields.
    #[serde(default = "audience")]
    pub class: Class,
    /// `aud_…` or `tra_…`; one that was removed and defined again has a new one.
    pub id: String,
    /// The snake-cased name; the trait under which its changes are sent.
    pub key: String,
    /// Its name.
    pub name: String,
    /// What people should know of it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it asks.
    pub query: Query,
    /// Whose values it keeps.
    #[serde(default)]
    pub target: Target,
    /// Keys of the destinations that get its changes.
    pub destinations: Vec<String>,
    /// What they get.
    pub emit: Vec<Emit>,
    /// Whether it is to be computed.
    pub enabled: bool,
    /// Whether visitors of whom only an anonymous id is known count.
    #[serde(default)]
    pub include_anonymous: bool,
    /// How much of the past it looks at.
    #[serde(default)]
    pub history: History,
    /// Where it stands.
    pub status: Status,
    /// Its leaves, in the order of the query's.
    pub leaves: Vec<LeafUse>,
    /// Its parts, in the order of the query's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartUse>,
    /// Destinations that are still being told of the present values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// The [`LEAF_FORM`] of its leaves.
    #[serde(default)]
    pub form: u8,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When its definition changed last.
    pub updated_at: Timestamp,
}

fn audience() -> Class {
    Class::Audience
}

impl From<Computation> for Definition {
    fn from(computation: Computation) -> Self {
        match computation.class {
            Class::Audience => Self::Audience(computation),
            Class::Trait => Self::Trait(computation),
        }
    }
}

impl Computation {
    /// The kind of its definition.
    pub fn kind(&self) -> Kind {
        match self.class {
            Class::Audience => Kind::Audience,
            Class::Trait => Kind::Trait,
        }
    }

    /// Whether it has a value for profiles of that key at all.
    pub fn is_about(&self, key: &UserKey) -> bool {
        match self.target {
            Target::Accounts => key.group_id().is_some(),
            Target::Users => self.counts_person(key),
        }
    }

    /// Whether that is the key of somebody who counts: a known user, or a visitor where those count, too.
    pub fn counts_person(&self, key: &UserKey) -> bool {
        key.user_id().is_some() || (self.include_anonymous && key.anonymous_id().is_some())
    }

    /// The leaves of the query and of its parts.
    pub fn all_leaves(&self) -> impl Iterator<Item = &LeafUse> {
        self.leaves.iter().chain(self.parts.iter().flat_map(|part| &part.leaves))
    }

    /// Every trait it asks about, its parts too.
    pub fn asks_about(&self, name: &str) -> bool {
        let asks = |query: &Query| query.trait_names().contains(name);
        asks(&self.query) || self.query.parts().iter().any(|part| asks(&part.condition))
    }
}
