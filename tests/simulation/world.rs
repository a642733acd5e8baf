//! A simulated world: an engine over a store that may break, a clock that is set by hand, receivers that fail.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use rand::Rng;
use serde_json::{Map, Value, json};
use stagepost::clock::Clock;
use stagepost::domain::definition::{
    Channel, Definition, Destination, DestinationKind, EventsWanted, Flow, Kind, Level, WebhookUrl, document,
};
use stagepost::domain::delivery::{Attempt, DeliveryFilter, DeliveryStatus, EMAIL, Outcome};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::engine::{
    ApplyOptions, Engine, EngineError, Operation, ReplaySelection, Settings, Settlement, Writer,
};
use stagepost::store::Store;
use stagepost::store::memory::MemoryStore;

use crate::crash_store::{Crash, CrashStore};
use crate::generator::{Action, Generator};
use crate::model::{AUDIENCES, FORMS, History, Posted};

pub const START: i64 = 1_790_000_000_000;
pub const DESTINATIONS: [&str; 3] = [EMAIL, "crm", "mirror"];

/// Levels of the flow in each of its forms: stage and hours.
pub const LEVELS: [&[(&str, i64)]; 3] = [
    &[("no_reply", 1), ("no_reply", 4), ("initiation", 24)],
    &[("no_reply", 2)],
    &[("no_reply", 1), ("no_reply", 3), ("no_reply", 30), ("reminder", 5)],
];
pub const EXPIRE_HOURS: i64 = 120;

/// A call that a receiver took.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub destination: String,
    pub user: UserKey,
    pub id: DeliveryId,
    pub replays: u32,
}

