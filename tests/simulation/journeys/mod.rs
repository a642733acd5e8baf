//! A world of known users whose flows post stages, with audiences over their orders and plans.

mod check;
mod generator;
mod model;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};

use rand::Rng;
use serde_json::{Map, Value};
use stagepost::domain::definition::{EventsWanted, Kind};
use stagepost::domain::delivery::{DeliveryStatus, EMAIL};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::engine::BackfillPace;

use crate::machine::{Machine, audience, destination};
use crate::support::stores::Backend;
pub use generator::Action;
use generator::Generator;
use model::{AUDIENCES, FORMS, History, Posted};

const DESTINATIONS: [&str; 3] = [EMAIL, "crm", "mirror"];
/// Things that happen in one history.
const ACTIONS: usize = 60;

/// Levels of the flow in each of its forms: stage and hours.
const LEVELS: [&[(&str, i64)]; 3] = [
    &[("no_reply", 1), ("no_reply", 4), ("initiation", 24)],
    &[("no_reply", 2)],
    &[("no_reply", 1), ("no_reply", 3), ("no_reply", 30), ("reminder", 5)],
];

pub struct World {
    machine: Machine,
    generator: Generator,
    history: BTreeMap<String, History>,
    /// The form that each audience has now.
    forms: HashMap<&'static str, usize>,
    levels: usize,
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

/// One history, from its seed.
pub async fn history(backend: Backend, seed: u64, verbose: bool) {
    let mut world = World::new(backend, seed).await;
    for step in 0..ACTIONS {
        let action = world.generator.action();
        if verbose {
            println!("{step:>3} at {} {action:?}", world.now());
        }
        world.act(&action).await;
        if step % 4 == 3 || verbose {
            world.tick().await;
            world.check().await;
        }
    }
    world.tick().await;
    world.check().await;
    world.machine.drain(&mut world.generator.rng, &DESTINATIONS).await;
    world.tick().await;
    world.check().await;
    world.machine.check_drained().await;
}

impl World {
    pub async fn new(backend: Backend, seed: u64) -> Self {
        let mut machine = Machine::new(backend, seed, true, BackfillPace::default()).await;
        machine
            .apply(vec![destination("crm", EventsWanted::Computed), destination("mirror", EventsWanted::All)])
            .await;
        machine.define_flow(LEVELS[0]).await;
        Self {
            machine,
            generator: Generator::new(seed),
            history: BTreeMap::new(),
            forms: HashMap::new(),
            levels: 0,
        }
    }

    pub async fn act(&mut self, action: &Action) {
        match action {
            Action::Stage { .. } | Action::Order { .. } | Action::Plan { .. } => {
                let event = self.event(action);
                self.send(vec![event]).await;
            }
            Action::Batch(posts) => {
                let events = posts.iter().map(|post| self.event(post)).collect();
                self.send(events).await;
            }
            Action::Repeat { which } => self.machine.repeat(*which).await,
            Action::Pass { ms } => {
                self.pass(*ms);
                self.tick().await;
            }
            Action::Deliver { failures } => {
                self.machine.deliver(&mut self.generator.rng, &DESTINATIONS, *failures).await;
            }
            Action::Audience { which, form } => {
                self.define_audience(which % AUDIENCES.len(), usize::from(*form)).await;
            }
            Action::Flow { form } => {
                self.levels = usize::from(*form);
                self.machine.define_flow(LEVELS[self.levels]).await;
            }
            Action::Operate { which, resolve } => self.machine.operate(*which, *resolve).await,
            Action::Replay => {
                let is_dead = self.generator.rng.random_bool(0.5);
                let status = if is_dead { DeliveryStatus::Dead } else { DeliveryStatus::Failed };
                self.machine.replay("crm", status).await;
            }
            Action::Restart => self.restart().await,
            Action::Break { after, written } => self.break_after(*after, *written),
        }
    }

    fn event(&mut self, action: &Action) -> Event {
        let mut properties = Map::new();
        let (user, late, call) = match action {
            Action::Stage { user, flow, stage, sid, late_ms } => {
                properties.insert("phoneNumber".into(), "+15551234567".into());
                properties.insert("flow".into(), (*flow).into());
                properties.insert("stage".into(), (*stage).into());
                if let Some(sid) = sid {
                    properties.insert("executionSid".into(), format!("FN{sid}").into());
                }
                (user, late_ms, Call::Track { event: STUDIO_STEP.into(), properties })
            }
            Action::Order { user, total, late_ms } => {
                properties.insert("total".into(), (*total).into());
                (user, late_ms, Call::Track { event: "Order Completed".into(), properties })
            }
            Action::Plan { user, plan, late_ms } => (
                user,
                late_ms,
                Call::Identify { traits: Map::from_iter([("plan".to_owned(), Value::from(*plan))]) },
            ),
            other => panic!("{other:?} is no event"),
        };
        self.machine.event((Some(format!("user{user}")), None), *late, call)
    }

    async fn send(&mut self, events: Vec<Event>) {
        self.machine.send(vec![events.clone()]).await;
        events.iter().for_each(|event| self.remember(event));
    }

    fn remember(&mut self, event: &Event) {
        let history = self.history.entry(event.user_id.clone().unwrap()).or_default();
        let at = event.timestamp.millis();
        match &event.call {
            Call::Track { event: name, properties } if name == STUDIO_STEP => {
                let known = |known: &'static [&'static str], key: &str| {
                    known.iter().find(|name| properties[key] == **name).copied().unwrap()
                };
                let post = Posted {
                    message: event.message_id.clone(),
                    sid: properties
                        .get("executionSid")
                        .map(|sid| sid.as_str().unwrap()[2..].parse().unwrap()),
                };
                history.posts.entry(known(&["appointment", "unheard_of"], "flow")).or_default().push(post);
            }
            Call::Track { properties, .. } => {
                history.orders.push((at, u32::try_from(properties["total"].as_u64().unwrap()).unwrap()));
            }
            Call::Identify { traits } => {
                history.plans.push((at, if traits["plan"] == "pro" { "pro" } else { "free" }));
            }
            other => panic!("{other:?}"),
        }
    }

    async fn define_audience(&mut self, which: usize, form: usize) {
        let name = AUDIENCES[which];
        if let Some(form_of) = FORMS[which].get(form) {
            self.apply(vec![audience(name, form_of.query)]).await;
            self.forms.insert(name, form);
        } else if self.remove(Kind::Audience, name, false).await {
            // Else another audience asks about it: it stays.
            self.forms.remove(name);
        }
    }
}
