//! Teams' daily summaries over every store: each is made once, whatever is killed when; and the desks that tell when they are
//! due are nobody.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::{Map, Value, json};
use stagepost::clock::Clock;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::{Kind, document};
use stagepost::domain::delivery::{Delivery, DeliveryFilter, Payload};
use stagepost::domain::event::{Call, Event, STUDIO_STEP};
use stagepost::domain::ids::{Desk, EventId, UserKey};
use stagepost::domain::limits;
use stagepost::domain::page::PageRequest;
use stagepost::domain::profile::Profile;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::engine::{Among, ApplyOptions, BackfillPace, Engine, Settings, Surroundings, Writer};
use stagepost::store::Store;
use stagepost::store::copy::copy;
use stagepost::store::memory::MemoryStore;

use crate::backends;

/// An engine that can be killed and started again, on a clock that stands still.
struct World {
    store: Arc<dyn Store>,
    clock: Clock,
    starts: u8,
    running: (Engine, Writer),
}

impl World {
    async fn new(store: Arc<dyn Store>, now: &str) -> Self {
        let clock = Clock::manual(at(now));
        let running = open(&store, &clock, 0).await;
        Self { store, clock, starts: 0, running }
    }

    /// What was in memory is gone.
    async fn kill(&mut self) {
        self.starts += 1;
        // Let go of what it held at once, as if its leases had run out.
        self.running.0.give_up_leases().await;
        self.running = open(&self.store, &self.clock, self.starts).await;
    }

