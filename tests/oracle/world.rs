//! The engine under test: over a store in memory, on a clock that is set by hand.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::document;
use stagepost::domain::delivery::{Delivery, DeliveryFilter, Payload};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::{EventId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::domain::profile::Profile;
use stagepost::domain::time::Timestamp;
use stagepost::engine::{ApplyOptions, BackfillPace, Engine, Settings, Surroundings, Writer};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;

use crate::case::{ACCOUNTS, Case, START, Step, Then, USERS};
use crate::history::{Id, Owner, Post, What};
use crate::judge::{Calls, Judge, Mismatch};
use crate::language::Millis;

pub struct World {
    store: Arc<dyn Store>,
    clock: Clock,
    engine: Engine,
    writer: Writer,
    opened: u8,
}

/// Why a case failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Something was shown that is not the truth.
    Wrong(Mismatch),
    /// The product refused a definition, or something else that it should take.
    Refused(String),
}

/// Runs a case against the engine.
pub async fn run(case: &Case) -> Result<(), Failure> {
    let mut world = World::new().await;
    let mut judge = Judge::new(case);
    for step in &case.steps {
        world.act(case, step).await?;
        judge.note(step, world.now());
        if !step.is_unseen() {
            world.look(&mut judge).await?;
        }
    }
    let picture = world.look(&mut judge).await?;
    judge.judge_calls(world.now(), &picture.calls).map_err(Failure::Wrong)
}

/// What the engine shows.
struct Picture {
    profiles: BTreeMap<Owner, Profile>,
    calls: Calls,
}

