//! Connections: made on a runtime of the store's own choice, kept in a pool, made anew by themselves.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, PoolError};
use deadpool_postgres::ClientWrapper;
use tokio::runtime::Handle;
use tokio_postgres::{Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::{errors, tls};
use crate::domain::limits::MAX_WRITERS;
use crate::store::{Result, StoreError};

/// Most connections for calls that others wait for: one for each writer, and a few for all else. Only those are dialled that are needed.
const FOR_WRITERS: usize = MAX_WRITERS + 4;
/// Most connections for all other calls.
const FOR_READERS: usize = 10;
/// How often at most it is logged that the database refuses something.
const QUIET: Duration = Duration::from_secs(60);
/// How long a host may take to answer at all.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a connection may take until it can be used: its handshakes, and its settings.
const GREET: Duration = Duration::from_secs(6);
/// How long anything may take. The server breaks off a statement before (`SETTINGS`), so that this is for one that hangs.
const ANSWER: Duration = Duration::from_secs(12);
/// After how much silence the kernel asks whether the other side is there, and how long it believes in it.
const SILENCE: Duration = Duration::from_secs(10);
/// How often it asks then.
const PROBE: Duration = Duration::from_secs(2);
/// How long it is not tried again to connect after that failed.
const REST: Duration = Duration::from_secs(1);

/// What every connection is set to. Statements are broken off before we give up on them, and so is a transaction of ours when
/// this process is stopped in the middle of it and holds others up. No commit is told of before it is on the disk. All that is read
/// often is found by an index, so the plans that a database without statistics might prefer are out of the question; compiling
/// (jit) never pays, nor do parallel workers for a part of a list. That a table is there already (several nodes start at once) is no
/// news. (Settings that a relative of PostgreSQL does not know are left out.)
const SETTINGS: &str = "\
    SET statement_timeout = '10s';\
    SET idle_in_transaction_session_timeout = '5s';\
    SET client_min_messages = 'warning';\
    SELECT set_config('synchronous_commit', 'on', false) \
        WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');\
    SELECT set_config(name, 'off', false) FROM pg_settings \
        WHERE name IN ('jit', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin');\
    SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'max_parallel_workers_per_gather'";

/// A connection from the pool; it goes back there.
pub(super) type Connection = managed::Object<Maker>;

/// A connection in the middle of a transaction. It goes back to the pool only when that has ended; otherwise it is closed, which
/// ends the transaction as well.
pub(super) struct InTransaction(Option<Connection>);

impl InTransaction {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Some(connection))
    }

    pub(super) fn connection(&self) -> &Connection {
        self.0.as_ref().expect("taken only at the end")
    }

    /// The transaction has ended.
    pub(super) fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for InTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            close(connection);
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Commits, leases, what is in force: short, and whoever waits for them holds up the node.
    Writing,
    /// All else, however long it takes.
    Reading,
}

/// Connections to one database: some are kept for writing, so that no crowd of readers keeps a node from it.
pub(super) struct Link {
    pub place: String,
    writers: managed::Pool<Maker>,
    readers: managed::Pool<Maker>,
    handle: Handle,
    /// When connecting failed last, if it has not succeeded since.
    failed: Arc<Mutex<Option<Instant>>>,
    /// When it was logged last that the database refuses something.
    complained: Mutex<Option<Instant>>,
}

impl Link {
    /// Nothing is dialled yet.
    pub(super) fn new(address: Address, handle: Handle) -> Result<Self> {
        let Address { place, mut config, trust } = address;
        let refused = |detail| StoreError::Refused { place: place.clone(), detail };
        let tls = MakeRustlsConnect::new(tls::client_config(&trust).map_err(refused)?);
        config
            .connect_timeout(CONNECT)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .keepalives_interval(PROBE);
        if config.get_application_name().is_none() {
            config.application_name("stagepost");
        }
        let failed = Arc::new(Mutex::new(None));
        let (place, made_on) = (place.clone(), handle.clone());
        let maker = Maker { place, config, tls, handle: made_on, failed: Arc::clone(&failed) };
        let place = maker.place.clone();
        let pool = |maker, size| {
            let pool = managed::Pool::builder(maker).max_size(size).build();
            pool.expect("without time limits, nothing is wrong with a pool")
        };
        let (writers, readers) = (pool(maker.clone(), FOR_WRITERS), pool(maker, FOR_READERS));
        Ok(Self { place, writers, readers, handle, failed, complained: Mutex::new(None) })
    }

