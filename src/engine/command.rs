//! What the writer can be asked to do.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::EngineError;
use super::people::PeopleChange;
use crate::domain::definition::{Definition, Kind, Source};
use crate::domain::delivery::{Attempt, DeliveryFilter, Outcome, Receipt};
use crate::domain::event::Event;
use crate::domain::health::Health;
use crate::domain::health::Signal;
use crate::domain::ids::{DeliveryId, JourneyId, ReplayId};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::replay::Replay;
use crate::domain::time::Timestamp;

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
    Acknowledge {
        /// When the one who acts was told of a stall: only that one is meant. `None`: whichever there is.
        told_at: Option<Timestamp>,
    },
    /// Close the journey.
    Resolve,
    /// Let the ladder of the present stall rest.
    Snooze {
        /// Until then; after now, at most `limits::MAX_SNOOZE` ahead, and before the journey expires.
        until: Timestamp,
        /// As for an acknowledgement.
        told_at: Option<Timestamp>,
    },
}

/// Whose word it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who, as he says himself or as he is known; at most `limits::MAX_BY` characters.
    pub who: String,
    /// Why, in his words; may be empty, at most `limits::MAX_REASON` characters.
    pub reason: String,
    /// By what it came: `console`, `api`, `cli`, `mail`, `sms`, `webhook`, `call`, `server`.
    pub via: &'static str,
}

impl By {
    /// Somebody who gives no reason.
    pub fn new(who: impl Into<String>, via: &'static str) -> Self {
        Self { who: who.into(), reason: String::new(), via }
    }

