//! An engine over a store that may break, a clock that is set by hand, receivers that fail: what every simulated world is
//! built around.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, json};
use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::{
    Channel, Definition, Destination, DestinationKind, EventsWanted, Flow, Kind, Level, OutsideHours,
    Recipient, Signing, WebhookUrl, document,
};
use stagepost::domain::delivery::{Attempt, DeliveryFilter, DeliveryStatus, Outcome};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::health::Signal;
use stagepost::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::engine::{
    ApplyOptions, BackfillPace, By, Engine, EngineError, Operation, Settings, Settlement, Surroundings,
    Writer,
};
use stagepost::store::Store;
use stagepost::store::copy::{Compared, copy};

use crate::crash_store::{Crash, CrashStore};
use crate::support::stores::{Backend, Place};

pub const START: i64 = 1_790_000_000_000;
pub const HOUR: i64 = 3_600_000;
/// Writers of an engine where the store is shared.
const WRITERS: usize = 2;
/// When an open run of the flow that worlds define is given up.
pub const EXPIRE_HOURS: i64 = 120;

/// A call that a receiver took.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub destination: String,
    pub user: UserKey,
    pub id: DeliveryId,
    pub replays: u32,
}

/// The engine with everything around it.
pub struct Machine {
    place: Place,
    folder: tempfile::TempDir,
    pub store: Arc<dyn Store>,
    crash: Arc<CrashStore>,
    pub clock: Clock,
    pub engine: Engine,
    /// Only between a break and the next start there is none.
    writer: Option<Writer>,
    /// Whether each request is followed by work until there is nothing left to do; else a request is answered and what is
    /// begun goes on with the next ones.
    rests: bool,
    pace: BackfillPace,
    /// Every message id that was acknowledged.
    pub acknowledged: HashSet<String>,
    pub sent: Vec<Event>,
    pub arrivals: Vec<Arrival>,
    messages: u32,
    restarts: u32,
    seed: u64,
}

impl Machine {
    pub async fn new(backend: Backend, seed: u64, rests: bool, pace: BackfillPace) -> Self {
        // Every run is to do the same in the same order.
        let pace = BackfillPace { by_time: false, ..pace };
        let clock = Clock::manual(Timestamp::from_millis(START));
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(backend, folder.path(), &clock);
        let store = place.open().await;
        let crash = Arc::new(CrashStore::new(Arc::clone(&store)));
        let (engine, writer) = open(&crash, &clock, seed, 0, pace).await;
        Self {
            place,
            folder,
            store,
            crash,
            clock,
            engine,
            writer: Some(writer),
            rests,
            pace,
            acknowledged: HashSet::new(),
            sent: Vec::new(),
            arrivals: Vec::new(),
            messages: 0,
            restarts: 0,
            seed,
        }
    }

    /// From now on, what is begun goes on with later requests.
    pub fn without_rest(self) -> Self {
        Self { rests: false, ..self }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Whose pages of which leaves are kept, under which numbers. Only memory tells.
    pub fn kept_leaf_pages(&self) -> Option<Vec<(UserKey, LeafId, u32)>> {
        match &self.place {
            Place::Memory(memory) => Some(memory.kept_leaf_pages()),
            Place::Sled(_) | Place::Postgres(_) => None,
        }
    }

    /// Lets time pass; timers that are due are only looked at with the next work.
    pub fn pass(&mut self, ms: i64) {
        self.clock.set(Timestamp::from_millis(self.now() + ms));
    }

    /// Lets one of the next commits break, and with it the process.
    pub fn break_after(&self, commits: u32, written: bool) {
        self.crash.arm(commits, if written { Crash::After } else { Crash::Before });
    }

    /// Several writers make ids, whose order is that of time only: what comes now comes later than all before.
    fn begin(&mut self) {
        if self.engine.leases().are_shared() {
            self.pass(1);
        }
    }

    /// Asks the engine for something and lets it work until it has answered; a break on the way is followed by a new start.
    pub async fn ask<T>(
        &mut self,
        ask: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        self.engine.renew_leases().await;
        let answered = Cell::new(false);
        let asking = async {
            let answer = ask.await;
            answered.set(true);
            answer
        };
        let (writer, rests) = (&mut self.writer, self.rests);
        let working = async {
            loop {
                let stepped = Box::pin(writer.as_mut().expect("a writer").step()).await;
                let Ok(more) = stepped else {
                    // The process is gone: nobody answers what still waits in it.
                    *writer = None;
                    return false;
                };
                tokio::task::yield_now().await;
                if answered.get() && !(rests && more) {
                    return true;
                }
            }
        };
        // The answer is always looked for first, so that no step more is done than it takes.
        let (answer, whole) = futures_util::future::join(asking, working).await;
        if !whole {
            self.restart().await;
        }
        answer
    }

    /// Lets time that passed have its effect, and the engine work until there is nothing left to do.
    pub async fn tick(&mut self) {
        self.begin();
        self.engine.renew_leases().await;
        self.writer().tick();
        loop {
            match Box::pin(self.writer().step()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.restart().await;
                    self.writer().tick();
                }
            }
        }
    }