pub struct World {
    pub generator: Generator,
    pub store: Arc<dyn Store>,
    crash: Arc<CrashStore>,
    pub clock: Clock,
    pub engine: Engine,
    writer: Writer,
    pub history: BTreeMap<String, History>,
    /// Every message id that was acknowledged.
    pub acknowledged: HashSet<String>,
    sent: Vec<Event>,
    /// The form that each audience has now.
    pub forms: HashMap<&'static str, usize>,
    pub levels: usize,
    pub arrivals: Vec<Arrival>,
    messages: u32,
    restarts: u32,
    seed: u64,
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let crash = Arc::new(CrashStore::new(Arc::clone(&store)));
        let clock = Clock::manual(Timestamp::from_millis(START));
        let (engine, writer) = open(&crash, &clock, seed, 0).await;
        let mut world = Self {
            generator: Generator::new(seed),
            store,
            crash,
            clock,
            engine,
            writer,
            history: BTreeMap::new(),
            acknowledged: HashSet::new(),
            sent: Vec::new(),
            forms: HashMap::new(),
            levels: 0,
            arrivals: Vec::new(),
            messages: 0,
            restarts: 0,
            seed,
        };
        world
            .apply(vec![destination("crm", EventsWanted::Computed), destination("mirror", EventsWanted::All)])
            .await;
        world.define_flow(0).await;
        world
    }

    pub fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Asks the engine for something and lets it work until it rests; a break on the way is followed by a new start.
    pub async fn ask<T>(
        &mut self,
        ask: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let (answer, rested) = tokio::join!(ask, rest(&mut self.writer));
        if !rested {
            self.restart().await;
        }
        answer
    }

    /// Lets time that passed have its effect.
    pub async fn tick(&mut self) {
        loop {
            self.writer.tick();
            if rest(&mut self.writer).await {
                return;
            }
            self.restart().await;
        }
    }

    pub async fn restart(&mut self) {
        self.restarts += 1;
        (self.engine, self.writer) = open(&self.crash, &self.clock, self.seed, self.restarts).await;
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
            Action::Repeat { which } => {
                if !self.sent.is_empty() {
                    let event = self.sent[which % self.sent.len()].clone();
                    self.repeat(event).await;
                }
            }
            Action::Pass { ms } => {
                self.clock.set(Timestamp::from_millis(self.now() + ms));
                self.tick().await;
            }
            Action::Deliver { failures } => self.deliver(*failures).await,
            Action::Audience { which, form } => {
                self.define_audience(which % AUDIENCES.len(), usize::from(*form)).await
            }
            Action::Flow { form } => self.define_flow(usize::from(*form)).await,
            Action::Operate { which, resolve } => self.operate(*which, *resolve).await,
            Action::Replay => self.replay().await,
            Action::Restart => self.restart().await,
            Action::Break { after, written } => {
                self.crash.arm(*after, if *written { Crash::After } else { Crash::Before });
            }
        }
    }

    fn event(&mut self, action: &Action) -> Event {
        self.messages += 1;
        let now = self.now();
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
        Event {
            id: EventId::floor(Timestamp::default()),
            message_id: format!("m{}", self.messages),
            dedupe: true,
            source: "http".into(),
            user_id: Some(format!("user{user}")),
            anonymous_id: None,
            call,
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".into(),
            timestamp: Timestamp::from_millis(now - late),
            original_timestamp: Timestamp::from_millis(now - late),
            sent_at: None,
            received_at: Timestamp::from_millis(now),
        }
    }

    /// Sends events as a client does: again, under the same ids, until they are acknowledged.
    async fn send(&mut self, events: Vec<Event>) {
        loop {
            let engine = self.engine.clone();
            match self.ask(engine.ingest(events.clone())).await {
                Ok(accepted) => {
                    assert_eq!(accepted.len(), events.len());
                    break;
                }
                Err(EngineError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        for event in events {
            self.remember(&event);
            self.sent.push(event);
        }
    }

    async fn repeat(&mut self, event: Event) {
        // Only within the dedupe window is a repetition known as one.
        if self.now() - event.received_at.millis() > 24 * 3_600_000 {
            return;
        }
        let engine = self.engine.clone();
        match self.ask(engine.ingest(vec![event])).await {
            Ok(accepted) => assert!(accepted[0].duplicate, "a repetition was taken for new"),
            Err(EngineError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn remember(&mut self, event: &Event) {
        assert!(self.acknowledged.insert(event.message_id.clone()));
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

    /// Tries the receivers as the dispatcher does: per user the oldest pending one.
    pub async fn deliver(&mut self, failures: u8) {
        for destination in DESTINATIONS {
            for _ in 0..40 {
                let due = self
                    .store
                    .due_deliveries(destination, self.clock.now(), &HashSet::new(), 4)
                    .await
                    .unwrap();
                if due.is_empty() {
                    break;
                }
                for delivery in due {
                    let outcome = if self.generator.rng.random_range(0..10) >= failures {
                        self.arrivals.push(Arrival {
                            destination: destination.to_owned(),
                            user: delivery.user.clone(),
                            id: delivery.id,
                            replays: delivery.replays,
                        });
                        Outcome::Delivered
                    } else if self.generator.rng.random_bool(0.9) {
                        Outcome::Retry { after: None }
                    } else {
                        Outcome::Failed
                    };
                    let attempt = Attempt {
                        at: self.clock.now(),
                        status: outcome.as_str().to_owned(),
                        http_status: None,
                        duration_ms: 1,
                        response_snippet: None,
                        error: None,
                    };
                    let engine = self.engine.clone();
                    // An answer that is lost in a break means that the attempt is repeated.
                    let _ = self.ask(engine.settle(Settlement { id: delivery.id, attempt, outcome })).await;
                }
            }
        }
    }

    pub async fn apply(&mut self, wanted: Vec<Definition>) {
        loop {
            let engine = self.engine.clone();
            match self.ask(engine.apply(wanted.clone(), ApplyOptions::default())).await {
                Ok(_) => return,
                Err(EngineError::Unavailable(_)) => {}
                Err(error) => panic!("{error}: {error:?}"),
            }
        }
    }

    async fn define_audience(&mut self, which: usize, form: usize) {
        let name = AUDIENCES[which];
        let Some(form_of) = FORMS[which].get(form) else {
            loop {
                let engine = self.engine.clone();
                match self.ask(engine.remove(Kind::Audience, name, false)).await {
                    Ok(()) | Err(EngineError::NotFound { .. }) => break,
                    // Another audience asks about it: it stays.
                    Err(EngineError::Conflict(_)) => return,
                    Err(EngineError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            self.forms.remove(name);
            return;
        };
        self.apply(vec![audience(name, form_of.query)]).await;
        self.forms.insert(name, form);
    }

    async fn define_flow(&mut self, form: usize) {
        self.define_flow_levels(LEVELS[form]).await;
        self.levels = form;
    }

    /// Defines the flow with these levels: stage and hours.
    pub async fn define_flow_levels(&mut self, levels: &[(&str, i64)]) {
        let escalation = levels
            .iter()
            .map(|(stage, hours)| Level {
                stage: (*stage).to_owned(),
                after: Span::from_hours(*hours),
                channel: Channel::Email { to: vec!["ops@example.com".into()], template: "no_reply".into() },
            })
            .collect();
        self.apply(vec![Definition::Flow(Flow {
            name: "appointment".into(),
            initial: Some("initiation".into()),
            terminal: vec!["confirmed".into(), "cancelled".into()],
            expire_after: Span::from_hours(EXPIRE_HOURS),
            escalation,
            revisit: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        })])
        .await;
    }

    async fn operate(&mut self, which: usize, resolve: bool) {
        let page = PageRequest { limit: 1000, cursor: None };
        let journeys = self.store.journeys(&Default::default(), &page).await.unwrap().rows;
        if journeys.is_empty() {
            return;
        }
        let id: JourneyId = journeys[which % journeys.len()].id;
        let operation = if resolve { Operation::Resolve } else { Operation::Acknowledge };
        let engine = self.engine.clone();
        match self.ask(engine.operate(id, operation, "ops", "simulated")).await {
            Ok(_) | Err(EngineError::Conflict(_) | EngineError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn replay(&mut self) {
        let selection = ReplaySelection::Of {
            destination: "crm".into(),
            status: if self.generator.rng.random_bool(0.5) {
                DeliveryStatus::Dead
            } else {
                DeliveryStatus::Failed
            },
            since: None,
        };
        let engine = self.engine.clone();
        // A break in the middle leaves some of them where they were.
        let _ = self.ask(engine.replay(selection)).await;
    }

    /// Lets everything that waits be sent, as in hours without a failure.
    pub async fn drain(&mut self) {
        for _ in 0..200 {
            self.deliver(0).await;
            let filter =
                DeliveryFilter { status: Some(DeliveryStatus::Pending), ..DeliveryFilter::default() };
            let page = PageRequest { limit: 1, cursor: None };
            if self.store.deliveries(&filter, &page).await.unwrap().rows.is_empty() {
                return;
            }
            self.clock.set(Timestamp::from_millis(self.now() + 20 * 60_000));
            self.tick().await;
        }
        panic!("the outbox does not empty");
    }
}

async fn open(crash: &Arc<CrashStore>, clock: &Clock, seed: u64, restarts: u32) -> (Engine, Writer) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&restarts.to_le_bytes());
    let store: Arc<dyn Store> = Arc::clone(crash) as Arc<dyn Store>;
    let settings =
        Settings { clock: clock.clone(), seed: bytes, public_url: Some("https://stagepost.example".into()) };
    Writer::open(store, settings).await.unwrap()
}

/// Lets the writer work until it rests; says whether it got there without a break.
async fn rest(writer: &mut Writer) -> bool {
    loop {
        match writer.step().await {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => return false,
        }
    }
}

fn destination(key: &str, events: EventsWanted) -> Definition {
    Definition::Destination(Destination {
        key: key.to_owned(),
        kind: DestinationKind::Webhook {
            urls: vec![WebhookUrl { url: format!("https://{key}.example/hook"), headers: BTreeMap::new() }],
            shared_secret: None,
        },
        enabled: true,
        timeout: Span::from_secs(5),
        max_in_flight: 4,
        rate_limit: None,
        retry_for: Span::from_hours(4),
        events,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

pub fn audience(name: &str, query: &str) -> Definition {
    computation("audience", name, query)
}

pub fn computation(table: &str, name: &str, query: &str) -> Definition {
    let document = json!({ table: [{ "name": name, "query": query, "destinations": ["crm"] }] });
    document::read(&document).unwrap().remove(0)
}

/// For messages of failed checks.
pub fn show(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(&json!(value)).unwrap()
}
