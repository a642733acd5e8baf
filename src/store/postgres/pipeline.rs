//! Statements of one transaction, sent together and answered together: what they cost is round trips, not statements.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::{join_all, join3};
use futures_util::{StreamExt as _, pin_mut};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::connect::Connection;

/// A value for a statement.
pub(super) type Param<'c> = Box<dyn ToSql + Sync + Send + 'c>;

/// A statement with its values.
pub(super) struct Step<'c> {
    pub sql: &'static str,
    pub params: Vec<Param<'c>>,
}

/// What a statement answered.
pub(super) struct Answer {
    pub rows: Vec<Row>,
    /// How many rows it wrote (or found).
    pub affected: u64,
}

/// What a store has asked of its database so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Round trips of calls that only read.
    pub reads: u64,
    /// Commits that took place.
    pub commits: u64,
    /// Statements of commits, with `BEGIN`, `COMMIT` and `ROLLBACK`.
    pub statements: u64,
    /// How often a commit waited for the database.
    pub round_trips: u64,
    /// Transactions that were done again: after a deadlock, or a lost connection.
    pub repeated: u64,
    /// Commits that were refused ([`crate::store::StoreError::Conflict`]).
    pub conflicts: u64,
}

/// The same as it is counted.
#[derive(Default)]
pub(super) struct Counted {
    pub reads: AtomicU64,
    pub commits: AtomicU64,
    pub statements: AtomicU64,
    pub round_trips: AtomicU64,
    pub repeated: AtomicU64,
    pub conflicts: AtomicU64,
}

impl Counted {
    pub(super) fn read(&self) -> Costs {
        let read = |cost: &AtomicU64| cost.load(Ordering::Relaxed);
        Costs {
            reads: read(&self.reads),
            commits: read(&self.commits),
            statements: read(&self.statements),
            round_trips: read(&self.round_trips),
            repeated: read(&self.repeated),
            conflicts: read(&self.conflicts),
        }
    }

    /// One more round trip that only reads.
    pub(super) fn read_trip(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// One more round trip, with that many statements.
    pub(super) fn trip(&self, statements: usize) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.statements.fetch_add(u64::try_from(statements).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// How a transaction of one round trip begins: all is read as of one instant.
pub(super) const READING: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
/// How a transaction begins that writes.
pub(super) const WRITING: &str = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// Sends `begin`, `steps` and `end` in one go, and waits for all answers, which come in the same order. Statements that this
/// connection has not seen yet are prepared first, which takes a round trip more.
///
/// # Errors
/// That of the first statement that failed: inside a transaction the later ones fail because of it.
pub(super) async fn run(
    connection: &Connection,
    begin: Option<&str>,
    steps: &[Step<'_>],
    end: Option<&str>,
) -> Result<Vec<Answer>, Error> {
    let prepared = join_all(steps.iter().map(|step| connection.prepare_cached(step.sql))).await;
    let prepared = prepared.into_iter().collect::<Result<Vec<_>, Error>>()?;
    // A request is sent when its future is first polled; both of these poll theirs in order.
    let answers =
        join_all(steps.iter().zip(&prepared).map(|(step, statement)| ask(connection, step, statement)));
    let (begun, answers, ended) = join3(say(connection, begin), answers, say(connection, end)).await;
    begun?;
    let answers = answers.into_iter().collect::<Result<_, _>>()?;
    ended?;
    Ok(answers)
}

async fn say(connection: &Connection, words: Option<&str>) -> Result<(), Error> {
    match words {
        Some(words) => connection.batch_execute(words).await,
        None => Ok(()),
    }
}

async fn ask(connection: &Connection, step: &Step<'_>, statement: &Statement) -> Result<Answer, Error> {
    let rows = connection.query_raw(statement, step.params.iter().map(borrowed)).await?;
    pin_mut!(rows);
    let mut answer = Answer { rows: Vec::new(), affected: 0 };
    while let Some(row) = rows.next().await {
        answer.rows.push(row?);
    }
    answer.affected = rows.rows_affected().unwrap_or(0);
    Ok(answer)
}

fn borrowed<'p>(param: &'p Param<'_>) -> &'p (dyn ToSql + Sync) {
    &**param
}
