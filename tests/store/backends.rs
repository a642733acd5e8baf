//! The backends that every behaviour is shown on.

use std::sync::Arc;

use stagepost::clock::{self, Clock};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;
use stagepost::store::seal::Sealer;
use stagepost::store::sled::SledStore;

/// An open store, and what has to stay alive with it.
pub struct Opened {
    pub store: Arc<dyn Store>,
    _dir: Option<tempfile::TempDir>,
}

/// Seals under the key that these tests have.
pub fn sealer() -> Sealer {
    Sealer::new("the key of the tests of the store", clock::entropy)
}

pub fn memory() -> Opened {
    Opened { store: Arc::new(MemoryStore::new()), _dir: None }
}

/// The memory backend as several nodes would share it.
pub fn shared_memory() -> Opened {
    Opened { store: Arc::new(MemoryStore::shared(Clock::system())), _dir: None }
}

pub fn sled() -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(&dir.path().join("data"), 8 << 20, sealer()).unwrap();
    Opened { store: Arc::new(store), _dir: Some(dir) }
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
    };
}

macro_rules! on_every_shared_backend {
    ($($behaviour:ident),* $(,)?) => {
        mod on_shared_memory {
            $(#[tokio::test] async fn $behaviour() {
                super::$behaviour(&*crate::backends::shared_memory().store).await
            })*
        }
    };
}
