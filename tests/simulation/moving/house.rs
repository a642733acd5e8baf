//! A store in which there is something of every kind.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, json};
use stagepost::domain::change::ChangeSet;
use stagepost::domain::definition::{Definition, Destination, EventsWanted};
use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus, Outcome};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::domain::ids::UserKey;
use stagepost::domain::page::PageRequest;
use stagepost::domain::shelf::{EntryWrite, Shelf};
use stagepost::domain::time::Timestamp;
use stagepost::engine::BackfillPace;

use crate::machine::{HOUR, Machine, audience, computation, definition, destination};
use crate::support::stores::Backend;

/// Somebody who does more than one page of a leaf, or a profile, holds.
pub const BUSY: &str = "busy";

pub async fn full_house(backend: Backend) -> Machine {
    let mut machine = Machine::new(backend, 7, true, BackfillPace::default()).await;
    define(&mut machine).await;
    people(&mut machine).await;
    journeys(&mut machine).await;
    machine.pass(2 * HOUR);
    machine.tick().await;
    outbox(&mut machine).await;
    let engine = machine.engine.clone();
    machine.ask(engine.set_admin_token_hash("hash".to_owned())).await.unwrap();
    fill_shelves(&machine).await;
    leave_a_backfill_begun(machine).await
}

async fn define(machine: &mut Machine) {
    let Definition::Destination(crm) = destination("crm", EventsWanted::Computed) else {
        unreachable!("it makes destinations")
    };
    // Its calls are to die in the queue, and not to wait behind a pause.
    let crm = Destination { pause_after: None, ..crm };
    let everything = json!({ "name": "Busy Accounts", "target": "accounts", "destinations": ["crm"],
        "query": "ANY event('Order Completed').within(3 days).count() >= 1" });
    machine
        .apply(vec![
            Definition::Destination(crm),
            destination("desk", EventsWanted::All),
            audience("Buyers", "event('Order Completed').within(1 hours).count() >= 1"),
            computation("trait", "Spend", "event('Order Completed').within(30 days).sum(property('total'))"),
            definition("audience", everything),
        ])
        .await;
    machine.define_flow(&[("no_reply", 1), ("initiation", 24)]).await;
}

fn track(event: &str, properties: serde_json::Value) -> Call {
    let serde_json::Value::Object(properties) = properties else { unreachable!("it is given objects") };
    Call::Track { event: event.into(), properties }
}

fn of(machine: &mut Machine, user: &str, late_ms: i64, call: Call) -> Event {
    machine.event((Some(user.to_owned()), None), late_ms, call)
}

/// People, one of whom is busy, one of whom was two, and an account.
async fn people(machine: &mut Machine) {
    let mut events: Vec<Event> = Vec::new();
    for n in 0..900_i64 {
        let call = track("Order Completed", json!({ "total": n % 7, "sku": "a" }));
        events.push(of(machine, BUSY, n * 60_000, call));
    }
    for n in 0..280 {
        let user = format!("u{n:03}");
        events.push(of(machine, &user, 0, track("Order Completed", json!({ "total": n }))));
        let traits = json!({ "email": format!("{user}@example.com"), "phone": format!("+1555{n:07}") });
        let serde_json::Value::Object(traits) = traits else { unreachable!("an object") };
        events.push(of(machine, &user, 0, Call::Identify { traits }));
    }
    events.push(of(machine, "u001", 0, Call::Group { group_id: "acme".into(), traits: Map::new() }));
    let nobody = (None, Some("somebody".to_owned()));
    events.push(machine.event(nobody, 0, track("Order Completed", json!({ "total": 3 }))));
    let both = (Some("u002".to_owned()), Some("somebody".to_owned()));
    events.push(machine.event(both, 0, Call::Identify { traits: Map::new() }));
    for some in events.chunks(200) {
        machine.send(vec![some.to_vec()]).await;
    }
}

/// Runs that ended, more than a profile holds; one that stalls, and one of a flow that nobody defined.
async fn journeys(machine: &mut Machine) {
    let mut events = Vec::new();
    for n in 0..30 {
        for stage in ["initiation", "confirmed"] {
            let step = json!({ "flow": "appointment", "stage": stage, "executionSid": format!("FN{n}") });
            events.push(of(machine, BUSY, 0, track(STUDIO_STEP, step)));
        }
    }
    for flow in ["appointment", "unheard_of"] {
        let step = json!({ "flow": flow, "stage": "no_reply" });
        events.push(of(machine, "u003", 0, track(STUDIO_STEP, step)));
    }
    machine.send(vec![events]).await;
}