impl Picture {
    fn shown(&self, owner: Owner, key: &str) -> Option<Value> {
        self.profiles.get(&owner)?.trait_value(key).map(Cow::into_owned)
    }
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Clock::manual(Timestamp::from_millis(START));
        let (engine, writer) = open(&store, &clock, 0).await;
        let mut world = Self { store, clock, engine, writer, opened: 0 };
        let crm = json!({
            "source": [],
            "destination": [{ "key": "crm", "kind": "webhook", "urls": [{ "url": "https://crm.example.com/" }] }],
        });
        world.apply(&crm, Then::Done).await.expect("a destination");
        world
    }

    fn now(&self) -> Millis {
        self.clock.now().millis()
    }

    async fn act(&mut self, case: &Case, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Define { which, then } => {
                let mut tables: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
                for (place, form) in which {
                    let (definition, form) =
                        (&case.definitions[*place], &case.definitions[*place].forms[*form]);
                    let table = if form.query.is_audience() { "audience" } else { "trait" };
                    let mut made =
                        json!({ "name": definition.key, "query": form.text, "destinations": ["crm"] });
                    if form.accounts && !form.query.is_account_level() {
                        made["target"] = "accounts".into();
                    }
                    tables.entry(table).or_default().push(made);
                }
                self.apply(&json!(tables), *then).await
            }
            Step::Arrive(posts) => {
                let now = self.now();
                let events: Vec<Event> = posts.iter().map(|post| event(post, now)).collect();
                let (taken, ()) = tokio::join!(self.engine.ingest(events), rest(&mut self.writer));
                taken.map(drop).map_err(|error| Failure::Refused(error.to_string()))
            }
            Step::Pass { to, .. } => {
                self.clock.set(Timestamp::from_millis(*to));
                Ok(())
            }
            Step::Restart => {
                self.restart().await;
                Ok(())
            }
        }
    }

    async fn apply(&mut self, document: &Value, then: Then) -> Result<(), Failure> {
        let wanted = document::read(document).map_err(|problems| {
            Failure::Refused(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        let work = async {
            let (Then::Broken(pieces) | Then::LeftOff(pieces)) = then else {
                return rest(&mut self.writer).await;
            };
            for _ in 0..=pieces {
                self.writer.step().await.expect("a store in memory");
            }
        };
        let (done, ()) = tokio::join!(self.engine.apply(wanted, ApplyOptions::default()), work);
        if let Then::Broken(_) = then {
            self.restart().await;
        }
        done.map(drop).map_err(|error| Failure::Refused(format!("{error}: {error:?}")))
    }

    /// Lets what is due happen, and judges what is shown then.
    async fn look(&mut self, judge: &mut Judge<'_>) -> Result<Picture, Failure> {
        self.tick().await;
        let picture = self.picture().await;
        judge.judge(self.now(), &|owner, key| picture.shown(owner, key)).map_err(Failure::Wrong)?;
        Ok(picture)
    }

    /// Lets time that passed have its effect.
    async fn tick(&mut self) {
        self.writer.tick();
        rest(&mut self.writer).await;
    }

    async fn restart(&mut self) {
        self.opened += 1;
        (self.engine, self.writer) = open(&self.store, &self.clock, self.opened).await;
    }

    async fn picture(&self) -> Picture {
        let users = (0..USERS).map(|user| (Owner::User(user), UserKey::user(&format!("u{user}"))));
        let accounts =
            (0..ACCOUNTS).map(|group| (Owner::Account(group), UserKey::group(&format!("g{group}"))));
        let mut profiles = BTreeMap::new();
        for (owner, key) in users.chain(accounts) {
            let profile = self.engine.profile(&key).await.expect("a store in memory");
            profiles.extend(profile.map(|profile| (owner, profile)));
        }
        let page = PageRequest { limit: 1000, cursor: None };
        let deliveries = self.store.deliveries(&DeliveryFilter::default(), &page).await;
        let mut deliveries = deliveries.expect("a store in memory").rows;
        assert!(deliveries.len() < 1000, "more calls than a case can make");
        deliveries.sort_by_key(|delivery| delivery.id);
        Picture { profiles, calls: deliveries.iter().map(call).collect() }
    }
}

async fn open(store: &Arc<dyn Store>, clock: &Clock, opened: u8) -> (Engine, Writer) {
    let settings = Settings {
        clock: clock.clone(),
        seed: [opened; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 2,
    };
    let (engine, writer) = Writer::open(Arc::clone(store), settings).await.expect("a store in memory");
    // Every run is to do the same in the same order.
    (engine, writer.with_pace(BackfillPace { by_time: false, ..BackfillPace::default() }))
}

async fn rest(writer: &mut Writer) {
    while writer.step().await.expect("a store in memory") {}
}

/// Whom a call is about, under which key, and what it says.
fn call(delivery: &Delivery) -> (Owner, String, Value) {
    let Payload::Call(call) = &delivery.payload else { panic!("{delivery:?} is no call") };
    let number = |text: &Value| text.as_str().expect("an id")[1..].parse().expect("an id of ours");
    let owner = match call.get("groupId") {
        Some(group) => Owner::Account(number(group)),
        None => Owner::User(number(&call["userId"])),
    };
    let key = call["context"]["personas"]["computation_key"].as_str().expect("a key").to_owned();
    let value = call["traits"][&key].clone();
    (owner, key, value)
}

fn event(post: &Post, now: Millis) -> Event {
    let call = match post.what.clone() {
        What::Track(event, properties) => Call::Track { event, properties },
        What::Page(name, properties) => Call::Page { name, category: None, properties },
        What::Screen(name, properties) => Call::Screen { name, category: None, properties },
        What::Identify(traits) => Call::Identify { traits },
        What::Group(group, traits) => Call::Group { group_id: format!("g{group}"), traits },
        What::Alias(Id::User(user)) => Call::Alias { previous_id: format!("u{user}") },
        What::Alias(Id::Anonymous(anonymous)) => Call::Alias { previous_id: format!("a{anonymous}") },
    };
    Event {
        id: EventId::floor(Timestamp::default()),
        message_id: post.message.clone(),
        dedupe: true,
        source: post.source.into(),
        user_id: post.user.map(|user| format!("u{user}")),
        anonymous_id: post.anonymous.map(|anonymous| format!("a{anonymous}")),
        call,
        context: post.context.clone(),
        integrations: Default::default(),
        extra: Default::default(),
        channel: "server".into(),
        timestamp: Timestamp::from_millis(post.at),
        original_timestamp: Timestamp::from_millis(post.at),
        sent_at: None,
        received_at: Timestamp::from_millis(now),
    }
}
