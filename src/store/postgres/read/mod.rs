//! Everything that reads. Each call is a constant number of round trips, whatever the number of users, ids or lanes it asks
//! for, but for lists that look for something no index knows: those take steps, see [`lists`].

mod figures;
mod journey_lists;
pub(super) mod journeys;
mod lists;
mod log;
mod members;
mod outbox;
mod profiles;
mod shelves;
mod totals;
mod unlisted;

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::rows::{column, key, shard};
use crate::domain::ids::UserKey;
use crate::store::{Result, StoreError};

/// Where rows of users are: their shards and their keys, in the same order.
struct Places<'u> {
    shards: Vec<i16>,
    keys: Vec<Cow<'u, str>>,
}

impl<'u> Places<'u> {
    fn of(users: impl IntoIterator<Item = &'u UserKey>) -> Self {
        let (shards, keys) = users.into_iter().map(|user| (shard(user), key(user))).unzip();
        Self { shards, keys }
    }
}

/// The place, from 0 on, in what was asked for; statements number it from 1 on (`WITH ORDINALITY`).
fn place(row: &Row, asked: usize) -> Result<usize> {
    let place: i64 = column(row, "place")?;
    let place = usize::try_from(place - 1).ok().filter(|place| *place < asked);
    place.ok_or_else(|| StoreError::Corrupt {
        place: "an answer of the database".to_owned(),
        detail: "it is of something that was not asked for".to_owned(),
    })
}

/// What was read of each row, in the order in which it was asked for; `None` where there is no row.
fn in_order<T>(
    asked: usize,
    rows: &[Row],
    read: impl Fn(usize, &Row) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let mut found: Vec<Option<T>> = Vec::new();
    found.resize_with(asked, || None);
    for row in rows {
        let place = place(row, asked)?;
        found[place] = Some(read(place, row)?);
    }
    Ok(found)
}

impl PostgresStore {
    /// The one row that a statement finds, if it finds one.
    async fn row(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }
}
