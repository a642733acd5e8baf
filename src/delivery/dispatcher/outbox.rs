//! What the dispatcher needs of the floors beside and below it, and no more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::definition::Definitions;
use crate::domain::delivery::Delivery;
use crate::domain::health::Health;
use crate::domain::ids::{DeliveryId, JourneyId, UserKey};
use crate::domain::limits::MAX_CLAIM_BYTES;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, Leases, Settlement};
use crate::store::{Store, StoreError};

/// What is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// That.
    pub deliveries: Vec<Delivery>,
    /// When there will be something next, beyond those and those of busy users; `None` where nothing waits.
    pub next: Option<Timestamp>,
}

/// Deliveries that are read at once.
const PIECE: usize = 256;
/// Deliveries of one user that are read at once.
const BEHIND: usize = 32;

/// The queue of things to send.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The definitions in force, and word of every change.
    fn definitions(&self) -> watch::Receiver<Arc<Definitions>>;

    /// How destinations fare, and word of every change.
    fn healths(&self) -> watch::Receiver<Arc<BTreeMap<String, Health>>>;

    /// What this node may send to, where several nodes share the queue.
    fn leases(&self) -> Leases {
        Leases::everything()
    }

    /// What is due at `destination`, at most `limit`, those of `busy` users left out: of each user the first pending delivery,
    /// see [`Store::due_deliveries`], and those behind it up to `per_user`; in the order they were made where that is more than 1.
    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<Claimed, StoreError>;

    /// How many deliveries are due at `destination`, up to `limit`, and since when the one that is due for longest; of each user
    /// one, or all where `per_user` is more than 1. See [`Store::count_due`].
    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<(usize, Option<Timestamp>), StoreError>;

    /// Writes down what came of attempts that were made together; returns once it is on disk.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), EngineError>;

    /// Gives up what has waited longer than its destination lets it; returns once it is on disk.
    async fn expire(&self, ids: Vec<DeliveryId>) -> Result<(), EngineError>;

    /// Takes back what tells of journeys that nobody needs to be told of any more; answers which, once it is on disk.
    async fn withdraw(&self, deliveries: &[Delivery]) -> Result<Vec<DeliveryId>, EngineError>;

    /// Waits until deliveries were made since the last call; answers for which destinations. One caller at a time.
    async fn made(&self) -> BTreeSet<String>;
}

/// The outbox of the running server: read from the store, settled by the engine.
#[derive(Clone)]
pub struct EngineOutbox {
    engine: Engine,
    store: Arc<dyn Store>,
}

impl EngineOutbox {
    /// Over `store`, which has to be the engine's own.
    pub fn new(engine: Engine, store: Arc<dyn Store>) -> Self {
        Self { engine, store }
    }
}

/// The store may block the thread that reads the queue, so those reads happen where blocking is no harm.
async fn off_thread<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going down; whoever waits goes with it.
        Err(_) => std::future::pending().await,
    }
}

async fn due(
    store: &dyn Store,
    destination: &str,
    now: Timestamp,
    mut busy: HashSet<UserKey>,
    limit: usize,
    per_user: usize,
) -> Result<Claimed, StoreError> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut bytes = 0;
    // A piece at a time, so that no more is read than goes into memory.
    while deliveries.len() < limit && bytes < MAX_CLAIM_BYTES {
        let piece = (limit - deliveries.len()).min(PIECE);
        let heads = store.due_deliveries(destination, now, &busy, piece).await?;
        let is_last = heads.len() < piece;
        busy.extend(heads.iter().map(|head| head.user.clone()));
        for head in heads {
            if deliveries.len() >= limit || bytes >= MAX_CLAIM_BYTES {
                break;
            }
            let (user, mut last, mut own) = (head.user.clone(), head.id, 1);
            bytes += head.weight();
            deliveries.push(head);
            // What stands behind it, a few at a time.
            while own < per_user && deliveries.len() < limit && bytes < MAX_CLAIM_BYTES {
                let room = (limit - deliveries.len()).min(per_user - own).min(BEHIND);
                let behind = store.pending_of(destination, &user, Some(last), room).await?;
                let found = behind.len();
                let due = behind.into_iter().take_while(|delivery| delivery.next_attempt_at <= now);
                let before = own;
                for delivery in due {
                    (last, own) = (delivery.id, own + 1);
                    bytes += delivery.weight();
                    deliveries.push(delivery);
                }
                if found < room || own - before < found {
                    break;
                }
            }
        }
        if is_last {
            break;
        }
    }
    if per_user > 1 {
        deliveries.sort_by_key(|delivery| delivery.id);
        // What stood behind may be of the commit under way, and nothing leaves before it is on the disk.
        store.on_disk().await?;
    }
    if deliveries.len() >= limit || bytes >= MAX_CLAIM_BYTES {
        return Ok(Claimed { deliveries, next: Some(now) });
    }
    let next = store.next_delivery(destination, &busy).await?;
    Ok(Claimed { deliveries, next })
}

#[async_trait]
impl Outbox for EngineOutbox {
    fn definitions(&self) -> watch::Receiver<Arc<Definitions>> {
        self.engine.watch_definitions()
    }

    fn healths(&self) -> watch::Receiver<Arc<BTreeMap<String, Health>>> {
        self.engine.watch_healths()
    }

    fn leases(&self) -> Leases {
        self.engine.leases().clone()
    }

    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<Claimed, StoreError> {
        let (store, destination, busy) = (self.store.clone(), destination.to_owned(), busy.clone());
        off_thread(async move { due(&*store, &destination, now, busy, limit, per_user).await }).await
    }

    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<(usize, Option<Timestamp>), StoreError> {
        let (store, destination, busy) = (self.store.clone(), destination.to_owned(), busy.clone());
        off_thread(async move { store.count_due(&destination, now, &busy, limit, per_user > 1).await }).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), EngineError> {
        self.engine.settle(settlements).await
    }

    async fn expire(&self, ids: Vec<DeliveryId>) -> Result<(), EngineError> {
        self.engine.expire(ids).await
    }

    async fn withdraw(&self, deliveries: &[Delivery]) -> Result<Vec<DeliveryId>, EngineError> {
        let stalls = deliveries.iter().flat_map(Delivery::stalls);
        let wanted: Vec<JourneyId> = stalls.map(|(journey, _)| journey).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (store, ids) = (self.store.clone(), wanted.clone());
        let found = off_thread(async move { store.journeys_by_id(&ids).await }).await?;
        let journeys: HashMap<_, _> = wanted.into_iter().zip(found).collect();
        let find = |id| journeys.get(&id).and_then(Option::as_ref);
        let overtaken = deliveries.iter().filter(|delivery| delivery.overtaken(find).is_some());
        let overtaken: Vec<_> = overtaken.map(|delivery| delivery.id).collect();
        if !overtaken.is_empty() {
            self.engine.withdraw(overtaken.clone()).await?;
        }
        Ok(overtaken)
    }

    async fn made(&self) -> BTreeSet<String> {
        self.engine.deliveries_made().await
    }
}
