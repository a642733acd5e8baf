//! What the dispatcher needs of the floors beside and below it, and no more.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::definition::Definitions;
use crate::domain::delivery::Delivery;
use crate::domain::ids::UserKey;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, Settlement};
use crate::store::{Store, StoreError};

/// The queue of things to send.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The definitions in force, and word of every change.
    fn definitions(&self) -> watch::Receiver<Arc<Definitions>>;

    /// The first pending delivery of each user to `destination` that is due, those of `busy` users left out; see
    /// [`Store::due_deliveries`].
    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// When [`Self::due`] will have something next; see [`Store::next_delivery`].
    async fn next(&self, destination: &str, busy: &HashSet<UserKey>)
    -> Result<Option<Timestamp>, StoreError>;

    /// Writes down what came of an attempt; returns once it is on disk.
    async fn settle(&self, settlement: Settlement) -> Result<(), EngineError>;

    /// Waits until deliveries were made since the last call. One caller at a time.
    async fn made(&self);
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

#[async_trait]
impl Outbox for EngineOutbox {
    fn definitions(&self) -> watch::Receiver<Arc<Definitions>> {
        self.engine.watch_definitions()
    }

    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let (store, destination, busy) = (self.store.clone(), destination.to_owned(), busy.clone());
        off_thread(async move { store.due_deliveries(&destination, now, &busy, limit).await }).await
    }

    async fn next(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (store, destination, busy) = (self.store.clone(), destination.to_owned(), busy.clone());
        off_thread(async move { store.next_delivery(&destination, &busy).await }).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), EngineError> {
        self.engine.settle(settlement).await
    }

    async fn made(&self) {
        self.engine.deliveries_made().await;
    }
}