    /// Works until `asked` is answered.
    async fn ask<T>(&mut self, asked: impl AsyncFnOnce(Engine) -> T) -> T {
        let mut asked = pin!(asked(self.running.0.clone()));
        loop {
            if let Some(answer) = (&mut asked).now_or_never() {
                return answer;
            }
            self.running.1.step().await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    /// Lets `steps` be done, at most, of what there is to do at that time.
    async fn work(&mut self, now: &str, steps: usize) {
        self.clock.set(at(now));
        self.running.0.renew_leases().await;
        self.running.1.tick();
        for _ in 0..steps {
            if !self.running.1.step().await.unwrap() {
                return;
            }
        }
    }

    async fn rest(&mut self, now: &str) {
        self.work(now, usize::MAX).await;
        // What the first round made due is found by the next.
        self.work(now, usize::MAX).await;
    }

    async fn define(&mut self, team: Value) {
        let document = json!({
            "flow": [{"name": "f", "terminal": ["done"], "escalation": [
                {"stage": "no_reply", "after": "30m", "channel": "email", "to": ["a@example.com"], "template": "stalled"}]}],
            "team": [team],
        });
        let wanted = document::read(&document).unwrap();
        self.ask(async move |engine| engine.apply(wanted, ApplyOptions::default()).await).await.unwrap();
    }

    async fn post(&mut self, user: &str, flow: &str, stage: &str) {
        let now = self.clock.now();
        let properties = json!({"flow": flow, "stage": stage}).as_object().unwrap().clone();
        let event = Event {
            id: EventId::floor(now),
            message_id: format!("{user} {flow} {stage}"),
            dedupe: true,
            source: "studio".to_owned(),
            user_id: Some(user.to_owned()),
            anonymous_id: None,
            call: Call::Track { event: STUDIO_STEP.to_owned(), properties },
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".to_owned(),
            timestamp: now,
            original_timestamp: now,
            sent_at: None,
            received_at: now,
        };
        self.ask(async move |engine| engine.ingest(vec![event]).await).await.unwrap();
    }

    /// The summaries that were made: to whom, of the time until when, and what they tell; oldest first.
    async fn summaries(&self) -> Vec<(String, Timestamp, Value)> {
        let page = PageRequest { limit: 1000, cursor: None };
        let made = self.store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().rows;
        let mut found: Vec<_> = made.iter().filter_map(summary).collect();
        found.reverse();
        found
    }

    async fn made(&self) -> Vec<(String, String)> {
        let all = self.summaries().await;
        all.into_iter().map(|(to, until, _)| (to, until.to_rfc3339())).collect()
    }
}

async fn open(store: &Arc<dyn Store>, clock: &Clock, start: u8) -> (Engine, Writer) {
    let settings = Settings {
        clock: clock.clone(),
        seed: [start; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let (engine, writer) = Writer::open(Arc::clone(store), settings).await.unwrap();
    engine.renew_leases().await;
    // What is read of the past is read here, not on a thread of its own.
    (engine, writer.with_pace(BackfillPace { by_time: false, ..BackfillPace::default() }))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_lenient(text).unwrap()
}

fn summary(delivery: &Delivery) -> Option<(String, Timestamp, Value)> {
    let Payload::Email { template, to, context } = &delivery.payload else { return None };
    assert_eq!(delivery.user == UserKey::desk(&Desk::Team("ops")), template == "summary");
    let summary = context.get("summary").filter(|_| template == "summary")?;
    let until = summary["until"].as_str().and_then(Timestamp::parse_lenient).unwrap();
    assert_eq!(to.len(), 1, "each of them gets a mail of his own");
    Some((to[0].clone(), until, summary.clone()))
}

/// A team whose summary comes at eight on working days in Brussels, to Ada and Bob.
fn team() -> Value {
    json!({"key": "ops", "time_zone": "Europe/Brussels", "summary": {"at": "08:00", "days": "mon-fri",
        "to": ["Ada@example.com", "bob@example.com"]}})
}

fn both(until: &str) -> Vec<(String, String)> {
    ["Ada@example.com", "bob@example.com"].map(|to| (to.to_owned(), until.to_owned())).to_vec()
}

async fn a_week(store: Arc<dyn Store>) {
    // A Thursday; it is eight in Brussels at seven.
    let mut world = World::new(store, "2026-11-19T12:00:00Z").await;
    world.define(team()).await;
    world.post("u1", "f", "no_reply").await;
    world.post("u2", "f", "initiation").await;
    world.rest("2026-11-19T12:31:00Z").await;
    world.post("u2", "f", "done").await;
    world.post("u3", "other", "initiation").await;
    world.rest("2026-11-20T06:59:59.999Z").await;
    assert_eq!(world.made().await, []);

    world.rest("2026-11-20T07:00:00Z").await;
    let friday = both("2026-11-20T07:00:00.000Z");
    assert_eq!(world.made().await, friday);
    let told = &world.summaries().await[0].2;
    assert_eq!(told["from"], "2026-11-19T07:00:00.000Z");
    let figures = |row: &Value| {
        ["started", "completed", "stalled", "escalations", "waiting"].map(|it| row[it].as_u64().unwrap())
    };
    assert_eq!(figures(&told["total"]), [3, 1, 1, 1, 1]);
    assert_eq!(
        told["flows"].as_array().unwrap().iter().map(|row| row["flow"].as_str().unwrap()).collect::<Vec<_>>(),
        ["f", "other"]
    );
    assert_eq!((&told["oldest"][0]["userId"], told["hours"].as_array().unwrap().len()), (&json!("u1"), 24));
    assert_eq!((&told["hours"][5], &told["whole"]), (&json!(1), &json!(true)));

    // Nothing is due twice, also after a start, or where the definition comes again or changes.
    world.kill().await;
    world.define(team()).await;
    world.rest("2026-11-20T07:00:01Z").await;
    let mut changed = team();
    changed["hours"] = json!([{"days": "mon-fri", "from": "08:00", "until": "18:00"}]);
    world.define(changed.clone()).await;
    world.rest("2026-11-22T12:00:00Z").await;
    assert_eq!(world.made().await, friday, "none at the weekend");

    // Monday's is about the weekend, too. It was down until Wednesday: only the newest is made.
    world.rest("2026-11-23T07:00:00Z").await;
    assert_eq!(world.summaries().await[2].2["from"], "2026-11-20T07:00:00.000Z");
    world.kill().await;
    world.rest("2026-11-25T09:30:00Z").await;
    let mut expected = [friday, both("2026-11-23T07:00:00.000Z"), both("2026-11-25T07:00:00.000Z")].concat();
    assert_eq!(world.made().await, expected);

    // Bob wants none any more; in whatever case he writes himself.
    for address in ["BOB@example.com", "bob@example.com", "eve@example.com"] {
        world.ask(async move |engine| engine.unsubscribe("ops", address).await).await.unwrap();
    }
    assert!(world.ask(async |engine| engine.unsubscribe("nobody", "x@example.com").await).await.is_err());
    let desk = UserKey::desk(&Desk::Team("ops"));
    let kept = world.store.profile(&desk).await.unwrap().unwrap();
    assert_eq!(kept.desk.unwrap().unsubscribed, ["bob@example.com"], "who never got any is not remembered");
    world.define(team()).await;
    world.rest("2026-11-26T07:00:00Z").await;
    expected.push(("Ada@example.com".into(), "2026-11-26T07:00:00.000Z".into()));
    assert_eq!(world.made().await, expected);

    desks_are_nobody(&mut world).await;

    // Who is taken off the list and put onto it again gets them again.
    let mut without = team();
    without["summary"]["to"] = json!(["Ada@example.com"]);
    world.define(without).await;
    world.define(team()).await;
    world.rest("2026-11-27T07:00:00Z").await;
    expected.extend(both("2026-11-27T07:00:00.000Z"));
    assert_eq!(world.made().await, expected);

    // A team that goes, goes with its timer.
    world.ask(async |engine| engine.remove(Kind::Team, "ops", false).await).await.unwrap();
    assert_eq!(world.store.profile(&desk).await.unwrap().unwrap().wake_at, None);
    world.rest("2026-12-01T07:00:00Z").await;
    assert_eq!(world.made().await, expected);
}

async fn desks_are_nobody(world: &mut World) {
    assert_eq!(world.store.counts().await.unwrap().profiles, 3);
    let everybody = PageRequest { limit: 100, cursor: None };
    let look = async move |engine: Engine| {
        let see = |profile: &Profile| Some(profile.key.to_string());
        engine.look_through(Among::Everybody, &everybody, limits::MAX_SCAN, see).await
    };
    assert_eq!(world.ask(look).await.unwrap().rows, ["u:u1", "u:u2", "u:u3"]);
    let audience = json!({"audience": [{"name": "Quiet", "query": "event('X').count() = 0", "include_anonymous": true}]});
    let wanted = document::read(&audience).unwrap();
    world.ask(async move |engine| engine.apply(wanted, ApplyOptions::default()).await).await.unwrap();
    world.rest("2026-11-26T07:00:01Z").await;
    let id = world.running.0.definitions().audiences["quiet"].id.clone();
    assert_eq!(world.store.counts().await.unwrap().members.get(&id), Some(&3));
}

/// Killed after each number of steps, until it is done with fewer.
async fn killed_anywhere(store: Arc<dyn Store>) {
    let mut world = World::new(store, "2026-11-19T12:00:00Z").await;
    world.define(team()).await;
    for user in 0..5 {
        world.post(&format!("u{user}"), "f", "initiation").await;
    }
    let monday = at("2026-11-23T07:00:00Z");
    let mut expected = Vec::new();
    for week in 0..6_i64 {
        let due = monday.plus(Span::from_days(7 * week));
        let now = due.to_rfc3339();
        for steps in 0..=usize::try_from(week).unwrap() {
            world.work(&now, steps).await;
            world.kill().await;
        }
        world.rest(&now).await;
        expected.extend(both(&now));
        assert_eq!(world.made().await, expected, "killed after up to {week} steps");
    }
    const { assert!(limits::SUMMARY_STEP > 5, "all are read in one step") };
}

/// A copy of the store goes on where it was.
async fn moved(store: Arc<dyn Store>) {
    let mut world = World::new(store, "2026-11-19T12:00:00Z").await;
    world.define(team()).await;
    world.ask(async |engine| engine.unsubscribe("ops", "bob@example.com").await).await.unwrap();
    world.rest("2026-11-20T06:59:59Z").await;
    world.running.0.give_up_leases().await;
    let there: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let compared = copy(&*world.store, &*there, "the copy", &mut |_| {}).await.unwrap();
    assert!(compared.iter().all(|compared| compared.difference.is_none()), "{compared:?}");
    assert_eq!(there.counts().await.unwrap().profiles, 0);
    let mut world = World::new(there, "2026-11-20T06:59:59Z").await;
    world.rest("2026-11-20T07:00:00Z").await;
    assert_eq!(world.made().await, both("2026-11-20T07:00:00.000Z")[..1]);
}

macro_rules! on_each {
    ($($name:ident: $opened:expr;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn summaries_of_a_week() {
                let opened = $opened;
                a_week(Arc::clone(&opened.store)).await;
            }

            #[tokio::test]
            async fn summaries_go_along_with_a_copy() {
                let opened = $opened;
                moved(Arc::clone(&opened.store)).await;
            }

            #[tokio::test]
            async fn summaries_whatever_is_killed_when() {
                let opened = $opened;
                killed_anywhere(Arc::clone(&opened.store)).await;
            }
        })*
    };
}

on_each!(
    on_memory: backends::memory();
    on_shared_memory: backends::shared_memory();
    on_sled: backends::sled();
    on_postgres: backends::postgres().await;
);
