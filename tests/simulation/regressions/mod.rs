//! Bugs that were found, each with the history that showed it.

mod accounts;
mod backfills;
mod damage;
mod identity;
mod journeys;
mod lives;
mod pages;

use serde_json::{Map, Value};
use stagepost::domain::definition::EventsWanted;
use stagepost::domain::delivery::{Delivery, DeliveryFilter, Payload};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::UserKey;
use stagepost::domain::page::PageRequest;
use stagepost::domain::profile::Profile;
use stagepost::engine::BackfillPace;

use crate::machine::{Machine, destination};
use crate::support::stores::Backend;

/// One step at a time, and the past of one profile at a time.
const SLOWLY: BackfillPace = BackfillPace { step: 1, bytes: 0, by_time: false };

/// An engine with receivers `crm` and `desk`, which works until it rests after each request.
async fn machine() -> Machine {
    with_receivers(Machine::new(Backend::Memory, 1, true, BackfillPace::default()).await).await
}

/// An engine that works in small steps, and no farther than to the answer of each request.
async fn slow_machine() -> Machine {
    with_receivers(Machine::new(Backend::Memory, 1, false, SLOWLY).await).await
}

async fn with_receivers(mut machine: Machine) -> Machine {
    machine.apply(["crm", "desk"].map(|key| destination(key, EventsWanted::Computed)).to_vec()).await;
    machine
}

/// Ids: `"u1"`, `"a:x"` (only anonymous), `"u1+x"` (both).
fn ids(who: &str) -> (Option<String>, Option<String>) {
    let some = |id: &str| Some(id.to_owned());
    match (who.strip_prefix("a:"), who.split_once('+')) {
        (Some(anonymous), _) => (None, some(anonymous)),
        (None, Some((user, anonymous))) => (some(user), some(anonymous)),
        (None, None) => (some(who), None),
    }
}

fn fields(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

impl Machine {
    fn order(&mut self, who: &str) -> Event {
        self.earlier_order(who, 0)
    }

    /// One that happened so long before now, in milliseconds.
    fn earlier_order(&mut self, who: &str, late_ms: i64) -> Event {
        self.event(ids(who), late_ms, Call::Track { event: "Order Completed".into(), properties: Map::new() })
    }

    fn identify(&mut self, who: &str, traits: Value) -> Event {
        self.event(ids(who), 0, Call::Identify { traits: fields(traits) })
    }

    fn join(&mut self, who: &str, group: &str, traits: Value) -> Event {
        self.event(ids(who), 0, Call::Group { group_id: group.into(), traits: fields(traits) })
    }

    fn alias(&mut self, user: &str, previous: &str) -> Event {
        self.event(ids(user), 0, Call::Alias { previous_id: previous.into() })
    }

    async fn send_one(&mut self, event: Event) {
        self.send(vec![vec![event]]).await;
    }

    async fn profile(&self, key: &UserKey) -> Profile {
        self.store.profile(key).await.unwrap().unwrap()
    }

    async fn user(&self, id: &str) -> Profile {
        self.profile(&UserKey::user(id)).await
    }

    async fn account(&self, id: &str) -> Profile {
        self.profile(&UserKey::group(id)).await
    }

    /// Every delivery to this destination, in the order they were made.
    async fn deliveries(&self, destination: &str) -> Vec<Delivery> {
        let filter =
            DeliveryFilter { destination: Some(destination.to_owned()), ..DeliveryFilter::default() };
        let page = PageRequest { limit: 1000, cursor: None };
        let mut rows = self.store.deliveries(&filter, &page).await.unwrap().rows;
        rows.sort_by_key(|delivery| delivery.id);
        rows
    }

    /// What the calls to `crm` said, in the order they were made.
    async fn said(&self) -> Vec<Value> {
        let calls = self.deliveries("crm").await.into_iter().map(|delivery| match delivery.payload {
            Payload::Call(call) => call["traits"].clone(),
            Payload::Email { .. } | Payload::Twilio { .. } => panic!("a mail to crm"),
        });
        calls.collect()
    }

    /// Of whom the calls to `crm` said what: `u:u1 recent=true`.
    async fn told(&self) -> Vec<String> {
        let calls = self.deliveries("crm").await.into_iter().map(|delivery| match &delivery.payload {
            Payload::Call(call) => {
                let key = call["context"]["personas"]["computation_key"].as_str().unwrap();
                format!("{} {key}={}", delivery.user, call["traits"][key])
            }
            Payload::Email { .. } | Payload::Twilio { .. } => panic!("a mail to crm"),
        });
        calls.collect()
    }
}