/// Some that were delivered, refused, tried again until they were dead, put back, and held by a pause.
async fn outbox(machine: &mut Machine) {
    let mut random = StdRng::seed_from_u64(1);
    for failures in [4, 10, 9] {
        machine.deliver(&mut random, &["crm", "desk"], failures).await;
        machine.pass(HOUR / 2);
    }
    let due = machine.store.due_deliveries("crm", machine.clock.now(), &Default::default(), 5).await.unwrap();
    let (unclear, due) = due.split_first().expect("some are due");
    machine.settle(unclear.id, Outcome::Ambiguous).await;
    for _ in 0..2 {
        // Given up four hours after the first attempt.
        for delivery in due {
            machine.settle(delivery.id, Outcome::Retry { after: None }).await;
        }
        machine.pass(5 * HOUR);
    }
    machine.replay("crm", DeliveryStatus::Failed).await;
    let engine = machine.engine.clone();
    machine.ask(engine.pause("desk", "ann", "it is being moved")).await.unwrap();
}

/// A person, a token and what was done.
async fn fill_shelves(machine: &Machine) {
    let entry = |shelf: Shelf| EntryWrite {
        shelf,
        key: "a".into(),
        was: None,
        value: Some(json!({ "shelf": shelf.as_str() }).to_string().into_bytes()),
    };
    let entries = [Shelf::People, Shelf::Tokens, Shelf::Audit].map(entry).to_vec();
    machine.store.commit(&ChangeSet { entries, ..ChangeSet::default() }).await.unwrap();
}

/// A backfill that did not get far, and so is on record.
async fn leave_a_backfill_begun(machine: Machine) -> Machine {
    let mut machine = machine.without_rest();
    machine.apply(vec![audience("Late", "event('Order Completed').within(60 days).count() >= 2")]).await;
    machine
}

/// How many deliveries there are of each status.
pub async fn deliveries(machine: &Machine) -> BTreeMap<DeliveryStatus, usize> {
    let mut counts = BTreeMap::new();
    let newest = stagepost::domain::ids::DeliveryId::from_bytes([u8::MAX; 16]);
    let all =
        machine.store.deliveries_after(&DeliveryFilter::default(), None, newest, usize::MAX).await.unwrap();
    for delivery in all.deliveries {
        *counts.entry(delivery.status).or_default() += 1;
    }
    counts
}

/// What the store answers to questions of the dispatcher, the writer and readers, beside lists.
pub async fn answers(machine: &Machine) -> Vec<String> {
    let store = &machine.store;
    let ever = Timestamp::from_millis(4_000_000_000_000);
    let nobody = Default::default();
    let mut lines = vec![format!("{:?}", store.counts().await.unwrap())];
    lines.push(format!("{:?}", store.due_timers(ever, 10_000).await.unwrap()));
    for destination in ["crm", "desk", "email"] {
        lines.push(format!("{:?}", store.due_deliveries(destination, ever, &nobody, 10_000).await.unwrap()));
        lines.push(format!("{:?}", store.next_delivery(destination, &nobody).await.unwrap()));
        lines.push(format!("{:?}", store.count_due(destination, ever, &nobody, 10_000, true).await.unwrap()));
        let busy = UserKey::user(BUSY);
        lines.push(format!("{:?}", store.pending_of(destination, &busy, None, 10_000).await.unwrap()));
    }
    for (kind, id) in [("email", "u042@example.com"), ("phone", "+15550000042")] {
        lines.push(format!("{:?}", store.users_by_external_id(kind, id, 9).await.unwrap()));
    }
    let mut expired = store.expired_seen(ever, 10_000).await.unwrap();
    expired.sort();
    let seen = store.seen(&expired).await.unwrap();
    lines.push(format!("{expired:?} {seen:?}"));
    lines.push(format!("{:?} {:?}", store.unknown_flows().await, store.admin_token_hash().await));
    for shelf in Shelf::ALL {
        let page = PageRequest { limit: 100, cursor: None };
        lines.push(format!("{shelf:?} {:?}", store.entries(shelf, &page).await.unwrap().rows));
    }
    lines.push(format!("{:?} {:?}", store.healths().await, store.replays().await));
    lines.push(format!("{:?} {:?}", store.backfills().await, store.definitions().await));
    lines
}