    /// A connection. Fails at once while connecting has just failed.
    pub(super) async fn connection(&self, purpose: Use) -> Result<Connection> {
        let pool = match purpose {
            Use::Writing => &self.writers,
            Use::Reading => &self.readers,
        };
        if self.has_just_failed(pool) {
            return Err(self.away("connecting failed a moment ago".to_owned()));
        }
        // To connect takes less (`GREET`): whoever waits as long waits for others.
        let Some(got) = self.within(ANSWER, pool.get()).await else {
            let detail = format!("no connection was free within {} s", ANSWER.as_secs());
            self.complain(&detail);
            return Err(StoreError::Overloaded { place: self.place.clone(), detail });
        };
        match got {
            Ok(connection) => Ok(connection),
            // Only the first one of all is refused for good (`open`): later on a password may be put right again.
            Err(PoolError::Backend(StoreError::Refused { detail, .. })) => Err(self.away(detail)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(other) => Err(self.away(other.to_string())),
        }
    }

    /// The first connection of all: what can't become better by itself is told apart ([`StoreError::Refused`]).
    pub(super) async fn first_connection(&self) -> Result<Connection> {
        match self.bounded(self.writers.get()).await? {
            Ok(connection) => Ok(connection),
            Err(PoolError::Backend(error)) => Err(error),
            Err(other) => Err(self.away(other.to_string())),
        }
    }

    /// Waits for an answer as long as one may take.
    pub(super) async fn bounded<F: Future>(&self, answer: F) -> Result<F::Output> {
        self.within(ANSWER, answer).await.ok_or_else(|| {
            // Those that wait in the pools lead to the same server.
            self.writers.retain(|_, _| false);
            self.readers.retain(|_, _| false);
            self.away(format!("no answer within {} s", ANSWER.as_secs()))
        })
    }

    /// Waits so long at most.
    async fn within<F: Future>(&self, time: Duration, answer: F) -> Option<F::Output> {
        // Timers are those of the store's own runtime; that of the caller may have none.
        let bounded = {
            let _entered = self.handle.enter();
            tokio::time::timeout(time, answer)
        };
        bounded.await.ok()
    }

    /// The error of a call that failed. What the database refuses is put right by somebody in time (a right, a table, a standby that
    /// was taken for the primary): it is logged, and no reason for a node to end.
    pub(super) fn failed(&self, error: &Error) -> StoreError {
        match errors::of_call(&self.place, error) {
            StoreError::Refused { place, detail } => {
                self.complain(&detail);
                StoreError::Away { place, detail }
            }
            StoreError::Overloaded { place, detail } => {
                self.complain(&detail);
                StoreError::Overloaded { place, detail }
            }
            other => other,
        }
    }

    /// Says what the database does not do, now and then.
    fn complain(&self, detail: &str) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= QUIET) {
            tracing::error!(
                place = self.place,
                error = detail,
                "the database does not do what is asked of it"
            );
            *complained = Some(Instant::now());
        }
    }

    /// Sleeps, whatever runtime the caller is on.
    pub(super) async fn sleep(&self, time: Duration) {
        let sleep = {
            let _entered = self.handle.enter();
            tokio::time::sleep(time)
        };
        sleep.await;
    }

    /// The runtime that connections live on.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn away(&self, detail: String) -> StoreError {
        StoreError::Away { place: self.place.clone(), detail }
    }

    fn has_just_failed(&self, pool: &managed::Pool<Maker>) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < REST) && pool.status().available == 0
    }
}

/// Closes a connection that is no use any more.
pub(super) fn close(connection: Connection) {
    drop(Connection::take(connection));
}

/// Makes connections on a runtime that outlives whoever asks for one: writers have runtimes of their own.
#[derive(Clone)]
pub(super) struct Maker {
    place: String,
    config: Config,
    tls: MakeRustlsConnect,
    handle: Handle,
    failed: Arc<Mutex<Option<Instant>>>,
}

impl managed::Manager for Maker {
    type Type = ClientWrapper;
    type Error = StoreError;

    async fn create(&self) -> Result<ClientWrapper> {
        let greeting = greet(self.config.clone(), self.tls.clone(), self.handle.clone());
        let greeted = self.handle.spawn(tokio::time::timeout(GREET, greeting)).await;
        let away = |detail: String| StoreError::Away { place: self.place.clone(), detail };
        let made = match greeted {
            Ok(Ok(made)) => made.map_err(|error| errors::of_connect(&self.place, &error)),
            Ok(Err(_)) => Err(away(format!("no connection within {} s", GREET.as_secs()))),
            // The runtime is shutting down.
            Err(error) => Err(away(error.to_string())),
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = made.is_err().then(Instant::now);
        made
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> managed::RecycleResult<StoreError> {
        if client.is_closed() { Err(managed::RecycleError::message("it ended")) } else { Ok(()) }
    }
}

async fn greet(
    config: Config,
    tls: MakeRustlsConnect,
    handle: Handle,
) -> std::result::Result<ClientWrapper, Error> {
    let (client, connection) = config.connect(tls).await?;
    let task = handle.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = errors::text(&error), "a connection to the database ended");
        }
    });
    let client = ClientWrapper::new(client, task);
    client.batch_execute(SETTINGS).await?;
    Ok(client)
}
