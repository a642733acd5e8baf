//! Nodes that start: tables, versions, keys.

use futures_util::future::join_all;
use stagepost::clock;
use stagepost::domain::change::DefinitionWrite;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use stagepost::store::{Store, StoreError};
use tokio::runtime::Handle;

use super::{open, posts};
use crate::backends::sealer;
use crate::build::*;
use crate::support::postgres::schema;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_the_tables_once() {
    let schema = schema();
    let stores = join_all((0..8).map(|_| open(schema.url()))).await;
    for (n, store) in (0..).zip(&stores) {
        store.commit(&posts(n, 3)).await.unwrap();
    }
    assert_eq!(stores[0].counts().await.unwrap().events, 24);
    assert_eq!(schema.sql("SELECT value FROM meta WHERE key = 'data_version'"), "3");
    assert!(stores[0].stats().await.unwrap().disk_bytes > 0);
}

#[tokio::test]
async fn a_newer_version_is_refused_and_stays_as_it_is() {
    let schema = schema();
    drop(open(schema.url()).await);
    schema.sql("UPDATE meta SET value = '99' WHERE key = 'data_version'");
    let refused = PostgresStore::open(schema.url(), sealer(), Handle::current()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 3, .. }), "{refused}");
    assert_eq!(schema.sql("SELECT value FROM meta WHERE key = 'data_version'"), "99");
}

#[tokio::test]
async fn what_can_not_become_better_by_itself_is_told_from_what_can() {
    let schema = schema();
    let mut url: url::Url = schema.url().parse().unwrap();
    url.set_path("/no_such_database");
    let refused = PostgresStore::open(url.as_str(), sealer(), Handle::current()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    url.set_port(Some(crate::support::ports::free_port())).unwrap();
    let away = PostgresStore::open(url.as_str(), sealer(), Handle::current()).await.unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away}");
}

#[tokio::test]
async fn secrets_are_opened_by_their_key_alone_and_sealed_anew_under_the_next_one() {
    let schema = schema();
    let with = |sealer: Sealer| PostgresStore::open(schema.url(), sealer, Handle::current());
    let key = |secret: &str| Sealer::new(secret, clock::entropy);
    let store = with(key("old")).await.unwrap();
    let mut set = changes();
    set.definitions.push(DefinitionWrite::Put(Box::new(source("web"))));
    store.commit(&set).await.unwrap();
    let body = || schema.sql("SELECT encode(body, 'escape') FROM definitions");
    assert!(!body().contains("write-web"), "{}", body());

    let before = body();
    let refused = with(key("new")).await.unwrap_err();
    assert!(matches!(refused, StoreError::WrongKey { .. }), "{refused}");
    assert_eq!(body(), before);

    let store = with(key("new").with_previous("old")).await.unwrap();
    assert_eq!(store.definitions().await.unwrap(), [source("web")]);
    drop(store);
    assert_eq!(with(key("new")).await.unwrap().definitions().await.unwrap(), [source("web")]);
    assert!(matches!(with(key("old")).await.unwrap_err(), StoreError::WrongKey { .. }));
}
