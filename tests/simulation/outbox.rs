//! Histories of what waits: calls superseded, given up, put back and paused, with breaks between any two steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};
use stagepost::domain::definition::{Definition, EventsWanted};
use stagepost::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, Payload};
use stagepost::domain::event::Call;
use stagepost::domain::ids::{DeliveryId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::domain::replay::ReplayStatus;
use stagepost::domain::time::Span;
use stagepost::engine::{BackfillPace, EngineError};

use crate::machine::{HOUR, Machine, computation, destination};
use crate::support::stores::Backend;

/// One that lets newer calls take the place of older ones, and one that does not.
const DESTINATIONS: [&str; 2] = ["newest", "every"];
const USERS: usize = 4;
const STEPS: usize = 60;

fn coalescing(key: &str, expire_after: Option<Span>) -> Definition {
    let Definition::Destination(mut destination) = destination(key, EventsWanted::Computed) else {
        unreachable!("it makes destinations")
    };
    destination.coalesce = key == "newest";
    destination.expire_after = expire_after;
    Definition::Destination(destination)
}

async fn world(backend: Backend, seed: u64, random: &mut StdRng) -> Machine {
    let mut machine = Machine::new(backend, seed, random.random_bool(0.5), BackfillPace::default()).await;
    let expire_after = random.random_bool(0.3).then(|| Span::from_hours(30));
    let mut wanted: Vec<Definition> = DESTINATIONS.map(|key| coalescing(key, expire_after)).into();
    for (table, name, query) in [
        ("audience", "Recent", "event('Order Completed').within(2 hours).count() >= 1"),
        ("trait", "Orders", "event('Order Completed').within(1 days).count()"),
    ] {
        let mut definition = computation(table, name, query);
        let it = definition.computation_mut().expect("a computation");
        it.destinations = DESTINATIONS.map(str::to_owned).into();
        wanted.push(definition);
    }
    machine.apply(wanted).await;
    machine
}

async fn act(machine: &mut Machine, random: &mut StdRng) {
    if random.random_bool(0.1) {
        machine.break_after(random.random_range(0..3), random.random_bool(0.5));
    }
    match random.random_range(0..12) {
        0..4 => {
            let user = Some(format!("u{}", random.random_range(0..USERS)));
            let call = Call::Track { event: "Order Completed".into(), properties: Map::new() };
            let event = machine.event((user, None), 0, call);
            machine.send(vec![vec![event]]).await;
        }
        4..6 => {
            machine.pass(random.random_range(1..3 * HOUR));
            machine.tick().await;
        }
        6..9 => {
            let failures = [0, 3, 9, 10][random.random_range(0..4)];
            machine.deliver(random, &DESTINATIONS, failures).await;
        }
        9 => {
            let status = [DeliveryStatus::Dead, DeliveryStatus::Failed, DeliveryStatus::Delivered];
            let key = DESTINATIONS[random.random_range(0..2)];
            machine.replay(key, status[random.random_range(0..3)]).await;
        }
        10 => {
            let (engine, key) = (machine.engine.clone(), DESTINATIONS[random.random_range(0..2)]);
            let done = if random.random_bool(0.5) {
                machine.ask(engine.pause(key, "ann", "")).await
            } else {
                machine.ask(engine.resume(key)).await
            };
            assert!(matches!(done, Ok(_) | Err(EngineError::Unavailable(_))), "{done:?}");
        }
        _ => machine.restart().await,
    }
}

async fn all(machine: &Machine) -> BTreeMap<DeliveryId, Delivery> {
    let page = PageRequest { limit: 100_000, cursor: None };
    let rows = machine.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().rows;
    rows.into_iter().map(|delivery| (delivery.id, delivery)).collect()
}

/// What a call says: of which value, and what.
fn said(delivery: &Delivery) -> (String, Value) {
    let Payload::Call(call) = &delivery.payload else { panic!("a mail") };
    let (key, _) = delivery.topic().expect("a computed call");
    (key.to_owned(), call["traits"][key].clone())
}

/// One history.
pub async fn history(backend: Backend, seed: u64, verbose: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut machine = world(backend, seed, &mut random).await;
    for step in 0..STEPS {
        act(&mut machine, &mut random).await;
        nothing_outdated_waits(&machine).await;
        if verbose {
            println!("{step}: {} deliveries, {} arrivals", all(&machine).await.len(), machine.arrivals.len());
        }
    }
    machine.tick().await;
    for key in DESTINATIONS {
        // A break that is still to come may come now.
        for _ in 0..2 {
            let engine = machine.engine.clone();
            let resumed = machine.ask(engine.resume(key)).await;
            assert!(matches!(resumed, Ok(_) | Err(EngineError::Unavailable(_))), "{resumed:?}");
        }
    }
    machine.tick().await;
    assert!(machine.engine.replays().values().all(|replay| replay.status == ReplayStatus::Done));
    machine.drain(&mut random, &DESTINATIONS).await;
    check(&machine).await;
}

/// Where newer calls take the place of older ones, at most one waits about one thing (what was put back aside).
async fn nothing_outdated_waits(machine: &Machine) {
    let mut waiting = BTreeSet::new();
    for delivery in all(machine).await.values() {
        let is_pending = delivery.status == DeliveryStatus::Pending && delivery.replays == 0;
        if is_pending && delivery.destination == "newest" {
            assert!(waiting.insert((delivery.user.clone(), said(delivery).0)), "outdated: {delivery:?}");
        }
    }
}

async fn check(machine: &Machine) {
    let deliveries = all(machine).await;
    for delivery in deliveries.values() {
        match delivery.superseded_by {
            None => {}
            Some(by) => {
                let newer = &deliveries[&by];
                assert_eq!(delivery.destination, "newest");
                assert!(by > delivery.id && newer.user == delivery.user && newer.topic() == delivery.topic());
                assert_eq!(delivery.status, DeliveryStatus::Superseded);
            }
        }
        let is_told = matches!(delivery.status, DeliveryStatus::Delivered | DeliveryStatus::Pending);
        assert_eq!(delivery.reason.is_none(), is_told, "{delivery:?}");
    }
    let mut newest: HashMap<(&str, &UserKey), DeliveryId> = HashMap::new();
    for arrival in machine.arrivals.iter().filter(|arrival| arrival.replays == 0) {
        let before = newest.insert((&arrival.destination, &arrival.user), arrival.id);
        assert!(before.is_none_or(|before| before <= arrival.id), "{arrival:?} after {before:?}");
    }
    for user in (0..USERS).map(|n| UserKey::user(&format!("u{n}"))) {
        ends_with_the_truth(machine, &deliveries, &user).await;
    }
}

/// The last word that a receiver took of each value is what is true, unless a newer one was given up.
async fn ends_with_the_truth(machine: &Machine, deliveries: &BTreeMap<DeliveryId, Delivery>, user: &UserKey) {
    let Some(profile) = machine.store.profile(user).await.unwrap() else { return };
    for destination in DESTINATIONS {
        let of = |delivery: &&Delivery| delivery.destination == destination && delivery.user == *user;
        let mut last: BTreeMap<String, &Delivery> = BTreeMap::new();
        for delivery in deliveries.values().filter(of) {
            last.insert(said(delivery).0, delivery);
        }
        for (key, newest) in last {
            let member = profile.memberships.get(&key).map(|it| Value::Bool(it.member));
            let truth = member.or_else(|| profile.values.get(&key).map(|it| it.value.clone()));
            assert_eq!(Some(said(newest).1), truth, "the newest call of {key} to {destination}");
            if newest.status != DeliveryStatus::Delivered {
                continue;
            }
            let is_it = |id: &DeliveryId| said(&deliveries[id]).0 == key;
            let mut taken =
                machine.arrivals.iter().filter(|it| it.destination == destination && it.user == *user);
            let taken = taken.rfind(|arrival| is_it(&arrival.id)).expect("it was delivered");
            assert_eq!(
                said(&deliveries[&taken.id]).1,
                said(newest).1,
                "what {destination} took last of {key}"
            );
        }
    }
}
