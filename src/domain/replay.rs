//! What is on record of a replay: putting deliveries that are at their end back into the queue, a piece at a time.
//!
//! The record is rewritten in the change set of every piece, so that a replay goes on after a restart where it was, and puts
//! nothing back twice.

use serde::{Deserialize, Serialize};

use super::delivery::DeliveryFilter;
use super::ids::{DeliveryId, ReplayId};
use super::time::Timestamp;

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayStatus {
    /// Still at it.
    Running,
    /// Everything that was asked for is in the queue again.
    Done,
    /// Somebody stopped it; what was put back stays so.
    Cancelled,
}

impl ReplayStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// What is put back.
    pub filter: DeliveryFilter,
    /// Deliveries made later are left alone.
    pub until: DeliveryId,
    /// The last delivery that was looked at; they have their turn in the order of their ids.
    pub after: Option<DeliveryId>,
    /// How it stands.
    pub status: ReplayStatus,
    /// How many deliveries had the wanted status, and destination, at its beginning; those that come to have it meanwhile, and
    /// were made before, are looked at too.
    pub total: u64,
    /// How many were looked at.
    pub looked_at: u64,
    /// How many were put back.
    pub replayed: u64,
    /// How many were not, because they say what is no longer true.
    pub superseded: u64,
    /// How many could not be, because something that has to be known of them can't be read or written.
    #[serde(default)]
    pub failed: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it came this far.
    pub updated_at: Timestamp,
}
