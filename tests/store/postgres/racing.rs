//! Writers at the same time, on the same rows.

use std::sync::Arc;

use futures_util::future::join_all;
use stagepost::domain::change::{ChangeSet, DefinitionWrite, HealthWrite};
use stagepost::domain::delivery::DeliveryStatus;
use stagepost::domain::ids::{IdSource, UserKey};
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use stagepost::store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::{known, open, posts};
use crate::build::*;
use crate::support::postgres::{Schema, schema};

const WRITERS: u64 = 8;
const COMMITS: usize = 25;
const USERS: u64 = 12;

/// Users that a commit is about, in an order of its own.
fn picked(writer: u64, round: usize) -> Vec<UserKey> {
    let start = writer * 5 + u64::try_from(round).unwrap() * 7;
    let mut users: Vec<UserKey> =
        (0..4).map(|index| user(&format!("{}", (start + index * 5) % USERS))).collect();
    users.dedup();
    users
}

/// What a writer decides: a profile's counter up by one for each user, an event, a delivery more, and the first one that is
/// pending delivered.
async fn decide(store: &dyn Store, users: &[UserKey], ids: &mut IdSource) -> ChangeSet {
    let mut set = ChangeSet { at: at(3_600_000), ..changes() };
    for user in users {
        let mut write = match known(store, user).await {
            Some(write) => write,
            None => new_profile(profile(user)),
        };
        write.profile.anonymous_ids.push("x".to_owned());
        set.profiles.push(write);
        set.events.push(track(ids.event(at(2000)), user, 50));
        set.memberships.push(member("aud_1", user, (ids.fraction() < 0.5).then_some(5)));
        let waiting = store.pending_of("crm", user, None, 1).await.unwrap();
        set.deliveries.extend(waiting.first().map(|first| changed(first, DeliveryStatus::Delivered, 5)));
        set.deliveries.push(new_delivery(delivery(ids.delivery(at(2000)), "crm", user, 5)));
    }
    set
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_commits_lose_nothing_and_block_nobody() {
    let schema = schema();
    // Two nodes, with four writers each.
    let nodes = [Arc::new(open(schema.url()).await), Arc::new(open(schema.url()).await)];
    let write = |writer: u64| {
        let store: Arc<PostgresStore> = Arc::clone(&nodes[usize::from(writer.is_multiple_of(2))]);
        tokio::spawn(async move {
            let mut ids = IdSource::new([u8::try_from(writer).unwrap(); 32]);
            let mut written = 0;
            for round in 0..COMMITS {
                let users = picked(writer, round);
                loop {
                    let set = decide(&*store, &users, &mut ids).await;
                    match store.commit(&set).await {
                        Ok(()) => break,
                        Err(StoreError::Conflict(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                written += users.len();
            }
            written
        })
    };
    let written: usize = join_all((0..WRITERS).map(write)).await.into_iter().map(Result::unwrap).sum();
    let store = &*nodes[0];
    let mut counted = 0;
    for index in 0..USERS {
        counted += store.profile(&user(&index.to_string())).await.unwrap().unwrap().anonymous_ids.len();
    }
    assert_eq!(counted, written, "no profile was written over");
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.events, u64::try_from(written).unwrap());
    let deliveries: u64 = counts.deliveries.values().sum();
    assert_eq!(deliveries, u64::try_from(written).unwrap());
    // Totals are what the rows say, and so are the lanes.
    let members = counts.members.values().sum::<u64>();
    assert_eq!(schema.sql("SELECT count(*) FROM members"), members.to_string());
    assert_lanes_are_led(&schema);
    let conflicts: u64 = nodes.iter().map(|node| node.costs().conflicts).sum();
    assert!(conflicts > 0, "nobody met anybody");
    let repeated: u64 = nodes.iter().map(|node| node.costs().repeated).sum();
    assert_eq!(repeated, 0, "a deadlock");
}

/// Each lane's row tells of the first delivery that is pending there, and there is one for each.
fn assert_lanes_are_led(schema: &Schema) {
    let wrong = "SELECT count(*) FROM lanes AS l CROSS JOIN LATERAL ( \
                     SELECT id, next_attempt_at FROM deliveries AS d WHERE d.user_key = l.user_key AND d.status = 'pending' \
                     ORDER BY id LIMIT 1 \
                 ) AS f WHERE (l.head, l.due) IS DISTINCT FROM (f.id, f.next_attempt_at)";
    assert_eq!(schema.sql(wrong), "0");
    let pending = "SELECT count(DISTINCT user_key) FROM deliveries WHERE status = 'pending'";
    assert_eq!(schema.sql("SELECT count(*) FROM lanes"), schema.sql(pending));
}

/// Deliveries are made by one node and settled by another one, and no profile is written that would keep the two apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_is_led_rightly_however_many_write_to_it() {
    let schema = schema();
    let store = Arc::new(open(schema.url()).await);
    let lanes: Vec<UserKey> = (0..3).map(|index| user(&format!("{index}"))).collect();
    let write = |writer: u64| {
        let (store, lanes) = (Arc::clone(&store), lanes.clone());
        tokio::spawn(async move {
            let mut ids = IdSource::new([u8::try_from(writer).unwrap(); 32]);
            for _ in 0..40 {
                let mut set = changes();
                for user in &lanes {
                    let waiting = store.pending_of("crm", user, None, 2).await.unwrap();
                    if writer.is_multiple_of(2) {
                        set.deliveries.push(new_delivery(delivery(ids.delivery(at(2000)), "crm", user, 5)));
                    } else {
                        let settled = waiting.iter().map(|it| changed(it, DeliveryStatus::Delivered, 5));
                        set.deliveries.extend(settled);
                    }
                }
                match store.commit(&set).await {
                    Ok(()) | Err(StoreError::Conflict("a delivery")) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
    };
    for writer in (0..6).map(write).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_lanes_are_led(&schema);
    assert_eq!(store.costs().repeated, 0, "a deadlock");
}

/// Another node in the middle of a transaction, in which it has done that.
async fn in_the_middle(schema: &Schema, done: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(schema.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("BEGIN; {done}")).await.unwrap();
    client
}

/// Commits on a task of its own; comes back when it waits for somebody.
async fn waiting(
    client: &Client,
    store: &Arc<PostgresStore>,
    set: ChangeSet,
) -> JoinHandle<Result<(), StoreError>> {
    let store = Arc::clone(store);
    let committing = tokio::spawn(async move { store.commit(&set).await });
    let waits =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!committing.is_finished(), "it waits for nobody");
        tokio::task::yield_now().await;
    }
    committing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_definitions_wait_for_what_was_decided_on_the_old_ones() {
    let schema = schema();
    let store = Arc::new(open(schema.url()).await);
    let other = in_the_middle(&schema, "SELECT * FROM fence WHERE slot = 7 FOR SHARE").await;
    let mut set = ChangeSet { basis: Some(store.revisions().await.unwrap()), ..changes() };
    set.definitions.push(DefinitionWrite::Put(Box::new(source("web"))));
    let committing = waiting(&other, &store, set).await;
    other.batch_execute("COMMIT").await.unwrap();
    committing.await.unwrap().unwrap();
    assert_eq!(store.revisions().await.unwrap().definitions, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_on_definitions_that_are_just_being_replaced_is_refused() {
    let schema = schema();
    let store = Arc::new(open(schema.url()).await);
    let other = in_the_middle(&schema, "UPDATE fence SET definitions = definitions + 1").await;
    let basis = Some(store.revisions().await.unwrap());
    let set = ChangeSet { basis, events: vec![track(event_id(1, 1), &user("a"), 10)], ..changes() };
    let committing = waiting(&other, &store, set).await;
    other.batch_execute("COMMIT").await.unwrap();
    let refused = committing.await.unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::Conflict("the definitions")), "{refused}");
    assert_eq!(store.last_event().await.unwrap(), None);
}

/// Two nodes whose commits have the same slot as long as each makes one at a time.
async fn alike(schema: &Schema) -> [Arc<PostgresStore>; 2] {
    let node = async || {
        let sealer = Sealer::new("the key of the tests of the store", || [7; 32]);
        Arc::new(PostgresStore::open(schema.url(), sealer, Handle::current()).await.unwrap())
    };
    let nodes = [node().await, node().await];
    // The first is one name of a commit ahead.
    nodes[0].commit(&posts(1, 1)).await.unwrap();
    schema.sql("DELETE FROM commits");
    nodes
}

/// Comes back when somebody waits behind so many others, the first of whom is that one.
async fn queued(client: &Client, others: usize, committing: &JoinHandle<Result<(), StoreError>>) {
    let waits = "WITH RECURSIVE queue AS ( \
                     SELECT pg_backend_pid() AS pid, 0 AS place \
                     UNION SELECT a.pid, q.place + 1 FROM queue AS q, pg_locks AS a \
                     WHERE NOT a.granted AND q.pid = ANY(pg_blocking_pids(a.pid)) AND q.place < 9 \
                 ) SELECT max(place) FROM queue";
    let others = i32::try_from(others).unwrap();
    while client.query_one(waits, &[]).await.unwrap().get::<_, i32>(0) < others {
        assert!(!committing.is_finished(), "it passed those who wait");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_queue_up_behind_new_definitions() {
    let schema = schema();
    let [first, second] = alike(&schema).await;
    let third = Arc::new(open(schema.url()).await);
    let other = in_the_middle(&schema, "SELECT * FROM heads FOR UPDATE").await;
    let commit = |store: &Arc<PostgresStore>, set: ChangeSet| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.commit(&set).await })
    };
    // Has its row of the fence, and stands still.
    let slow = commit(&first, ChangeSet { healths: vec![HealthWrite::Put(health("crm", 1))], ..changes() });
    queued(&other, 1, &slow).await;
    let definitions = vec![DefinitionWrite::Put(Box::new(source("web")))];
    let defining = commit(&third, ChangeSet { definitions, ..changes() });
    queued(&other, 2, &defining).await;
    let late = commit(&second, posts(2, 1));
    queued(&other, 3, &late).await;
    other.batch_execute("COMMIT").await.unwrap();
    for committing in [slow, defining, late] {
        committing.await.unwrap().unwrap();
    }
}
