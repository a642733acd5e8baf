//! The second floor: the one writer, the timers, the backfill and the read models.
//!
//! Everything that changes state is a command; the writer groups waiting commands, lets the domain decide, writes one
//! change set, and only then answers.

mod aftermath;
mod among_nodes;
mod backfill;
mod coalesce;
mod command;
mod connect;
mod consequences;
mod debugger;
mod define;
mod desks;
mod error;
mod feed;
mod follow;
mod group;
mod handle;
mod history;
mod in_force;
mod ingest;
mod inputs;
mod jobs;
mod leases;
mod people;
mod population;
mod posted;
mod preview;
mod read;
mod receipts;
mod refusals;
mod replay;
mod runs;
mod scan;
mod scheduler;
mod settle;
mod summaries;
mod sweep;
mod write_keys;
mod writer;

pub use backfill::BackfillPace;
pub use command::{Accepted, ApplyOptions, ApplyReport, By, Operation, Settlement};
pub use consequences::Consequences;
pub use debugger::{Debugger, FeedItem, Rejection};
pub use error::EngineError;
pub use feed::{Backlog, FeedFilter, FeedPlace, FeedPlaceError};
pub use handle::{Engine, Health};
pub use history::Order;
pub use leases::{LeaseUse, Leases, WORK, outbox_lease};
pub use people::{NewPerson, NewToken, made_password, secret_hash, session_name};
pub use posted::Posted;
pub use preview::{Preview, Question, Sample};
pub use scan::Among;
pub use scheduler::Ticker;
pub use writer::{Settings, Writer};

pub use crate::domain::decide::Surroundings;
pub use crate::store::{Counts, EventFilter, Member, StoreError, StoreStats};
