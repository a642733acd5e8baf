//! The tables, and the key that secrets are sealed under: looked at, and brought up to date, whenever a node starts.
//!
//! Versions are numbered and only go up. Nodes that start at the same time take turns: whoever locks the row of the version first
//! does the work. Each migration is written so that one that was cut short can be run again, for databases whose transactions do not
//! undo what was done to tables.

use std::path::PathBuf;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::connect::Connection;
use super::{errors, upgrade};
use crate::store::seal::Sealer;
use crate::store::{Result, StoreError};

/// What makes version 1 of nothing, version 2 of version 1, and so on.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tables.sql"),
    include_str!("migrations/0002_console.sql"),
    include_str!("migrations/0003_lists.sql"),
];

/// The version that knows which stalls were acknowledged.
const LISTS: u32 = 3;

/// The first table; it holds the version of all others.
const META: &str =
    "CREATE TABLE IF NOT EXISTS meta (key text COLLATE \"C\" PRIMARY KEY, value text NOT NULL)";

/// What may go without: how often tables are swept and measured, and room in pages of rows that are rewritten. What is measured while
/// it holds one row makes plans that read all of it. Relatives of PostgreSQL know not all of these.
const TUNING: [&str; 7] = [
    "ALTER TABLE lanes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 70)",
    "ALTER TABLE profiles SET (fillfactor = 70, autovacuum_analyze_threshold = 5000)",
    "ALTER TABLE counters SET (fillfactor = 70)",
    "ALTER TABLE figures SET (fillfactor = 70)",
    "ALTER TABLE deliveries SET (autovacuum_analyze_threshold = 5000)",
    "ALTER TABLE members SET (autovacuum_analyze_threshold = 5000)",
    "ALTER TABLE leaf_pages SET (autovacuum_analyze_threshold = 5000)",
];

/// How often making the first table is tried while other nodes make it, too.
const TRIES: u32 = 10;

/// Brings the tables up to date, and seals what is sealed under the sealer's previous key under its present one.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::WrongKey`], [`StoreError::Corrupt`], [`StoreError::Refused`] or [`StoreError::Away`].
pub(super) async fn prepare(connection: &Connection, place: &str, sealer: &Sealer) -> Result<()> {
    let failed = |error: Error| errors::of_call(place, &error);
    make_meta(connection).await.map_err(failed)?;
    connection.batch_execute("BEGIN; SET LOCAL statement_timeout = 0").await.map_err(failed)?;
    let prepared = in_transaction(connection, place, sealer).await;
    let end = if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let is_new = connection.batch_execute(end).await.map_err(failed).and(prepared)?;
    for statement in TUNING.iter().filter(|_| is_new) {
        if let Err(error) = connection.batch_execute(statement).await {
            tracing::debug!(error = errors::text(&error), statement, "tables are tuned less");
        }
    }
    Ok(())
}

async fn make_meta(connection: &Connection) -> std::result::Result<(), Error> {
    // Whoever may not make tables may still use those that are there.
    let there = connection.query_one("SELECT to_regclass('meta') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        let mut tries = 0;
        while let Err(error) = connection.batch_execute(META).await {
            // `IF NOT EXISTS` looks, and then makes: another node may come in between.
            let raced = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
            tries += 1;
            if tries == TRIES || !error.code().is_some_and(|code| raced.contains(code)) {
                return Err(error);
            }
        }
    }
    let first = "INSERT INTO meta (key, value) VALUES ('data_version', '0') ON CONFLICT DO NOTHING";
    connection.batch_execute(first).await
}

/// Answers whether tables were made or changed.
async fn in_transaction(connection: &Connection, place: &str, sealer: &Sealer) -> Result<bool> {
    let failed = |error: Error| errors::of_call(place, &error);
    let lock = "SELECT value FROM meta WHERE key = 'data_version' FOR UPDATE";
    let row = connection.query_one(lock, &[]).await.map_err(failed)?;
    let found: String = row.try_get(0).map_err(failed)?;
    let found: u32 = found.parse().map_err(|_| StoreError::Corrupt {
        place: format!("{place}, table meta"),
        detail: "data_version is no number".to_owned(),
    })?;
    let known = u32::try_from(MIGRATIONS.len()).expect("there are few migrations");
    if found > known {
        return Err(StoreError::Newer { path: PathBuf::from(place), found, known });
    }
    for (version, migration) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        connection.batch_execute(migration).await.map_err(failed)?;
        let done = format!("UPDATE meta SET value = '{version}' WHERE key = 'data_version'");
        connection.batch_execute(&done).await.map_err(failed)?;
        tracing::info!(version, place, "tables brought up to date");
    }
    if (1..LISTS).contains(&found) {
        upgrade::note_acknowledgements(connection, place).await?;
    }
    super::secrets::prepare(connection, place, sealer).await?;
    Ok(found < known)
}
