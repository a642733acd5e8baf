//! How an engine begins: what its handles and the writer share, and the ids after those that were given before.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};

use super::command::Command;
use super::debugger::Debugger;
use super::handle::{DeliveriesMade, Pulse, Shared};
use super::in_force::{InForce, Present};
use super::leases::Leases;
use super::people::{Passwords, Uses};
use super::settle::Healths;
use crate::clock::Clock;
use crate::domain::backfill::Backfill;
use crate::domain::definition::Definitions;
use crate::domain::delivery::DeliveryFilter;
use crate::domain::ids::{AuditId, IdSource, ReplayId};
use crate::domain::journey::JourneyFilter;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::replay::Replay;
use crate::domain::shelf::Shelf;
use crate::store::{Store, StoreError};

/// The ends of the channels that the writer holds.
pub(super) struct Ends {
    pub published: watch::Sender<Arc<Definitions>>,
    pub published_backfills: watch::Sender<Arc<Vec<Backfill>>>,
    pub published_healths: watch::Sender<Healths>,
    pub published_replays: watch::Sender<Arc<BTreeMap<ReplayId, Replay>>>,
    pub commands: mpsc::Receiver<Command>,
    /// Those of the writers that take events in beside this one.
    pub events: Vec<mpsc::Receiver<Command>>,
}

/// What the engine's handles, the writer and `writers` more that take events in share, and the ends that the writer holds.
pub(super) fn connect(
    store: Arc<dyn Store>,
    clock: Clock,
    writers: usize,
    in_force: &Arc<InForce>,
    ids: &mut IdSource,
) -> (Arc<Shared>, Ends) {
    let rules = &in_force.rules;
    let (published_backfills, backfills) = watch::channel(Arc::new(rules.backfills.clone()));
    let (published_healths, healths) = watch::channel(Arc::clone(&in_force.healths));
    let (published_replays, replays) = watch::channel(Arc::new(in_force.replays.clone()));
    let (published, definitions) = watch::channel(Arc::clone(&rules.definitions));
    let (sender, commands) = mpsc::channel(limits::QUEUE_COMMANDS);
    let lanes: Vec<_> = (0..writers).map(|_| mpsc::channel(limits::QUEUE_COMMANDS)).collect();
    let (mut ingest, events): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
    if ingest.is_empty() {
        ingest.push(sender.clone());
    }
    let node = ids.ksuid("node_", clock.now());
    let shared = Arc::new(Shared {
        commands: sender,
        ingest,
        queue_places: Arc::new(Semaphore::new(limits::QUEUE_COMMANDS)),
        queue_kilobytes: Arc::new(Semaphore::new(limits::QUEUE_BYTES / 1024 + 1024)),
        definitions,
        backfills,
        healths,
        replays,
        present: Present::new(Arc::clone(in_force)),
        newest_id: Mutex::new(ids.newest()),
        leases: if store.is_shared() { Leases::of_node(node) } else { Leases::everything() },
        passwords: Passwords::default(),
        uses: Uses::default(),
        is_set_up: AtomicBool::default(),
        store,
        clock,
        debugger: Debugger::default(),
        pulse: Pulse::default(),
        deliveries_made: DeliveriesMade::default(),
    });
    let ends =
        Ends { published, published_backfills, published_healths, published_replays, commands, events };
    (shared, ends)
}

/// Ids go on rising after a restart, even if the clock went back meanwhile: the order of deliveries hangs on it.
pub(super) async fn start_after_newest(ids: &mut IdSource, store: &dyn Store) -> Result<(), StoreError> {
    let newest = PageRequest { limit: 1, cursor: None };
    if let Some(event) = store.last_event().await? {
        ids.start_after(event.to_bytes());
    }
    for journey in store.journeys(&JourneyFilter::default(), &newest).await?.rows {
        ids.start_after(journey.id.to_bytes());
    }
    for delivery in store.deliveries(&DeliveryFilter::default(), &newest).await?.rows {
        ids.start_after(delivery.id.to_bytes());
    }
    for entry in store.entries(Shelf::Audit, &newest).await?.rows {
        entry.key.parse::<AuditId>().into_iter().for_each(|id| ids.start_after(id.to_bytes()));
    }
    Ok(())
}
