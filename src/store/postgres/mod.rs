//! The PostgreSQL backend: one database, any number of nodes.
//!
//! Nodes are equal and keep nothing. Each loads, decides, and commits in one transaction that is refused where something it was
//! decided on is no longer so (`commit`): nothing is locked in between. What a commit costs is round trips, and their number does
//! not depend on how much it writes (`pipeline`).

mod address;
mod connect;
mod errors;
mod pipeline;
mod read;
mod rows;
mod schema;
mod secrets;
mod store;
mod tls;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::seal::Sealer;
use super::{Result, StoreError};
use connect::{Connection, InTransaction, Link};
use errors::Failure;
use pipeline::{Answer, Counted, Step};

pub use address::check as check_url;
pub use pipeline::Figures;

/// A store in a database that other nodes use, too.
pub struct PostgresStore {
    link: Arc<Link>,
    sealer: Sealer,
    counted: Counted,
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
        Ok(Self { link: Arc::new(link), sealer, counted: Counted::default() })
    }

    /// What it has asked of the database so far.
    pub fn figures(&self) -> Figures {
        self.counted.read()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Away`] where it does not.
    pub async fn ping(&self) -> Result<()> {
        self.query("SELECT 1", &[]).await.map(drop)
    }

    /// The rows that a statement which only reads finds. One that was asked of a lost connection is asked once more.
    async fn query(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let ask = async |connection: Connection| {
            let statement = connection.prepare_cached(sql).await?;
            connection.query(&statement, params).await
        };
        let asked = self.link.bounded(ask(self.link.connection().await?)).await?;
        let again = match &asked {
            Err(error) => matches!(errors::failure(error), Failure::Away | Failure::Again),
            Ok(_) => false,
        };
        let asked = if again { self.link.bounded(ask(self.link.connection().await?)).await? } else { asked };
        asked.map_err(|error| errors::of_call(&self.link.place, &error))
    }

    /// What statements that only read find, all as of one instant.
    async fn snapshot(&self, steps: &[Step<'_>]) -> Result<Vec<Answer>> {
        const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        let transaction = InTransaction::new(self.link.connection().await?);
        let asked = async {
            let answers = pipeline::run(transaction.connection(), Some(BEGIN), steps).await;
            transaction.connection().batch_execute("COMMIT").await?;
            answers
        };
        let answers = self.link.bounded(asked).await?;
        transaction.end();
        answers.map_err(|error| errors::of_call(&self.link.place, &error))
    }
}
