//! Engines in one process over one store, on threads of their own, with users who post to all of them at once: whatever one
//! decides on something old is refused, and everything counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, json};
use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::{
    Definition, Destination, DestinationKind, EventsWanted, Signing, Status, WebhookUrl, document,
};
use stagepost::domain::delivery::{Delivery, DeliveryFilter, Payload};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::{DeliveryId, EventId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::Timestamp;
use stagepost::engine::{ApplyOptions, Engine, EventFilter, Settings, Surroundings, Writer};
use stagepost::store::Store;
use tokio::sync::mpsc;

use crate::nodes::seed;
use crate::support::stores::{Backend, Place};
use crate::support::wait::eventually;

/// How many engines there are.
const ENGINES: usize = 3;
/// Writers of each.
const WRITERS: usize = 2;
/// How many users; so few that engines meet at them all the time.
const USERS: u32 = 12;
/// Clients that post at the same time.
const CLIENTS: u64 = 8;
/// Posts of each client.
const POSTS: u32 = 250;
/// Audiences that are made while they post.
const LATER: usize = 8;
/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine whose writer has a thread of its own.
pub struct Running {
    pub engine: Engine,
    ticks: mpsc::Sender<()>,
    pub thread: std::thread::JoinHandle<()>,
}

impl Running {
    pub async fn start(store: Arc<dyn Store>, seed: u8) -> Self {
        let settings = Settings {
            clock: Clock::system(),
            seed: [seed; 32],
            surroundings: Surroundings { public_url: None, operators: Vec::new() },
            address_policy: AddressPolicy::public_only(),
            writers: WRITERS,
        };
        let (engine, writer) = Writer::open(store, settings).await.expect("an engine");
        let (ticks, nudges) = mpsc::channel(1);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
            runtime.block_on(writer.run(nudges)).expect("a writer that goes on");
        });
        engine.renew_leases().await;
        Self { engine, ticks, thread }
    }
}

fn destination() -> Definition {
    let url = WebhookUrl { url: "https://crm.example/hook".to_owned(), headers: BTreeMap::new() };
    let kind = DestinationKind::Webhook { urls: vec![url], signing: Signing::default(), gzip: false };
    let destination = Destination::new("crm".to_owned(), kind);
    Definition::Destination(Destination { events: EventsWanted::Computed, ..destination })
}

fn audience(name: &str, query: &str) -> Definition {
    let document = json!({"audience": [{"name": name, "query": query, "destinations": ["crm"]}]});
    document::read(&document).expect("an audience").remove(0)
}

fn event(message: &str, user: &str, name: &str, now: Timestamp) -> Event {
    Event {
        id: EventId::floor(now),
        message_id: message.to_owned(),
        dedupe: true,
        source: "shop".to_owned(),
        user_id: Some(user.to_owned()),
        anonymous_id: None,
        call: Call::Track { event: name.to_owned(), properties: Map::new() },
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".to_owned(),
        timestamp: now,
        original_timestamp: now,
        sent_at: None,
        received_at: now,
    }
}

/// Posts, each to an engine that happens to be near, some of them to two at once; answers what was taken: user and name.
async fn post(engines: Vec<Engine>, client: u64, seed: u64) -> Vec<(String, &'static str)> {
    let mut random = StdRng::seed_from_u64(seed ^ (client << 32));
    let mut taken = Vec::new();
    for number in 0..POSTS {
        // Some never came before, and don't come again: nobody's past.
        let user = match random.random_bool(0.3) {
            true => format!("once-{client}-{number}"),
            false => format!("u{}", random.random_range(0..USERS)),
        };
        let name = if random.random_bool(0.3) { "Rare" } else { "Often" };
        let message = format!("{client}-{number}");
        let one = &engines[random.random_range(0..engines.len())];
        let other = &engines[random.random_range(0..engines.len())];
        let now = one.clock().now();
        let send = |engine: &Engine| {
            let (engine, event) = (engine.clone(), event(&message, &user, name, now));
            async move { engine.ingest(vec![event]).await.expect("it is taken").remove(0) }
        };
        if random.random_bool(0.2) {
            let (first, second) = tokio::join!(send(one), send(other));
            assert!(first.duplicate != second.duplicate, "one of two is the first: {message}");
        } else {
            assert!(!send(one).await.duplicate, "{message} came once");
        }
        taken.push((user, name));
    }
    taken
}

/// Everything that a list has.
async fn all_events(store: &dyn Store) -> Vec<Event> {
    let mut page = PageRequest { limit: 500, cursor: None };
    let mut events = Vec::new();
    loop {
        let found = store.newest_events(&EventFilter::default(), &page).await.expect("events");
        events.extend(found.rows);
        page.cursor = found.cursor;
        if page.cursor.is_none() {
            return events;
        }
    }
}

