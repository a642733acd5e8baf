//! What writers go by: definitions, how far the past was read, how destinations fare, replays.
//!
//! Where several nodes share the store, each of its writers decides by this copy, and the store refuses what was decided on an
//! old one. Whoever notices first that there is a newer one reads it for all writers of the node.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::settle::Healths;
use crate::domain::change::Revisions;
use crate::domain::decide::{Rules, Surroundings};
use crate::domain::definition::Definitions;
use crate::domain::health::Health;
use crate::domain::ids::{IdSource, ReplayId};
use crate::domain::replay::Replay;
use crate::store::{Rulebook, Store, StoreError};

/// What writers go by, as it was stored.
#[derive(Clone)]
pub(super) struct InForce {
    pub rules: Arc<Rules>,
    pub healths: Healths,
    pub replays: BTreeMap<ReplayId, Replay>,
    pub revisions: Revisions,
}

impl InForce {
    /// Reads it all.
    pub async fn read(store: &dyn Store, surroundings: Surroundings) -> Result<Self, StoreError> {
        let Rulebook { revisions, definitions, backfills, healths, replays } = store.rulebook().await?;
        let mut known = Definitions::default();
        definitions.into_iter().for_each(|definition| known.put(definition));
        Ok(Self {
            rules: Arc::new(Rules::new(Arc::new(known), surroundings, backfills)),
            healths: by_destination(healths),
            replays: by_id(replays),
            revisions,
        })
    }

    /// What arrives from now on comes after the past that backfills read, whatever the clocks of other nodes say.
    pub fn start_after_past(&self, ids: &mut IdSource) {
        let ends = self.rules.backfills.iter().filter_map(|backfill| backfill.until);
        ends.for_each(|until| ids.start_after(until.to_bytes()));
    }

    /// Reads again what is not what is stored any more. How often it was written is read first: what is read then may be newer than
    /// that, never older, and the store refuses what is decided by it.
    async fn newer(&self, store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let (was, revisions) = (self.revisions, store.revisions().await?);
        if revisions == was {
            return Ok(None);
        }
        if revisions.definitions != was.definitions {
            return Self::read(store, self.rules.surroundings.clone()).await.map(Some);
        }
        // What was prepared of the definitions is worth keeping: a backfill moves on many times a second.
        let mut newer = Self { revisions, ..self.clone() };
        if revisions.backfills != was.backfills {
            newer.rules = Arc::new(self.rules.with_backfills(store.backfills().await?));
        }
        if revisions.healths != was.healths {
            newer.healths = by_destination(store.healths().await?);
        }
        if revisions.replays != was.replays {
            newer.replays = by_id(store.replays().await?);
        }
        Ok(Some(newer))
    }
}

fn by_destination(healths: Vec<Health>) -> Healths {
    Arc::new(healths.into_iter().map(|health| (health.destination.clone(), health)).collect())
}

fn by_id(replays: Vec<Replay>) -> BTreeMap<ReplayId, Replay> {
    replays.into_iter().map(|replay| (replay.id, replay)).collect()
}

/// What all writers of this node go by.
pub(super) struct Present {
    in_force: watch::Sender<Arc<InForce>>,
    /// Held while it is read, so that writers who were refused together read once.
    reading: Mutex<()>,
}

impl Present {
    pub fn new(in_force: Arc<InForce>) -> Self {
        Self { in_force: watch::Sender::new(in_force), reading: Mutex::default() }
    }

    pub fn get(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// What is stored now.
    pub async fn catch_up(&self, store: &dyn Store) -> Result<Arc<InForce>, StoreError> {
        let _alone = self.reading.lock().await;
        let known = self.get();
        match known.newer(store).await? {
            Some(newer) => {
                let newer = Arc::new(newer);
                self.in_force.send_replace(Arc::clone(&newer));
                Ok(newer)
            }
            None => Ok(known),
        }
    }
}
