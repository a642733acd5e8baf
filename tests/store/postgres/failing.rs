//! Connections and servers that go away in the middle.

use std::time::{Duration, Instant};

use stagepost::store::postgres::PostgresStore;
use stagepost::store::{Store, StoreError};

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