async fn all_deliveries(store: &dyn Store) -> Vec<Delivery> {
    let last = DeliveryId::floor(Timestamp::from_millis(1 << 47));
    let part = store.deliveries_after(&DeliveryFilter::default(), None, last, 100_000).await;
    part.expect("deliveries").deliveries
}

/// What is true of each user by the events that were taken.
fn truth(taken: &[(String, &str)], name: &str, at_least: usize) -> BTreeSet<UserKey> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (user, _) in taken.iter().filter(|(_, what)| *what == name) {
        *counts.entry(user).or_default() += 1;
    }
    let enough = counts.into_iter().filter(|(_, count)| *count >= at_least);
    enough.map(|(user, _)| UserKey::user(user)).collect()
}

/// The key of an audience that is made while they post.
fn later(number: usize) -> String {
    format!("later_{number}")
}

async fn everything_counts_once(backend: Backend) {
    let seed = seed();
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(backend, folder.path(), &Clock::system());
    let mut running = Vec::new();
    for number in 0..ENGINES {
        running.push(Running::start(place.open().await, u8::try_from(number).expect("few") + 1).await);
    }
    let store = place.open().await;
    let engines: Vec<Engine> = running.iter().map(|it| it.engine.clone()).collect();
    let first = vec![destination(), audience("Rare Ones", "event('Rare').count() >= 3")];
    engines[0].apply(first, ApplyOptions::default()).await.expect("definitions");

    let clients = (0..CLIENTS).map(|client| tokio::spawn(post(engines.clone(), client, seed)));
    let clients: Vec<_> = clients.collect();
    // In the middle of it, others are wanted, on an engine that did not see the first ones made.
    for number in 0..LATER {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let (event, at_least) = if number % 2 == 0 { ("Rare", 1) } else { ("Often", 30) };
        let wanted = vec![audience(&later(number), &format!("event('{event}').count() >= {at_least}"))];
        engines[number % ENGINES].apply(wanted, ApplyOptions::default()).await.expect("an audience");
    }
    let mut taken = Vec::new();
    for client in clients {
        taken.extend(client.await.expect("a client"));
    }

    for engine in &engines {
        eventually("all audiences are live on every engine", PATIENCE, async || {
            for it in &running {
                let _ = it.ticks.try_send(());
                it.engine.renew_leases().await;
            }
            let definitions = engine.definitions();
            let live = definitions.audiences.values().filter(|it| it.status == Status::Live).count();
            (live == LATER + 1 && engine.backfills().is_empty()).then_some(())
        })
        .await;
    }
    let messages: Vec<String> = all_events(&*store).await.into_iter().map(|event| event.message_id).collect();
    let distinct: BTreeSet<&String> = messages.iter().collect();
    assert_eq!(messages.len(), taken.len(), "each event is in the log once");
    assert_eq!(distinct.len(), taken.len(), "and all of them are");
    let counts = store.counts().await.expect("counts");
    assert_eq!(usize::try_from(counts.events), Ok(taken.len()));
    let users: BTreeSet<&String> = taken.iter().map(|(user, _)| user).collect();
    assert_eq!(usize::try_from(counts.profiles), Ok(users.len()));

    let deliveries = all_deliveries(&*store).await;
    let definitions = engines[0].definitions();
    let later = (0..LATER).map(|number| match number % 2 {
        0 => (later(number), "Rare", 1),
        _ => (later(number), "Often", 30),
    });
    for (key, name, at_least) in later.chain([("rare_ones".to_owned(), "Rare", 3)]) {
        let key = key.as_str();
        let wanted = truth(&taken, name, at_least);
        let page = PageRequest { limit: 10_000, cursor: None };
        let members = store.members(&definitions.audiences[key].id, &page).await.expect("members");
        let members: BTreeSet<UserKey> = members.rows.into_iter().map(|member| member.user).collect();
        assert_eq!(members, wanted, "{key} (seed {seed})");
        let says = |delivery: &&Delivery| match &delivery.payload {
            Payload::Call(call) => call["traits"].get(key).is_some_and(|value| *value == true),
            _ => false,
        };
        let told: Vec<&UserKey> = deliveries.iter().filter(says).map(|delivery| &delivery.user).collect();
        assert_eq!(told.len(), wanted.len(), "{key}: each is told of once (seed {seed}): {told:?}");
    }
    for it in running {
        it.engine.stop().await;
        it.thread.join().expect("the writer's thread");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_counts_once_in_shared_memory() {
    everything_counts_once(Backend::SharedMemory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_counts_once_in_postgres() {
    everything_counts_once(Backend::Postgres).await;
}
