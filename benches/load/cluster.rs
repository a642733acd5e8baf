//! One node and three nodes over one PostgreSQL, beside the plain inserts that the same PostgreSQL takes; and what a commit asks
//! of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Map, json};
use stagepost::clock::{self, Clock};
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::document;
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::EventId;
use stagepost::domain::time::Timestamp;
use stagepost::engine::{ApplyOptions, Engine, Settings, Surroundings, Ticker, Writer};
use stagepost::store::Store;
use stagepost::store::postgres::PostgresStore;
use stagepost::store::seal::Sealer;
use tokio_postgres::NoTls;

use super::client::Load;
use super::seconds;
use super::server::Server;
use super::support::postgres::Cluster;
use super::throughput::{DEFINITIONS, batch_of_100, measure, row, stage_post};

/// Connections of senders that post alone.
const SENDERS: u64 = 256;
/// Connections of senders that post batches.
const BATCHERS: u64 = 16;
/// Groups of each size that are counted.
const GROUPS: u64 = 20;
/// What a plain insert carries beside its ids: about what an event does.
const PAYLOAD: &str = r#"{"type":"track","event":"Studio Flow Step","properties":{"flow":"appointment_confirmation","stage":"no_reply","phoneNumber":"+15550001234"},"context":{"library":{"name":"studio"}}}"#;

/// Everything over a PostgreSQL of its own, with the settings that it comes with.
pub async fn cluster() {
    println!("\n== nodes over one PostgreSQL ({} s each) ==", seconds());
    let database = Cluster::start();
    let mut plain = Vec::new();
    for connections in [1, 16, 64] {
        let rate = plain_inserts(&database, connections).await;
        println!("{:<34} {rate:>9.0} rows/s", format!("plain inserts, {connections} connections"));
        plain.push(rate);
    }
    let ratios = |rate: f64| {
        let ratios: Vec<String> = plain.iter().map(|plain| format!("{:.1}", rate / plain)).collect();
        println!("{:<34} {rate:>9.0} events/s   {} x the plain inserts", "", ratios.join(", "));
    };
    let one = nodes(&database, 1, SENDERS, stage_post).await;
    row("one node, 256 connections", &one, None);
    ratios(one.rate());
    let batches = nodes(&database, 1, BATCHERS, batch_of_100).await;
    row("one node, batches of 100", &batches, None);
    ratios(batches.rate() * 100.0);
    let three = nodes(&database, 3, SENDERS, stage_post).await;
    row("three nodes, 256 connections", &three, Some(three.rate() / one.rate()));
    ratios(three.rate());
    println!("\n== what a commit asks of PostgreSQL ==");
    commits(&database).await;
}

