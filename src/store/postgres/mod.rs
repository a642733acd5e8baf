//! The PostgreSQL backend: one database, any number of nodes.
//!
//! Nodes are equal and keep nothing. Each loads, decides, and commits in one transaction that is refused where something it was
//! decided on is no longer so (`commit`): nothing is locked in between. What a commit costs is round trips, and their number does
//! not depend on how much it writes (`pipeline`).

mod address;
mod commit;
mod connect;
mod errors;
mod leases;
mod pipeline;
mod plan;
mod read;
mod rows;
mod rulebook;
mod schema;
mod secrets;
mod slots;
mod stats;
mod store;
mod tls;
mod upgrade;
mod writes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::seal::Sealer;
use super::{Result, StoreError};
use connect::{Connection, InTransaction, Link, Use};
use errors::Failure;
use pipeline::{Answer, Counted, Step};
use slots::Slots;

pub use address::check as check_url;
pub use pipeline::Costs;

/// A store in a database that other nodes use, too.
pub struct PostgresStore {
    link: Arc<Link>,
    sealer: Sealer,
    /// For names of commits, and for how long to wait.
    rng: Mutex<StdRng>,
    slots: Slots,
    counted: Counted,
    /// When old names of commits were removed last.
    swept: Mutex<Instant>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.link.place).finish()
    }
}

impl PostgresStore {
    /// Opens the database at `url` (`postgres://user:password@host:port/database?sslmode=…`), and makes or upgrades its tables in
    /// the schema that comes first in the search path. What is sealed under the sealer's previous key is sealed under its present
    /// one. Connections live on the runtime of `handle`; the store may be called from any.
    ///
    /// # Errors
    /// [`StoreError::Away`] while the database can't be reached; [`StoreError::Refused`], [`StoreError::Newer`],
    /// [`StoreError::WrongKey`] or [`StoreError::Corrupt`] where it is of no use to try again. Nothing is ever deleted.
    pub async fn open(url: &str, sealer: Sealer, handle: Handle) -> Result<Self> {
        let refused = |detail| StoreError::Refused { place: "postgres".to_owned(), detail };
        let link = Link::new(address::read(url).map_err(refused)?, handle)?;
        let connection = link.first_connection().await?;
        schema::prepare(&connection, &link.place, &sealer).await?;
        drop(connection);
        let mut rng = StdRng::from_seed(sealer.entropy());
        Ok(Self {
            link: Arc::new(link),
            sealer,
            slots: Slots::new(&mut rng),
            rng: Mutex::new(rng),
            counted: Counted::default(),
            swept: Mutex::new(Instant::now()),
        })
    }

    /// What it has asked of the database so far.
    pub fn costs(&self) -> Costs {
        self.counted.read()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Away`] where it does not.
    pub async fn ping(&self) -> Result<()> {
        self.ask(Use::Writing, "SELECT 1", &[]).await.map(drop)
    }

    /// The rows that a statement which only reads finds. One that was asked of a lost connection is asked once more.
    async fn query(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.ask(Use::Reading, sql, params).await
    }

    /// The same, for that use.
    async fn ask(&self, purpose: Use, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let ask = async |connection: Connection| {
            self.counted.read_trip();
            let asked = match connection.prepare_cached(sql).await {
                Ok(statement) => connection.query(&statement, params).await,
                Err(error) => Err(error),
            };
            if asked.as_ref().is_err_and(|error| errors::failure(error) == Failure::Refused) {
                // A server that has changed its part, or a table that has changed: the next one knows better.
                connect::close(connection);
            }
            asked
        };
        let asked = self.link.bounded(ask(self.link.connection(purpose).await?)).await?;
        let again = asked.as_ref().is_err_and(errors::is_worth_another);
        let asked =
            if again { self.link.bounded(ask(self.link.connection(purpose).await?)).await? } else { asked };
        asked.map_err(|error| self.link.failed(&error))
    }

    /// What statements that only read find, all as of one instant; in one round trip.
    async fn snapshot(&self, steps: &[Step<'_>]) -> Result<Vec<Answer>> {
        self.counted.read_trip();
        self.transaction(pipeline::READING, steps).await.map_err(|(error, _)| error)
    }

    /// A transaction of which no answer has to be anything; in one round trip. An error comes with whether the same may well succeed
    /// at once.
    async fn transaction(
        &self,
        begin: &str,
        steps: &[Step<'_>],
    ) -> std::result::Result<Vec<Answer>, (StoreError, bool)> {
        let connection = self.link.connection(Use::Writing).await.map_err(|error| (error, false))?;
        let transaction = InTransaction::new(connection);
        let asked = pipeline::run(transaction.connection(), Some(begin), steps, Some("COMMIT"));
        let asked = self.link.bounded(asked).await.map_err(|error| (error, false))?;
        let failure = asked.as_ref().err().map(errors::failure);
        // Whatever came of it, `COMMIT` was sent; but a server that refuses this may have become a standby.
        if failure != Some(Failure::Refused) {
            transaction.end();
        }
        asked.map_err(|error| (self.link.failed(&error), failure == Some(Failure::Again)))
    }

    /// An id that nobody else makes.
    fn fresh_uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.rng().fill_bytes(&mut bytes);
        Uuid::from_bytes(bytes)
    }

    /// Anything from 0 to 1.
    fn fraction(&self) -> f64 {
        f64::from(self.rng().next_u32()) / f64::from(u32::MAX)
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is `every` ago that this said so.
    fn sweep_is_due(&self, every: Duration) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = swept.elapsed() >= every;
        if is_due {
            *swept = Instant::now();
        }
        is_due
    }
}
