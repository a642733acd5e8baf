//! Connections and servers that go away in the middle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stagepost::domain::lease::LeaseAsk;
use stagepost::domain::time::Span;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::{Store, StoreError};
use tokio_postgres::NoTls;

use super::proxy::{Lost, Proxy};
use super::{known, open, posts};
use crate::build::*;
use crate::support::postgres::{Cluster, schema};

/// Loses three commits in a row, one way or the other; whoever commits does not notice.
async fn commits_once(lost: Lost) {
    let schema = schema();
    // The tables are made without it.
    drop(open(schema.url()).await);
    let proxy = Proxy::start(schema.url(), lost).await;
    let store = open(proxy.url()).await;
    store.commit(&posts(1, 5)).await.unwrap();
    proxy.lose(3);
    let mut set = posts(2, 5);
    set.profiles.extend(known(&store, &user("1-0")).await);
    store.commit(&set).await.unwrap();
    assert_eq!(
        proxy.left(),
        if lost == Lost::Commit { 0 } else { 2 },
        "a commit that took place is not made again"
    );
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.events, counts.profiles), (10, 10));
    assert_eq!(store.profile(&user("1-0")).await.unwrap().unwrap().revision, 2);
    assert_eq!(schema.sql("SELECT count(*) FROM commits"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_takes_place_once() {
    commits_once(Lost::Answer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_lost_itself_takes_place_once() {
    commits_once(Lost::Commit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_is_away_until_it_is_back() {
    let cluster = Cluster::start();
    let store = open(&cluster.url()).await;
    store.commit(&posts(1, 5)).await.unwrap();
    cluster.stop();
    let asked = Instant::now();
    let away = store.commit(&posts(2, 5)).await.unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }) && away.is_passing(), "{away}");
    assert!(matches!(store.ping().await, Err(StoreError::Away { .. })));
    assert!(matches!(store.last_event().await, Err(StoreError::Away { .. })));
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "nobody waits for a server that refuses: {:?}",
        asked.elapsed()
    );
    cluster.launch();
    committed(&store, 2).await;
    assert_eq!(store.counts().await.unwrap().events, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_server_that_is_killed() {
    let cluster = Cluster::start();
    let store = open(&cluster.url()).await;
    for n in 0..20 {
        store.commit(&posts(n, 2)).await.unwrap();
    }
    cluster.kill9();
    cluster.launch();
    committed(&store, 20).await;
    assert_eq!(store.counts().await.unwrap().events, 45);
}

/// Commits as soon as the server is there.
async fn committed(store: &PostgresStore, n: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = store.commit(&posts(n, 5)).await {
        assert!(error.is_passing() && Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_the_database_refuses_while_a_node_runs_is_passing() {
    let schema = schema();
    let store = open(schema.url()).await;
    store.commit(&posts(1, 1)).await.unwrap();
    schema.sql("ALTER TABLE events RENAME TO events_elsewhere");
    for refused in [store.commit(&posts(2, 1)).await, store.last_event().await.map(drop)] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Away { .. }), "{refused}");
        assert!(refused.to_string().contains("42P01"), "{refused}");
    }
    schema.sql("ALTER TABLE events_elsewhere RENAME TO events");
    store.commit(&posts(2, 1)).await.unwrap();
    assert_eq!(store.counts().await.unwrap().events, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_became_a_standby_is_away() {
    let cluster = Cluster::start();
    let store = open(&cluster.url()).await;
    store.commit(&posts(1, 1)).await.unwrap();
    cluster.become_standby();
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.last_event().await.is_err() {
        assert!(Instant::now() < deadline, "the standby can be read");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let away = store.commit(&posts(2, 1)).await.unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }) && away.to_string().contains("recovery"), "{away}");
    let leases = store.hold_leases("n", &LeaseAsk::default(), Span::from_millis(1000)).await;
    assert!(matches!(leases, Err(StoreError::Away { .. })), "{leases:?}");
    cluster.promote();
    committed(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_wait_keep_nobody_from_writing() {
    let schema = schema();
    let store = Arc::new(open(schema.url()).await);
    store.commit(&posts(1, 1)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(schema.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE unknown_flows").await.unwrap();
    let read = || {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.unknown_flows().await })
    };
    let readers: Vec<_> = (0..40).map(|_| read()).collect();
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 10 {
        tokio::task::yield_now().await;
    }
    // While all of them wait, until they are let go on.
    store.commit(&posts(2, 1)).await.unwrap();
    store.revisions().await.unwrap();
    store.ping().await.unwrap();
    assert!(readers.iter().all(|reader| !reader.is_finished()));
    client.batch_execute("COMMIT").await.unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_not_asked_again() {
    let schema = schema();
    let store = open(schema.url()).await;
    let (client, connection) = tokio_postgres::connect(schema.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE unknown_flows").await.unwrap();
    let before = store.costs().reads;
    let asked = store.unknown_flows();
    // As the server does it when its time is over.
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    let cancelled = async {
        while client.query(cancel, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let (slow, ()) = tokio::join!(asked, cancelled);
    let slow = slow.unwrap_err();
    assert!(matches!(slow, StoreError::Overloaded { .. }) && slow.is_passing(), "{slow}");
    assert_eq!(store.costs().reads, before + 1);
}
