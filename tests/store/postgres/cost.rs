//! What a commit costs: statements and round trips, whatever it writes.

use stagepost::store::Store;

use super::{known, open, posts};
use crate::build::*;
use crate::support::postgres::schema;

#[tokio::test]
async fn a_commit_costs_the_same_whatever_it_writes() {
    let schema = schema();
    let store = open(schema.url()).await;
    let mut costs = Vec::new();
    for (n, count) in [(1, 1), (2, 500), (3, 2)] {
        let before = store.costs();
        store.commit(&posts(n, count)).await.unwrap();
        let after = store.costs();
        assert_eq!(after.commits, before.commits + 1);
        costs.push((after.statements - before.statements, after.round_trips - before.round_trips));
    }
    // BEGIN, the name, the fence, profiles, lanes, deliveries, events, counters, COMMIT.
    assert_eq!(costs, [(9, 2); 3]);
}

#[tokio::test]
async fn what_depends_on_what_is_there_costs_one_round_trip_more() {
    let schema = schema();
    let store = open(schema.url()).await;
    store.commit(&posts(1, 100)).await.unwrap();
    let mut costs = Vec::new();
    for count in [1, 100] {
        let mut set = changes();
        for index in 0..count {
            let user = user(&format!("1-{index}"));
            set.profiles.extend(known(&store, &user).await);
            set.memberships.push(member("aud_1", &user, Some(5)));
        }
        let before = store.costs();
        store.commit(&set).await.unwrap();
        let after = store.costs();
        costs.push((after.statements - before.statements, after.round_trips - before.round_trips));
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0].1, 3);
}