    /// Lets time that passed have its effect, and the engine work for so many steps.
    pub async fn work(&mut self, steps: u32) {
        self.begin();
        self.engine.renew_leases().await;
        self.writer().tick();
        for _ in 0..steps {
            match Box::pin(self.writer().step()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.restart().await;
                    self.writer().tick();
                }
            }
        }
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("a writer")
    }

    pub async fn restart(&mut self) {
        self.restarts += 1;
        // What follows happens when the leases of the one that broke have run out.
        self.engine.give_up_leases().await;
        let (engine, writer) = open(&self.crash, &self.clock, self.seed, self.restarts, self.pace).await;
        (self.engine, self.writer) = (engine, Some(writer));
        self.engine.renew_leases().await;
    }

    /// Copies everything into an empty store of that backend, and goes on over it.
    pub async fn move_to(&mut self, backend: Backend) -> Vec<Compared> {
        // A break that is still to come does not come any more.
        self.crash.disarm();
        self.engine.give_up_leases().await;
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(backend, folder.path(), &self.clock);
        let store = place.open().await;
        let compared = copy(&*self.store, &*store, "the copy", &mut |_| {}).await.unwrap();
        assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:#?}");
        self.crash = Arc::new(CrashStore::new(Arc::clone(&store)));
        self.store = store;
        self.restart().await;
        (self.place, self.folder) = (place, folder);
        compared
    }

    /// A new event with these ids that says it happened `late_ms` before now.
    pub fn event(&mut self, ids: (Option<String>, Option<String>), late_ms: i64, call: Call) -> Event {
        self.messages += 1;
        let (now, at) = (self.now(), Timestamp::from_millis(self.now() - late_ms));
        Event {
            id: EventId::floor(Timestamp::default()),
            message_id: format!("m{}", self.messages),
            dedupe: true,
            source: "http".into(),
            user_id: ids.0,
            anonymous_id: ids.1,
            call,
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".into(),
            timestamp: at,
            original_timestamp: at,
            sent_at: None,
            received_at: Timestamp::from_millis(now),
        }
    }

    /// Sends requests as clients do that call at the same moment: again, under the same ids, until they are acknowledged.
    pub async fn send(&mut self, requests: Vec<Vec<Event>>) {
        self.begin();
        loop {
            let engine = self.engine.clone();
            let all = async {
                let answers = requests.iter().map(|events| engine.ingest(events.clone()));
                Ok(futures_util::future::join_all(answers).await)
            };
            let answers = self.ask(all).await.unwrap();
            let refused = answers.iter().find_map(|answer| answer.as_ref().err());
            match refused {
                None => break,
                Some(EngineError::Unavailable(_)) => {}
                Some(error) => panic!("{error}"),
            }
        }
        for event in requests.into_iter().flatten() {
            assert!(self.acknowledged.insert(event.message_id.clone()));
            self.sent.push(event);
        }
    }

    /// Sends one of the messages sent so far again.
    pub async fn repeat(&mut self, which: usize) {
        let Some(event) = self.sent.get(which % self.sent.len().max(1)).cloned() else { return };
        // Only within the dedupe window is a repetition known as one.
        if self.now() - event.received_at.millis() > 24 * HOUR {
            return;
        }
        let engine = self.engine.clone();
        match self.ask(engine.ingest(vec![event.clone()])).await {
            Ok(accepted) => assert!(accepted[0].duplicate, "a repetition was taken for new: {event:?}"),
            Err(EngineError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn apply(&mut self, wanted: Vec<Definition>) {
        self.begin();
        loop {
            let engine = self.engine.clone();
            match self.ask(engine.apply(wanted.clone(), ApplyOptions::default())).await {
                Ok(_) => return,
                Err(EngineError::Unavailable(_)) => {}
                Err(error) => panic!("{error}: {error:?}"),
            }
        }
    }

    /// Removes a definition; `false` when another one needs it.
    pub async fn remove(&mut self, kind: Kind, key: &str, exit: bool) -> bool {
        self.begin();
        loop {
            let engine = self.engine.clone();
            match self.ask(engine.remove(kind, key, exit)).await {
                Ok(()) | Err(EngineError::NotFound { .. }) => return true,
                Err(EngineError::Conflict(_)) => return false,
                Err(EngineError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Defines the flow with these levels: stage and hours.
    pub async fn define_flow(&mut self, levels: &[(&str, i64)]) {
        let escalation = levels
            .iter()
            .map(|(stage, hours)| Level {
                stage: (*stage).to_owned(),
                after: Span::from_hours(*hours),
                actions: vec![Channel::Email {
                    to: vec![Recipient::Address("ops@example.com".into())],
                    template: "no_reply".into(),
                }],
                outside_hours: OutsideHours::default(),
                repeat: None,
            })
            .collect();
        self.apply(vec![Definition::Flow(Flow {
            name: "appointment".into(),
            sid: None,
            widgets: BTreeMap::new(),
            team: None,
            digest: None,
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

    /// Tries the receivers as the dispatcher does: per user the oldest pending one. Each attempt fails with this many
    /// chances in ten.
    pub async fn deliver(&mut self, rng: &mut StdRng, destinations: &[&str], failures: u8) {
        for destination in destinations {
            for _ in 0..40 {
                let now = self.clock.now();
                let due = self.store.due_deliveries(destination, now, &HashSet::new(), 4).await.unwrap();
                if due.is_empty() {
                    break;
                }
                for delivery in due {
                    let outcome = if rng.random_range(0..10) >= failures {
                        self.arrivals.push(Arrival {
                            destination: (*destination).to_owned(),
                            user: delivery.user.clone(),
                            id: delivery.id,
                            replays: delivery.replays,
                        });
                        Outcome::Delivered
                    } else if rng.random_bool(0.9) {
                        Outcome::Retry { after: None }
                    } else {
                        Outcome::Failed
                    };
                    self.settle(delivery.id, outcome).await;
                }
            }
        }
    }

    /// Tells what came of an attempt. An answer that is lost in a break means that the attempt is repeated.
    pub async fn settle(&mut self, id: DeliveryId, outcome: Outcome) {
        let attempt = Attempt {
            at: self.clock.now(),
            status: outcome.as_str().to_owned(),
            http_status: None,
            duration_ms: 1,
            response_snippet: None,
            error: None,
        };
        let engine = self.engine.clone();
        let signal = if outcome == Outcome::Delivered { Signal::Good } else { Signal::Bad };
        let _ = self
            .ask(engine.settle(vec![Settlement { id, attempt, outcome, signal, receipt: None, weight: 100 }]))
            .await;
    }

    /// An operator acknowledges or resolves one of the journeys.
    pub async fn operate(&mut self, which: usize, resolve: bool) {
        let page = PageRequest { limit: 1000, cursor: None };
        let journeys = self.store.journeys(&Default::default(), &page).await.unwrap().rows;
        if journeys.is_empty() {
            return;
        }
        let id: JourneyId = journeys[which % journeys.len()].id;
        let operation = if resolve { Operation::Resolve } else { Operation::Acknowledge { told_at: None } };
        let engine = self.engine.clone();
        match self.ask(engine.operate(id, operation, by_ops("simulated"))).await {
            Ok(_) | Err(EngineError::Conflict(_) | EngineError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Puts the dead letters of one sort back into the queue. A break in the middle leaves some of them where they were.
    pub async fn replay(&mut self, destination: &str, status: DeliveryStatus) {
        let destination = Some(destination.to_owned());
        let filter = DeliveryFilter { destination, status: Some(status), ..DeliveryFilter::default() };
        let engine = self.engine.clone();
        let _ = self.ask(engine.replay(filter)).await;
        self.tick().await;
    }

    /// Lets everything that waits be sent, as in hours without a failure.
    pub async fn drain(&mut self, rng: &mut StdRng, destinations: &[&str]) {
        for _ in 0..200 {
            self.deliver(rng, destinations, 0).await;
            let filter =
                DeliveryFilter { status: Some(DeliveryStatus::Pending), ..DeliveryFilter::default() };
            let page = PageRequest { limit: 1, cursor: None };
            if self.store.deliveries(&filter, &page).await.unwrap().rows.is_empty() {
                return;
            }
            self.pass(20 * 60_000);
            self.tick().await;
        }
        panic!("the outbox does not empty");
    }
}

async fn open(
    crash: &Arc<CrashStore>,
    clock: &Clock,
    seed: u64,
    restarts: u32,
    pace: BackfillPace,
) -> (Engine, Writer) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&restarts.to_le_bytes());
    let store: Arc<dyn Store> = Arc::clone(crash) as Arc<dyn Store>;
    let surroundings =
        Surroundings { public_url: Some("https://stagepost.example".into()), operators: Vec::new() };
    let settings = Settings {
        clock: clock.clone(),
        seed: bytes,
        surroundings,
        address_policy: AddressPolicy::public_only(),
        writers: WRITERS,
    };
    let (engine, writer) = Writer::open(store, settings).await.unwrap();
    (engine, writer.with_pace(pace))
}

pub fn destination(key: &str, events: EventsWanted) -> Definition {
    let url = WebhookUrl { url: format!("https://{key}.example/hook"), headers: BTreeMap::new() };
    let kind = DestinationKind::Webhook { urls: vec![url], signing: Signing::default(), gzip: false };
    Definition::Destination(Destination {
        max_in_flight: 4,
        events,
        ..Destination::new(key.to_owned(), kind)
    })
}

pub fn audience(name: &str, query: &str) -> Definition {
    computation("audience", name, query)
}

pub fn computation(table: &str, name: &str, query: &str) -> Definition {
    definition(table, json!({ "name": name, "query": query, "destinations": ["crm"] }))
}

/// The definition that a document with this one would make.
pub fn definition(table: &str, fields: serde_json::Value) -> Definition {
    document::read(&json!({ table: [fields] })).unwrap().remove(0)
}

/// The word of the operators.
pub fn by_ops(reason: &str) -> By {
    By { who: "ops".to_owned(), reason: reason.to_owned(), via: "api" }
}

/// For messages of failed checks.
pub fn show(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(&json!(value)).unwrap()
}
