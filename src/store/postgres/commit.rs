//! One change set, one transaction: all of it or nothing, once and not twice.
//!
//! | round trip | what is sent |
//! |---|---|
//! | 1 | `BEGIN`, the commit's name, the fence, and everything that depends on no answer |
//! | (2) | what does: sizes of audiences, adopted journeys, the past of a backfill |
//! | 3 | `COMMIT`, or `ROLLBACK` where an answer is not what it has to be |
//!
//! A transaction that the database broke off (a deadlock, a lost connection) is sent again. The name is what makes that safe where
//! nobody knows whether a `COMMIT` took place: a transaction that finds its name there has nothing more to do.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_postgres::Error;

use super::connect::{InTransaction, Use};
use super::errors::{self, Failure};
use super::writes::{Commit, First};
use super::{PostgresStore, pipeline};
use crate::domain::change::ChangeSet;
use crate::store::{Done, Result, StoreError};

/// How often a transaction is sent again after a deadlock or its like.
const REPEATS: u32 = 20;
/// How often after a lost connection, while it is certain that nothing was written.
const RECONNECTS: u32 = 2;
/// How long it is tried to find out whether a commit took place.
const DOUBT: Duration = Duration::from_secs(30);
/// Longest wait before a transaction is sent again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often old names of commits are removed.
const SWEEP: Duration = Duration::from_secs(60);

/// How one try ended, where it did not end with an answer.
enum Broken {
    /// It did not take place, and may when it is sent again.
    Again(StoreError),
    /// The connection was lost before `COMMIT` was sent, or is no use (a standby): it did not take place.
    Lost(StoreError),
    /// It took too long, or no connection was free: this time it did not take place, and to send it again makes that worse.
    Slow(StoreError),
    /// The connection was lost after that.
    Doubtful(StoreError),
    /// It did not take place, and that is that.
    Refused(StoreError),
}

impl Broken {
    /// No connection was to be had.
    fn unreached(error: StoreError) -> Self {
        if matches!(error, StoreError::Overloaded { .. }) { Self::Slow(error) } else { Self::Lost(error) }
    }
}

