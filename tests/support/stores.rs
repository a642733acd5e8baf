//! The backends that the same tests run over.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stagepost::clock::{self, Clock};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use stagepost::store::sled::SledStore;
use tokio::runtime::Handle;

use super::postgres::{self, Schema};
use super::wait::eventually;

/// How long what ran before may hold a store after its end.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a sled store may keep in memory, in bytes.
const CACHE: u64 = 8 << 20;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Memory,
    /// The same, as several nodes share it.
    SharedMemory,
    Sled,
    Postgres,
}

/// Where one test keeps its data; they go when this does.
pub enum Place {
    Memory(MemoryStore),
    Sled(PathBuf),
    Postgres(Schema),
}

impl Place {
    /// An empty one, in `folder` if in files. `clock` is what leases go by in shared memory.
    pub fn new(backend: Backend, folder: &Path, clock: &Clock) -> Self {
        match backend {
            Backend::Memory => Self::Memory(MemoryStore::new()),
            Backend::SharedMemory => {
                let clock = clock.clone();
                Self::Memory(MemoryStore::shared(move || clock.now()))
            }
            Backend::Sled => Self::Sled(folder.join("store")),
            Backend::Postgres => Self::Postgres(postgres::schema()),
        }
    }

    /// Writes what it keeps elsewhere to a file in `folder`.
    pub fn dump(&self, folder: &Path) {
        match self {
            Self::Memory(_) | Self::Sled(_) => {}
            Self::Postgres(schema) => schema.dump(&folder.join("dump.sql")),
        }
    }

    /// Opens the store that is there.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(memory) => Arc::new(memory.clone()),
            Self::Sled(path) => {
                // The tasks of what ran before may hold it a moment longer.
                eventually("the store can be opened", PATIENCE, async || {
                    SledStore::open(path, CACHE, sealer()).ok().map(|store| Arc::new(store) as Arc<dyn Store>)
                })
                .await
            }
            Self::Postgres(schema) => {
                let store = PostgresStore::open(schema.url(), sealer(), Handle::current()).await;
                Arc::new(store.expect("the database"))
            }
        }
    }
}

/// Seals under the key that these tests have.
fn sealer() -> Sealer {
    Sealer::new("the key of the tests, whatever the store", clock::entropy)
}
