//! All that writers hold in memory: definitions, backfills, how destinations fare, replays, and how often they were written.

use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::connect::Use;
use super::pipeline::{Answer, Step};
use super::writes::{REVISIONS, read_revisions};
use super::{PostgresStore, rows, secrets};
use crate::domain::change::Revisions;
use crate::store::{Result, Rulebook, codec};

/// In the order of [`Rulebook`]'s fields.
const ALL: [&str; 5] = [
    REVISIONS,
    "SELECT kind, key, body FROM definitions",
    "SELECT id::text AS name, body FROM backfills ORDER BY id",
    "SELECT destination AS name, body FROM healths ORDER BY destination",
    "SELECT id::text AS name, body FROM replays ORDER BY id",
];

impl PostgresStore {
    /// How often definitions and their like were written.
    pub(super) async fn revisions(&self) -> Result<Revisions> {
        read_revisions(&self.ask(Use::Writing, REVISIONS, &[]).await?)
    }

    /// All of it as of one instant. One round trip.
    pub(super) async fn rulebook(&self) -> Result<Rulebook> {
        let answers = self.snapshot(&ALL.map(|sql| Step { sql, params: Vec::new() })).await?;
        let [revisions, definitions, backfills, healths, replays] = answers.as_slice() else {
            unreachable!("as many answers as statements");
        };
        let open = |row: &Row| secrets::open(&self.sealer, &self.link.place, row);
        let mut definitions = definitions.rows.iter().map(open).collect::<Result<Vec<_>>>()?;
        // Kinds have an order of their own.
        definitions.sort_by(|a, b| (a.kind(), a.key()).cmp(&(b.kind(), b.key())));
        Ok(Rulebook {
            revisions: read_revisions(&revisions.rows)?,
            definitions,
            backfills: bodies("backfill", backfills)?,
            healths: bodies("health of a destination", healths)?,
            replays: bodies("replay", replays)?,
        })
    }
}

/// Records in rows with `name` and `body`.
fn bodies<T: DeserializeOwned>(kind: &str, answer: &Answer) -> Result<Vec<T>> {
    let record = |row: &Row| {
        let (name, body): (&str, &[u8]) = (rows::column(row, "name")?, rows::column(row, "body")?);
        rows::read_body(|| codec::name(kind, name.as_bytes()), body)
    };
    answer.rows.iter().map(record).collect()
}