impl PostgresStore {
    /// Writes all of `changes` or nothing. Here nothing can be seen that would not survive a loss of power, so that there is
    /// nothing to wait for after it.
    pub(super) async fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        let committed = self.commit_changes(changes).await;
        done(committed.as_ref().copied());
        committed
    }

    async fn commit_changes(&self, changes: &ChangeSet) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let slot = self.slots.take();
        let commit = Commit { changes, sealer: &self.sealer, id: self.fresh_uuid(), slot: slot.number() };
        let committed = self.commit_until_known(commit, &First::new(commit)?).await;
        match &committed {
            Ok(()) => self.counted.commits.fetch_add(1, Ordering::Relaxed),
            Err(StoreError::Conflict(_)) => self.counted.conflicts.fetch_add(1, Ordering::Relaxed),
            Err(_) => 0,
        };
        self.sweep_commits_now_and_then();
        committed
    }

    /// Sends the transaction until it is known what became of it, or it is of no use to go on.
    async fn commit_until_known(&self, commit: Commit<'_>, first: &First<'_>) -> Result<()> {
        let (mut repeats, mut reconnects) = (0, 0);
        let mut in_doubt_since = None;
        loop {
            let error = match self.try_commit(commit, first).await {
                Ok(()) => return Ok(()),
                Err(Broken::Refused(error)) => return Err(error),
                Err(Broken::Again(error)) if repeats == REPEATS => return Err(error),
                Err(Broken::Again(_)) => {
                    repeats += 1;
                    None
                }
                // In doubt it goes on: it may have taken place before.
                Err(Broken::Slow(error)) if in_doubt_since.is_none() => return Err(error),
                Err(Broken::Lost(error) | Broken::Slow(error)) => Some(error),
                Err(Broken::Doubtful(error)) => {
                    in_doubt_since.get_or_insert_with(Instant::now);
                    Some(error)
                }
            };
            if let Some(error) = error {
                reconnects += 1;
                let goes_on = match in_doubt_since {
                    Some(since) => since.elapsed() < DOUBT,
                    None => reconnects <= RECONNECTS,
                };
                if !goes_on {
                    return Err(error);
                }
            }
            self.counted.repeated.fetch_add(1, Ordering::Relaxed);
            self.pause(repeats + reconnects).await;
        }
    }

    async fn try_commit(&self, commit: Commit<'_>, first: &First<'_>) -> std::result::Result<(), Broken> {
        let connection = self.link.connection(Use::Writing).await.map_err(Broken::unreached)?;
        let transaction = InTransaction::new(connection);
        let (plan, counted) = (&first.plan, &self.counted);
        counted.trip(1 + plan.steps.len());
        let answers = pipeline::run(transaction.connection(), Some(pipeline::WRITING), &plan.steps, None);
        let answers = self.link.bounded(answers).await.map_err(Broken::Lost)?;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => return Err(self.rolled_back(transaction, &error).await),
        };
        if first.is_done(&answers) {
            self.roll_back(transaction).await;
            return self.confirm(commit).await;
        }
        let second = match plan.check(&answers).and_then(|()| first.second(commit, &answers)) {
            Ok(second) => second,
            Err(error) => {
                self.roll_back(transaction).await;
                return Err(Broken::Refused(error));
            }
        };
        if let Some(plan) = second {
            counted.trip(plan.steps.len());
            let answers = pipeline::run(transaction.connection(), None, &plan.steps, None);
            let checked = match self.link.bounded(answers).await.map_err(Broken::Lost)? {
                Ok(answers) => plan.check(&answers),
                Err(error) => return Err(self.rolled_back(transaction, &error).await),
            };
            if let Err(error) = checked {
                self.roll_back(transaction).await;
                return Err(Broken::Refused(error));
            }
        }
        counted.trip(1);
        let ended = self.link.bounded(transaction.connection().batch_execute("COMMIT")).await;
        match ended.map_err(Broken::Doubtful)? {
            Ok(()) => {
                transaction.end();
                Ok(())
            }
            Err(error) => Err(match errors::failure(&error) {
                Failure::Away | Failure::Overloaded => Broken::Doubtful(self.link.failed(&error)),
                _ => self.broken(&error),
            }),
        }
    }

    /// Makes sure that a commit whose name was found survives whatever this one would have: its own wait for a standby may have been
    /// broken off, and one that comes after it waits for both.
    async fn confirm(&self, commit: Commit<'_>) -> std::result::Result<(), Broken> {
        let connection = self.link.connection(Use::Writing).await.map_err(Broken::Doubtful)?;
        self.counted.trip(1);
        let touch =
            async { connection.execute("UPDATE commits SET at = now() WHERE id = $1", &[&commit.id]).await };
        match self.link.bounded(touch).await.map_err(Broken::Doubtful)? {
            Ok(_) => Ok(()),
            Err(error) => Err(Broken::Doubtful(self.link.failed(&error))),
        }
    }

    /// Ends a transaction of which a statement failed; says what that means.
    async fn rolled_back(&self, transaction: InTransaction, error: &Error) -> Broken {
        let broken = self.broken(error);
        if !matches!(broken, Broken::Lost(_)) {
            self.roll_back(transaction).await;
        }
        broken
    }

    fn broken(&self, error: &Error) -> Broken {
        let told = self.link.failed(error);
        match errors::failure(error) {
            Failure::Away | Failure::Refused => Broken::Lost(told),
            Failure::Again => Broken::Again(told),
            Failure::Overloaded => Broken::Slow(told),
            Failure::TooLarge => Broken::Refused(told),
        }
    }

    /// Where that fails, the connection is closed, which does the same.
    async fn roll_back(&self, transaction: InTransaction) {
        self.counted.trip(1);
        let ended = self.link.bounded(transaction.connection().batch_execute("ROLLBACK")).await;
        if matches!(ended, Ok(Ok(()))) {
            transaction.end();
        }
    }

    /// Waits before the transaction is sent again: longer each time, and not as long as somebody else who does the same.
    async fn pause(&self, times: u32) {
        let most = PAUSE.min(Duration::from_millis(2_u64.saturating_pow(times.min(16))));
        self.link.sleep(most.mul_f64(self.fraction())).await;
    }

    /// Removes the names of old commits, in the background: nobody is in doubt about one for so long.
    fn sweep_commits_now_and_then(&self) {
        const MOST: u64 = 50_000;
        const DELETE: &str = "DELETE FROM commits WHERE id IN ( \
            SELECT id FROM commits WHERE at < now() - interval '1 hour' ORDER BY at LIMIT 50000 FOR UPDATE SKIP LOCKED)";
        if !self.sweep_is_due(SWEEP) {
            return;
        }
        let link = std::sync::Arc::clone(&self.link);
        self.link.handle().spawn(async move {
            // Whatever goes wrong, it is tried again in a minute.
            let Ok(connection) = link.connection(Use::Reading).await else { return };
            loop {
                match link.bounded(async { connection.execute(DELETE, &[]).await }).await {
                    Ok(Ok(MOST)) => {}
                    Ok(Err(error)) => {
                        return tracing::debug!(
                            error = errors::text(&error),
                            "old names of commits stay for now"
                        );
                    }
                    Ok(Ok(_)) | Err(_) => return,
                }
            }
        });
    }
}
