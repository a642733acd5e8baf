//! Copies of a whole store into an empty one: what there is to copy, and how far a copy got.

use serde::{Deserialize, Serialize};

/// A kind of records, of which a copy has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// The log.
    Events,
    /// Profiles of users and groups, those that have become part of another one too.
    Profiles,
    /// Pages of leaves.
    LeafPages,
    /// Message ids that are kept on their own.
    MessageIds,
    /// Ids that profiles are found by.
    ExternalIds,
    /// Journeys that left their profile.
    ArchivedJourneys,
    /// Members of audiences.
    Members,
    /// Points of audiences' sizes.
    Sizes,
    /// Points of figures.
    Figures,
    /// Deliveries of every status.
    Deliveries,
    /// Definitions.
    Definitions,
    /// How far backfills got.
    Backfills,
    /// How destinations fare.
    Healths,
    /// How far replays got.
    Replays,
    /// Flows that were posted and that nobody defined.
    UnknownFlows,
    /// The hash of the admin token.
    AdminToken,
    /// People, tokens and who changed what. Sessions stay behind, so that whoever signs out, or is signed out, in one of the two
    /// stores is not signed in any more in the other.
    Shelves,
}

impl RecordKind {
    /// All, in the order in which they are copied.
    pub const ALL: [Self; 17] = [
        Self::Events,
        Self::Profiles,
        Self::LeafPages,
        Self::MessageIds,
        Self::ExternalIds,
        Self::ArchivedJourneys,
        Self::Members,
        Self::Sizes,
        Self::Figures,
        Self::Deliveries,
        Self::Definitions,
        Self::Backfills,
        Self::Healths,
        Self::Replays,
        Self::UnknownFlows,
        Self::AdminToken,
        Self::Shelves,
    ];

    /// What people call them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Profiles => "profiles",
            Self::LeafPages => "pages of leaves",
            Self::MessageIds => "message ids",
            Self::ExternalIds => "external ids",
            Self::ArchivedJourneys => "archived journeys",
            Self::Members => "members",
            Self::Sizes => "sizes of audiences",
            Self::Figures => "figures",
            Self::Deliveries => "deliveries",
            Self::Definitions => "definitions",
            Self::Backfills => "backfills",
            Self::Healths => "healths",
            Self::Replays => "replays",
            Self::UnknownFlows => "unknown flows",
            Self::AdminToken => "admin token",
            Self::Shelves => "people, tokens and audit",
        }
    }
}

/// What stands in a store while it is being filled from another one: how far that got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// The source, as it calls itself.
    pub source: String,
    /// What tells the source, and what it held when the copy began, from others: a hash.
    pub state: String,
    /// The kind that is being copied; `None`: everything is there, and is to be compared.
    pub kind: Option<RecordKind>,
    /// The place in the source behind the last record that was copied; `None`: none of that kind was.
    pub after: Option<Vec<u8>>,
    /// How many records of that kind were copied.
    pub done: u64,
    /// It was compared with the source, and is not the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
}

/// The mark is set or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyWrite {
    /// What it is in the store now: a shared store refuses the change set where it is not.
    pub was: Option<CopyMark>,
    /// What it is to be; `None`: the copy is whole.
    pub is: Option<CopyMark>,
}
