//! What the database reads to do what it is asked, whatever it believes to know of its tables.

use std::time::{Duration, Instant};

use stagepost::domain::change::ChangeSet;
use stagepost::domain::delivery::{Delivery, DeliveryStatus};
use stagepost::store::Store;
use stagepost::store::postgres::PostgresStore;

use super::open;
use crate::build::*;
use crate::support::postgres::{Schema, schema};

/// Deliveries of one destination to as many users, and the same settled.
fn deliveries(count: u64) -> Vec<Delivery> {
    (0..count).map(|n| delivery(delivery_id(1000, n), "y", &user(&n.to_string()), 5)).collect()
}

async fn deliver(store: &PostgresStore, deliveries: &[Delivery]) {
    let made = deliveries.iter().cloned().map(new_delivery).collect();
    store.commit(&ChangeSet { deliveries: made, ..changes() }).await.unwrap();
    let settled = deliveries.iter().map(|made| changed(made, DeliveryStatus::Delivered, 5)).collect();
    store.commit(&ChangeSet { deliveries: settled, ..changes() }).await.unwrap();
}

/// Entries of the index of pending deliveries that were read so far.
fn entries_read(schema: &Schema) -> u64 {
    // What a session has read is known at its end at the latest.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                  AND application_name = current_schema()::text";
    let deadline = Instant::now() + Duration::from_secs(30);
    while schema.sql(others) != "0" {
        assert!(Instant::now() < deadline, "sessions do not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = "SELECT idx_tup_read FROM pg_stat_user_indexes \
                WHERE schemaname = current_schema() AND indexrelname = 'deliveries_pending'";
    schema.sql(read).parse().unwrap()
}

/// The store of a node whose sessions are known by the schema's name.
async fn named(schema: &Schema) -> PostgresStore {
    open(&format!("{}&application_name={}", schema.url(), schema.sql("SELECT current_schema()"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_costs_the_same_however_much_is_pending_elsewhere() {
    let schema = schema();
    let store = named(&schema).await;
    let (before, now) = (deliveries(128), deliveries(256).split_off(128));
    deliver(&store, &before).await;
    drop(store);
    // Nothing is pending while the figures are taken; then a receiver goes down.
    schema.sql("ANALYZE");
    schema.sql(
        "INSERT INTO deliveries SELECT n % 256, gen_random_uuid(), 'x', 'u:' || n, 'm', 'pending', 'event', \
             now(), now(), now(), 0, NULL, '' FROM generate_series(1, 50000) AS n",
    );
    let start = entries_read(&schema);
    let store = named(&schema).await;
    deliver(&store, &now).await;
    drop(store);
    let read = entries_read(&schema) - start;
    assert!(read < 5_000, "{read} entries for 128 lanes");
    assert_eq!(schema.sql("SELECT count(*) FROM lanes"), "0");
}
