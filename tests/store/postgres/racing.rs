//! Writers at the same time, on the same rows.

use std::sync::Arc;

use futures_util::future::join_all;
use stagepost::domain::change::{ChangeSet, DefinitionWrite};
use stagepost::domain::delivery::DeliveryStatus;
use stagepost::domain::ids::{IdSource, UserKey};
use stagepost::store::postgres::PostgresStore;
use stagepost::store::{Store, StoreError};

use super::{known, open};
use crate::build::*;
use crate::support::postgres::schema;

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

/// What a writer does of a sudden: a profile's counter up by one for each user, an event, a delivery more, and the first one that is
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
    let heads = "SELECT count(*) FROM lanes AS l CROSS JOIN LATERAL ( \
                     SELECT id, next_attempt_at FROM deliveries AS d WHERE d.user_key = l.user_key AND d.status = 'pending' \
                     ORDER BY id LIMIT 1 \
                 ) AS f WHERE (l.head, l.due) IS DISTINCT FROM (f.id, f.next_attempt_at)";
    assert_eq!(schema.sql(heads), "0");
    let lanes = "SELECT count(DISTINCT user_key) FROM deliveries WHERE status = 'pending'";
    assert_eq!(schema.sql("SELECT count(*) FROM lanes"), schema.sql(lanes));
    let conflicts: u64 = nodes.iter().map(|node| node.figures().conflicts).sum();
    assert!(conflicts > 0, "nobody met anybody");
    let repeated: u64 = nodes.iter().map(|node| node.figures().repeated).sum();
    assert_eq!(repeated, 0, "a deadlock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_decided_on_old_definitions_lands_after_new_ones() {
    let schema = schema();
    let store = Arc::new(open(schema.url()).await);
    let writers = (0..4_u64).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..30 {
                loop {
                    let basis = store.revisions().await.unwrap();
                    // The number of definitions as it was when this was decided.
                    let seen = user(&basis.definitions.to_string());
                    let id = event_id(1000, writer * 1000 + n);
                    let set =
                        ChangeSet { basis: Some(basis), events: vec![track(id, &seen, 10)], ..changes() };
                    match store.commit(&set).await {
                        Ok(()) => break,
                        Err(StoreError::Conflict(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for n in 0..10 {
        // Its name is the number of events that it found, with nobody else in between.
        let mut set = ChangeSet { basis: Some(store.revisions().await.unwrap()), ..changes() };
        set.definitions.push(DefinitionWrite::Put(Box::new(source(&format!("s{n}")))));
        store.commit(&set).await.unwrap();
        let landed = schema.sql("SELECT definitions FROM fence WHERE slot = 0");
        let later = format!(
            "SELECT count(*) FROM events WHERE user_key > 'u:{landed}' AND length(user_key) >= length('u:{landed}')"
        );
        assert_eq!(schema.sql(&later), "0");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.counts().await.unwrap().events, 120);
    assert_eq!(store.revisions().await.unwrap().definitions, 10);
}
