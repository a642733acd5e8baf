//! What the writer can be asked to do.

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::EngineError;
use crate::domain::definition::{Definition, Kind};
use crate::domain::delivery::{Attempt, DeliveryFilter, Outcome};
use crate::domain::event::Event;
use crate::domain::health::Health;
use crate::domain::health::Signal;
use crate::domain::ids::{DeliveryId, JourneyId, ReplayId};
use crate::domain::journey::Journey;
use crate::domain::replay::Replay;

/// What became of one event that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's message id.
    pub message_id: String,
    /// Whether it had come before; nothing was done then.
    pub duplicate: bool,
    /// The journey that it belongs to, where it is a stage post (also for a repetition, while it is still known).
    pub journey: Option<JourneyId>,
}

/// What an operator can do with a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Stop the ladder of the present stall.
    Acknowledge,
    /// Close the journey.
    Resolve,
}

/// How a definitions document is to be applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApplyOptions {
    /// Remove what the document does not name.
    pub prune: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What applying a document did, or would do; each entry is `<kind> <key>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// New.
    pub created: Vec<String>,
    /// Changed.
    pub changed: Vec<String>,
    /// Removed, by `prune`.
    pub removed: Vec<String>,
    /// As they were.
    pub unchanged: Vec<String>,
}

/// What came of one attempt at a delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which delivery.
    pub id: DeliveryId,
    /// The attempt as it is kept.
    pub attempt: Attempt,
    /// What follows from it.
    pub outcome: Outcome,
    /// What it says of the destination.
    pub signal: Signal,
    /// About how many bytes the delivery takes.
    pub weight: usize,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// One input to the writer. Whoever sends it is answered once what it caused is on disk.
pub(super) enum Command {
    /// Deliveries that waited longer than their destination lets them.
    Expire { ids: Vec<DeliveryId>, reply: Reply<()> },
    /// Events that arrived together; answered in the same order.
    Ingest {
        events: Vec<Event>,
        reply: Reply<Vec<Accepted>>,
        /// Their share of `limits::QUEUE_BYTES`, given back when the command is done.
        bytes: OwnedSemaphorePermit,
    },
    /// Attempts at deliveries ended, which were made together.
    Settle { settlements: Vec<Settlement>, reply: Reply<()> },
    /// Definitions that are wanted.
    Apply { wanted: Vec<Definition>, options: ApplyOptions, reply: Reply<ApplyReport> },
    /// A definition that is no longer wanted; with `exit`, an audience's members are told first that they are out.
    Remove { kind: Kind, key: String, exit: bool, reply: Reply<()> },
    /// An operator's word on a journey.
    Operate { id: JourneyId, operation: Operation, by: String, reason: String, reply: Reply<Journey> },
    /// A destination that is not to be sent to, by whom and why; or to be sent to again.
    Pause { destination: String, pause: Option<(String, String)>, reply: Reply<Health> },
    /// Somebody of whose deletion the webhooks are to be told; answered with the deliveries.
    NotifyDeletion { user_id: String, reply: Reply<Vec<DeliveryId>> },
    /// One delivery to try again.
    ReplayOne { id: DeliveryId, reply: Reply<()> },
    /// Deliveries to try again; answered once it has begun.
    Replay { filter: DeliveryFilter, reply: Reply<Replay> },
    /// A replay that is not wanted any more.
    CancelReplay { id: ReplayId, reply: Reply<Replay> },
    /// A new admin token's hash.
    SetAdminToken { hash: String, reply: Reply<()> },
    /// Stop, once everything that was sent before is done.
    Stop { reply: Reply<()> },
}