    /// The server, where nobody asked it.
    pub fn server() -> Self {
        Self::new("stagepost", "server")
    }
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
    /// What the receiver calls it, and its first word on it, where it gave one.
    pub receipt: Option<Receipt>,
    /// About how many bytes the delivery takes.
    pub weight: usize,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// What goes together with others into one change set.
#[derive(Clone)]
pub(super) enum Input {
    /// Events that arrived together; answered in the same order.
    Ingest(Vec<Event>),
    /// Attempts at deliveries ended, which were made together.
    Settle(Vec<Settlement>),
    /// Deliveries that waited longer than their destination lets them.
    Expire(Vec<DeliveryId>),
    /// Deliveries that tell of journeys that nobody needs to be told of any more.
    Withdraw(Vec<DeliveryId>),
    /// An operator's word on a journey, and who asked for it, for the audit log.
    Operate { id: JourneyId, operation: Operation, by: By, asked_by: By },
    /// An operator took notice of all the stalls that a digest told of.
    AcknowledgeAll { digest: DeliveryId, by: By, asked_by: By },
    /// What became of a delivery at its receiver.
    Receipt { id: DeliveryId, receipt: Receipt },
}

impl Input {
    /// How many records it makes or changes, and about how many bytes; each event is copied `copies` times.
    pub fn weight(&self, copies: usize) -> (usize, usize) {
        match self {
            Self::Ingest(events) => {
                (events.len() * copies, events.iter().map(Event::weight).sum::<usize>() * copies)
            }
            Self::Settle(settlements) => {
                (settlements.len(), settlements.iter().map(|settlement| settlement.weight).sum())
            }
            Self::Expire(ids) | Self::Withdraw(ids) => (ids.len(), 0),
            Self::Operate { .. } | Self::Receipt { .. } => (1, 0),
            Self::AcknowledgeAll { .. } => (limits::MAX_HELD_BACK, 0),
        }
    }
}

/// A share of the queue: a place, and some of `limits::QUEUE_BYTES`. Dropping it gives it back.
pub(super) struct Share {
    pub _place: OwnedSemaphorePermit,
    pub _bytes: OwnedSemaphorePermit,
}

/// Who waits for what comes of an [`Input`].
pub(super) enum Waiting {
    Ingest { reply: Reply<Vec<Accepted>>, _share: Share },
    Done(Reply<()>),
    Operate(Reply<Journey>),
    AcknowledgeAll(Reply<usize>),
    Receipt(Reply<()>),
}

/// What came of an [`Input`].
pub(super) enum Outcomes {
    Accepted(Vec<Accepted>),
    Done,
    Operated(Result<Box<Journey>, EngineError>),
    AcknowledgedAll(Result<usize, EngineError>),
    Received(Result<(), EngineError>),
}

impl Waiting {
    /// Tells what came of it once it is on disk, or why it is not. A caller that went away is no error.
    pub fn answer(self, outcome: Result<Outcomes, &str>) {
        let refuse = |why: &str| EngineError::Unavailable(why.to_owned());
        match (self, outcome) {
            (Self::Ingest { reply, _share }, Ok(Outcomes::Accepted(accepted))) => {
                drop(reply.send(Ok(accepted)))
            }
            (Self::Done(reply), Ok(Outcomes::Done)) => drop(reply.send(Ok(()))),
            (Self::Operate(reply), Ok(Outcomes::Operated(operated))) => {
                drop(reply.send(operated.map(|journey| *journey)))
            }
            (Self::AcknowledgeAll(reply), Ok(Outcomes::AcknowledgedAll(counted))) => {
                drop(reply.send(counted))
            }
            (Self::Receipt(reply), Ok(Outcomes::Received(received))) => drop(reply.send(received)),
            (Self::Ingest { reply, _share }, Err(why)) => drop(reply.send(Err(refuse(why)))),
            (Self::Done(reply) | Self::Receipt(reply), Err(why)) => drop(reply.send(Err(refuse(why)))),
            (Self::AcknowledgeAll(reply), Err(why)) => drop(reply.send(Err(refuse(why)))),
            (Self::Operate(reply), Err(why)) => drop(reply.send(Err(refuse(why)))),
            // What comes of an input is of its kind; dropping the reply says that nothing came of it.
            (
                Self::Ingest { .. }
                | Self::Done(_)
                | Self::Operate(_)
                | Self::AcknowledgeAll(_)
                | Self::Receipt(_),
                Ok(_),
            ) => {
                tracing::error!("an input was answered with what came of another; this is a bug")
            }
        }
    }
}

/// One thing asked of a writer. Whoever sends it is answered once what it caused is on disk.
pub(super) enum Command {
    /// Goes together with others.
    Together(Input, Waiting),
    /// Definitions that are wanted.
    Apply { wanted: Vec<Definition>, options: ApplyOptions, by: By, reply: Reply<ApplyReport> },
    /// A definition that is no longer wanted; with `exit`, an audience's members are told first that they are out.
    Remove { kind: Kind, key: String, exit: bool, by: By, reply: Reply<()> },
    /// Another write key for a source; answered with the source as it is then.
    Rotate { source: String, write_key: String, by: By, reply: Reply<Arc<Source>> },
    /// A destination that is not to be sent to, by whom and why; or to be sent to again.
    Pause { destination: String, pause: Option<(String, String)>, by: By, reply: Reply<Health> },
    /// Somebody of whose deletion the webhooks are to be told; answered with the deliveries.
    NotifyDeletion { user_id: String, by: By, reply: Reply<Vec<DeliveryId>> },
    /// An address that wants a team's summaries no more.
    Unsubscribe { team: String, address: String, by: By, reply: Reply<()> },
    /// One delivery to try again.
    ReplayOne { id: DeliveryId, by: By, reply: Reply<()> },
    /// Deliveries to try again; answered once it has begun.
    Replay { filter: DeliveryFilter, by: By, reply: Reply<Replay> },
    /// A replay that is not wanted any more.
    CancelReplay { id: ReplayId, by: By, reply: Reply<Replay> },
    /// A new admin token's hash.
    SetAdminToken { hash: String, by: By, reply: Reply<()> },
    /// Something that is to become of people, tokens or sessions.
    People { change: Box<PeopleChange>, by: By, reply: Reply<()> },
    /// Stop, once everything that was sent before is done.
    Stop { reply: Reply<()> },
}
