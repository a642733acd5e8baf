//! A world of people under several ids and their accounts, with computations of every sort that are defined, changed and
//! removed in the midst of it all.

mod calls;
mod check;
mod forms;
mod generator;
mod model;
mod truth;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};

use rand::Rng;
use serde_json::{Map, Value, json};
use stagepost::domain::definition::{Definition, EventsWanted, History, Kind};
use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus, EMAIL};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::domain::ids::{DeliveryId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::engine::BackfillPace;

use crate::machine::{Machine, definition, destination};
use crate::support::stores::Backend;
use forms::{SPECS, Spec};
use generator::{Action, Crowd, Deed, Generator, Post, Wish};
use model::Model;

/// Where computed calls go.
const RECEIVERS: [&str; 2] = ["crm", "desk"];
const DESTINATIONS: [&str; 3] = [EMAIL, "crm", "desk"];
const LEVELS: &[(&str, i64)] = &[("no_reply", 1), ("no_reply", 4), ("initiation", 24)];

/// Many people who turn out to be one.
const MANY: Crowd = Crowd { users: 8, anonymous: 8, links: 15, burst: 0 };
/// A few who do a lot.
const HOT: Crowd = Crowd { users: 5, anonymous: 5, links: 4, burst: 300 };

/// A computation as it is defined now.
struct Defined {
    wish: Wish,
    /// How many events had arrived when it was made or begun anew, and when that was.
    made: (usize, i64),
}

/// A computation got a receiver, or lost one.
struct Rerouting {
    key: &'static str,
    receiver: &'static str,
    /// The newest delivery by then.
    newest: Option<DeliveryId>,
    is_added: bool,
    /// Whether it hears of changes only, not of what is so already.
    hears_changes_only: bool,
}

pub struct World {
    machine: Machine,
    generator: Generator,
    model: Model,
    defined: BTreeMap<&'static str, Defined>,
    /// The receivers that each one had last.
    routed: BTreeMap<&'static str, [bool; 2]>,
    /// Ids of audiences that are deleted with a word to their members, and the receivers that get it.
    exiting: BTreeMap<&'static str, (String, [bool; 2])>,
    /// How often each one was made.
    makings: BTreeMap<&'static str, u32>,
    reroutings: Vec<Rerouting>,
    /// What was true of whom when an event had been taken in, by its message id; only where there are few events.
    truths: HashMap<(String, &'static str, UserKey), Option<Value>>,
    notes_truths: bool,
    /// The newest delivery by the last look.
    looked_at: Option<DeliveryId>,
    /// How those were defined that were removed.
    removed: BTreeMap<&'static str, Wish>,
    /// The newest delivery when each one was disabled last.
    disabled: BTreeMap<&'static str, Option<DeliveryId>>,
    /// The newest delivery when a profile had become part of another.
    merged: BTreeMap<UserKey, Option<DeliveryId>>,
    /// How many profiles became part of one at an instant.
    mergers: BTreeMap<(UserKey, i64), usize>,
}

impl Deref for World {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

/// One history of many people, from its seed.
pub async fn history_of_many(backend: Backend, seed: u64, verbose: bool) {
    history(backend, seed, verbose, MANY, 80).await;
}

/// One history of a few hot users, from its seed.
pub async fn history_of_hot(backend: Backend, seed: u64, verbose: bool) {
    history(backend, seed, verbose, HOT, 60).await;
}

/// One history of people whose store is copied into another one again and again: sled's and that of `backend` by turns.
pub async fn history_of_moves(backend: Backend, seed: u64, verbose: bool) {
    let mut world = World::new(backend, seed, if seed.is_multiple_of(4) { HOT } else { MANY }).await;
    for round in 0..6 {
        for _ in 0..10 {
            let action = world.generator.action();
            if verbose {
                println!("{round} at {} {action:?}", world.now());
            }
            world.act(action).await;
            world.check_new_calls().await;
        }
        world.move_to(if round % 2 == 0 { Backend::Sled } else { backend }).await;
        world.tick().await;
        world.check_new_calls().await;
        world.check().await;
    }
    world.machine.drain(&mut world.generator.rng, &DESTINATIONS).await;
    world.tick().await;
    world.check().await;
    world.machine.check_drained().await;
}

async fn history(backend: Backend, seed: u64, verbose: bool, crowd: Crowd, actions: usize) {
    let mut world = World::new(backend, seed, crowd).await;
    for step in 0..actions {
        let action = world.generator.action();
        if verbose {
            println!("{step:>3} at {} {action:?}", world.now());
        }
        world.act(action).await;
        world.check_new_calls().await;
        if step % 10 == 9 {
            world.tick().await;
            world.check_new_calls().await;
            world.check().await;
        }
    }
    world.tick().await;
    world.check().await;
    world.machine.drain(&mut world.generator.rng, &DESTINATIONS).await;
    world.tick().await;
    world.check().await;
    world.machine.check_drained().await;
    world.check_previews().await;
}

impl World {
    pub async fn new(backend: Backend, seed: u64, crowd: Crowd) -> Self {
        let mut generator = Generator::new(seed, crowd);
        let pace = BackfillPace {
            step: if crowd.burst > 0 { 200 } else { generator.rng.random_range(1..5) },
            bytes: [0, 500, 5000, 1_000_000][generator.rng.random_range(0..4)],
            by_time: false,
        };
        let mut machine = Machine::new(backend, seed, false, pace).await;
        let receivers = RECEIVERS.iter().map(|key| destination(key, EventsWanted::Computed));
        machine.apply(receivers.collect()).await;
        machine.define_flow(LEVELS).await;
        Self {
            machine,
            generator,
            model: Model::default(),
            defined: BTreeMap::new(),
            routed: BTreeMap::new(),
            exiting: BTreeMap::new(),
            makings: BTreeMap::new(),
            reroutings: Vec::new(),
            truths: HashMap::new(),
            notes_truths: crowd.burst == 0,
            looked_at: None,
            removed: BTreeMap::new(),
            disabled: BTreeMap::new(),
            merged: BTreeMap::new(),
            mergers: BTreeMap::new(),
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Send(requests) => self.send_posts(requests).await,
            Action::Repeat { which } => self.machine.repeat(which).await,
            Action::Pass { ms } => {
                self.pass(ms);
                self.work(2).await;
            }
            Action::Work { steps } => self.work(steps).await,
            Action::Deliver { failures } => {
                self.machine.deliver(&mut self.generator.rng, &DESTINATIONS, failures).await;
            }
            Action::Define(wishes) => self.define(wishes).await,
            Action::Switch { which } => {
                let change = |wish: &mut Wish| wish.enabled = !wish.enabled;
                self.change(which, change).await;
            }
            Action::Route { which, destinations } => {
                self.change(which, |wish| wish.destinations = destinations).await;
            }
            Action::Remove { which, exit } => self.remove_one(which, exit).await,
            Action::Restore => {
                if let Some((_, wish)) = self.removed.pop_first() {
                    self.define(vec![wish]).await;
                }
            }
            Action::Operate { which, resolve } => self.machine.operate(which, resolve).await,
            Action::Replay => {
                let is_dead = self.generator.rng.random_bool(0.5);
                let status = if is_dead { DeliveryStatus::Dead } else { DeliveryStatus::Failed };
                self.machine.replay("crm", status).await;
            }
            Action::Restart => self.restart().await,
            Action::Break { after, written } => self.break_after(after, written),
        }
    }

    async fn send_posts(&mut self, requests: Vec<Vec<Post>>) {
        let requests: Vec<Vec<Event>> = requests
            .into_iter()
            .map(|posts| posts.into_iter().map(|post| self.event(post)).collect())
            .collect();
        if self.engine.leases().are_shared() {
            // Several writers take in what comes under different ids, in any order: only what was answered came before.
            for event in requests.into_iter().flatten() {
                self.send_requests(vec![vec![event]]).await;
            }
        } else {
            self.send_requests(requests).await;
        }
    }

    async fn send_requests(&mut self, requests: Vec<Vec<Event>>) {
        self.machine.send(requests.clone()).await;
        let mut merged = Vec::new();
        for event in requests.iter().flatten() {
            let others = self.model.take_in(event);
            let into = (self.model.surviving(&event.user_key()), self.now());
            *self.mergers.entry(into).or_default() += others.len();
            merged.extend(others);
            if self.notes_truths {
                self.note_truths(event);
            }
        }
        let newest = self.newest_delivery().await;
        self.merged.extend(merged.into_iter().map(|key| (key, newest)));
    }

    fn event(&mut self, post: Post) -> Event {
        let object = |value: Value| match value {
            Value::Object(fields) => fields,
            other => panic!("{other} is no object"),
        };
        let track =
            |event: &str, properties| Call::Track { event: event.into(), properties: object(properties) };
        let call = match post.deed {
            Deed::Order { total, sku } => track("Order Completed", json!({ "total": total, "sku": sku })),
            Deed::Add { sku } => track("Product Added", json!({ "sku": sku })),
            Deed::Stage { stage, sid } => {
                let mut properties = object(json!({ "flow": "appointment", "stage": stage }));
                if let Some(sid) = sid {
                    properties.insert("executionSid".into(), format!("FN{sid}").into());
                }
                Call::Track { event: STUDIO_STEP.into(), properties }
            }
            Deed::Plan { plan } => Call::Identify { traits: object(json!({ "plan": plan })) },
            Deed::Limit { limit } => Call::Identify { traits: object(json!({ "limit": limit })) },
            Deed::Join { group, tier } => Call::Group {
                group_id: group.to_owned(),
                traits: tier.map_or_else(Map::new, |tier| object(json!({ "tier": tier }))),
            },
            Deed::Alias { previous } => Call::Alias { previous_id: previous },
        };
        self.machine.event((post.who.user, post.who.anonymous), post.late_ms, call)
    }

    async fn newest_delivery(&self) -> Option<DeliveryId> {
        let page = PageRequest { limit: 1, cursor: None };
        let rows = self.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().rows;
        rows.first().map(|delivery| delivery.id)
    }

    async fn change(&mut self, which: usize, change: impl FnOnce(&mut Wish)) {
        let wishes: Vec<Wish> = self.defined.values().map(|defined| defined.wish.clone()).collect();
        let Some(wish) = wishes.get(which % wishes.len().max(1)) else { return };
        let mut wish = wish.clone();
        change(&mut wish);
        self.define(vec![wish]).await;
    }

    async fn define(&mut self, wishes: Vec<Wish>) {
        let newest = self.newest_delivery().await;
        self.machine.apply(wishes.iter().map(wanted).collect()).await;
        let now = (self.model.arrived, self.now());
        for wish in wishes {
            let key = SPECS[wish.which].key;
            let before = self.defined.remove(key);
            self.removed.remove(key);
            let is_known = before.is_some() || self.exiting.contains_key(key);
            let routed = self.routed.insert(key, wish.destinations).unwrap_or_default();
            let is_begun_anew = before.as_ref().is_none_or(|before| asks(&before.wish) != asks(&wish));
            for (place, receiver) in RECEIVERS.iter().enumerate() {
                let is_added = wish.destinations[place];
                if is_added != routed[place] {
                    let hears_changes_only = is_known && wish.history == History::Off;
                    self.reroutings.push(Rerouting { key, receiver, newest, is_added, hears_changes_only });
                }
            }
            if !wish.enabled && before.as_ref().is_none_or(|before| before.wish.enabled) {
                self.disabled.insert(key, newest);
            }
            if before.is_none() {
                *self.makings.entry(key).or_default() += 1;
            }
            let made = before.filter(|_| !is_begun_anew).map_or(now, |before| before.made);
            self.exiting.remove(key);
            self.defined.insert(key, Defined { wish, made });
        }
    }

    async fn remove_one(&mut self, which: usize, exit: bool) {
        let keys: Vec<&'static str> = self.defined.keys().copied().collect();
        let Some(key) = keys.get(which % keys.len().max(1)).copied() else { return };
        let spec = SPECS.iter().find(|spec| spec.key == key).unwrap();
        let exit = exit && spec.table == "audience";
        let id = self.engine.definitions().computation(key).unwrap().id.clone();
        if self.machine.remove(kind(spec), key, exit).await {
            let removed = self.defined.remove(key).unwrap();
            self.removed.insert(key, removed.wish.clone());
            if exit {
                self.exiting.insert(key, (id, removed.wish.destinations));
            }
        }
    }
}

fn kind(spec: &Spec) -> Kind {
    if spec.table == "audience" { Kind::Audience } else { Kind::Trait }
}

/// What makes it another computation when it changes.
fn asks(wish: &Wish) -> impl PartialEq {
    (wish.form, wish.history, wish.include_anonymous, wish.enabled)
}

/// The definition that is wished for.
fn wanted(wish: &Wish) -> Definition {
    let spec = &SPECS[wish.which];
    let chosen = RECEIVERS.iter().zip(wish.destinations).filter(|(_, chosen)| *chosen);
    let destinations: Vec<&str> = chosen.map(|(key, _)| *key).collect();
    let mut fields = json!({
        "name": spec.key,
        "query": spec.forms[wish.form].query,
        "destinations": destinations,
        "emit": spec.emit,
        "enabled": wish.enabled,
        "include_anonymous": wish.include_anonymous,
        "history": wish.history.to_string(),
    });
    if spec.is_of_accounts {
        fields["target"] = "accounts".into();
    }
    definition(spec.table, fields)
}
