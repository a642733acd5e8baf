//! The backends that every behaviour is shown on.

use std::any::Any;
use std::sync::Arc;

use stagepost::clock::{self, Clock};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use stagepost::store::sled::SledStore;
use tokio::runtime::Handle;

use crate::support::postgres::{Schema, schema};

/// An open store, and what has to stay alive with it.
pub struct Opened {
    pub store: Arc<dyn Store>,
    _kept: Box<dyn Any + Send>,
}

impl Opened {
    fn new(store: impl Store, kept: impl Any + Send) -> Self {
        Self { store: Arc::new(store), _kept: Box::new(kept) }
    }
}

/// Seals under the key that these tests have.
pub fn sealer() -> Sealer {
    Sealer::new("the key of the tests of the store", clock::entropy)
}

pub fn memory() -> Opened {
    Opened::new(MemoryStore::new(), ())
}

/// The memory backend as several nodes would share it.
pub fn shared_memory() -> Opened {
    Opened::new(MemoryStore::shared(|| Clock::system().now()), ())
}

pub fn sled() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(&dir.path().join("data"), 8 << 20, sealer()).unwrap();
    Opened::new(store, dir)
}

/// In a schema of its own.
pub async fn postgres() -> Opened {
    let schema = schema();
    Opened::new(open_postgres(&schema).await, schema)
}

/// Another node's handle to the store in that schema.
pub async fn open_postgres(schema: &Schema) -> PostgresStore {
    PostgresStore::open(schema.url(), sealer(), Handle::current()).await.unwrap()
}

macro_rules! on_every_backend {
    ($($behaviour:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::memory().store).await
            })*
        }
        mod on_shared_memory {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::shared_memory().store).await
            })*
        }
        mod on_sled {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::sled().store).await
            })*
        }
        mod on_postgres {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::postgres().await.store).await
            })*
        }
    };
}

macro_rules! on_every_shared_backend {
    ($($behaviour:ident),* $(,)?) => {
        mod on_shared_memory {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::shared_memory().store).await
            })*
        }
        mod on_postgres {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::postgres().await.store).await
            })*
        }
    };
}