/// How many rows a second are inserted, each in a transaction of its own, by clients that each wait for the answer.
async fn plain_inserts(database: &Cluster, connections: i64) -> f64 {
    let schema = database.schema();
    schema.sql(
        "CREATE TABLE plain (id bigint PRIMARY KEY, user_key text, at timestamptz DEFAULT now(), body text)",
    );
    let clients = join_all((0..connections).map(|_| async {
        let (client, connection) = tokio_postgres::connect(schema.url(), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }))
    .await;
    let time = Duration::from_secs(seconds());
    let begun = Instant::now();
    let insert = async |client: &tokio_postgres::Client, first: i64| {
        let sql = "INSERT INTO plain (id, user_key, body) VALUES ($1, $2, $3)";
        let statement = client.prepare(sql).await.expect("a statement");
        let mut rows = 0;
        while begun.elapsed() < time {
            let id = first + rows * connections;
            let user = format!("u:user-{}", id % 10_000);
            client.execute(&statement, &[&id, &user, &PAYLOAD]).await.expect("a row");
            rows += 1;
        }
        rows
    };
    let rows = join_all((0..).zip(&clients).map(|(first, client)| insert(client, first))).await;
    rows.iter().sum::<i64>() as f64 / begun.elapsed().as_secs_f64()
}

/// What that many nodes take together from that many connections; nothing may be refused.
async fn nodes(
    database: &Cluster,
    count: u64,
    connections: u64,
    make: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
) -> Load {
    let schema = database.schema();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut servers = Vec::new();
    for number in 0..count {
        let data = directory.path().join(number.to_string());
        let server = Server::sharing(schema.url(), &data, DEFINITIONS).await;
        server.ready().await;
        servers.push(server);
    }
    let loads = join_all((0..count).zip(&servers).map(|(node, server)| {
        let make = make.clone();
        // The senders go round the nodes: together they post the same as they would to one.
        let share = connections / count + u64::from(node < connections % count);
        measure(server, share, move |number| make(number.wrapping_mul(count).wrapping_add(node)))
    }))
    .await;
    let mut all = Load { answered: 0, refused: 0, took: Duration::ZERO, times: Vec::new() };
    for load in loads {
        all.answered += load.answered;
        all.refused += load.refused;
        all.took = all.took.max(load.took);
        all.times.extend(load.times);
    }
    all.times.sort_unstable();
    show_commits(&servers).await;
    assert_eq!(all.refused, 0, "posts that were refused");
    all
}

/// How large commits were, how often one was decided again because another writer was faster, and who used the processors.
async fn show_commits(servers: &[Server]) {
    let (mut commits, mut events, mut again) = (0.0, 0.0, 0.0);
    let mut processor = Duration::ZERO;
    for server in servers {
        commits += server.metric("stagepost_commit_events_count").await;
        events += server.metric("stagepost_commit_events_sum").await;
        again += server.metric("stagepost_decided_again_total").await;
        processor += server.processor_time();
    }
    println!(
        "{:<34} {commits:>9} commits of {:.0} events, {again} decided again, nodes used {processor:.1?} of processors",
        "",
        events / commits
    );
}

/// Statements and round trips of a commit, by the number of its events: an engine in this process is given groups of that size.
async fn commits(database: &Cluster) {
    let schema = database.schema();
    let sealer = Sealer::new("benchmark-benchmark-benchmark-00", clock::entropy);
    let opened = PostgresStore::open(schema.url(), sealer, tokio::runtime::Handle::current()).await;
    let store = Arc::new(opened.expect("a store"));
    let engine = engine(Arc::clone(&store) as Arc<dyn Store>).await;
    println!(
        "{:>16} {:>9} {:>20} {:>22}",
        "events a commit", "commits", "statements a commit", "round trips a commit"
    );
    let mut number = 0;
    for size in [1, 100, 1000] {
        // The statements are prepared by the first one.
        let before = take(&engine, &store, size, &mut number, 1).await;
        let after = take(&engine, &store, size, &mut number, GROUPS).await;
        let commits = after.commits - before.commits;
        println!(
            "{size:>16} {commits:>9} {:>20.2} {:>22.2}",
            (after.statements - before.statements) as f64 / commits as f64,
            (after.round_trips - before.round_trips) as f64 / commits as f64,
        );
    }
    engine.stop().await;
}

/// Lets so many groups of `size` events be committed one after the other; what the store has asked by then.
async fn take(
    engine: &Engine,
    store: &PostgresStore,
    size: u64,
    number: &mut u64,
    groups: u64,
) -> stagepost::store::postgres::Costs {
    for _ in 0..groups {
        let events = (0..size).map(|offset| event(*number + offset)).collect();
        *number += size;
        engine.ingest(events).await.expect("the events are taken");
    }
    store.costs()
}

/// An engine with the same definitions, on a thread of its own until it is stopped.
async fn engine(store: Arc<dyn Store>) -> Engine {
    let settings = Settings {
        clock: Clock::system(),
        seed: clock::entropy(),
        surroundings: Surroundings { public_url: None, operators: Vec::new() },
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let (engine, writer) = Writer::open(store, settings).await.expect("an engine");
    let (_nudge, ticks) = Ticker::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(writer.run(ticks)).expect("the writer");
    });
    let bought = json!({ "name": "bought", "query": "event('Bought').within(30 days).count() >= 1" });
    let definitions = document::read(&json!({ "audience": [bought] })).expect("definitions");
    engine.apply(definitions, ApplyOptions::default()).await.expect("they are applied");
    engine
}

/// The first event of a user, who thereby comes into an audience.
fn event(number: u64) -> Event {
    let now = Clock::system().now();
    Event {
        id: EventId::floor(Timestamp::default()),
        message_id: format!("bench-{number}"),
        dedupe: true,
        source: "http".into(),
        user_id: Some(format!("user-{number}")),
        anonymous_id: None,
        call: Call::Track { event: "Bought".into(), properties: Map::new() },
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".into(),
        timestamp: now,
        original_timestamp: now,
        sent_at: None,
        received_at: now,
    }
}
