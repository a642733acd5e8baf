//! The dispatcher over an outbox in memory, with a sender that does as it is told.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::delivery::sender::{Sent, Verdict};
use crate::domain::definition::{Action, Batch, Definition, Destination, DestinationKind, Signing};
use crate::domain::delivery::{Cause, Delivery, DeliveryStatus, EMAIL, Outcome, Payload, TwilioRequest};
use crate::domain::health::{Pause, PausedBy, Signal};
use crate::domain::ids::{DeliveryId, IdSource, UserKey};
use crate::domain::limits::RETRY_FOR;
use crate::domain::mapping::Mapping;
use crate::domain::retry::{self, Terms};
use crate::domain::time::{Span, Timestamp};
use crate::engine::{EngineError, Settlement};

const START: i64 = 1_790_000_000_000;

struct FakeOutbox {
    queue: Mutex<Vec<Delivery>>,
    definitions: watch::Sender<Arc<Definitions>>,
    healths: watch::Sender<Arc<BTreeMap<String, Health>>>,
    made: Notify,
    refusing: AtomicBool,
    clock: Clock,
    ids: Mutex<IdSource>,
}

impl FakeOutbox {
    fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            definitions: watch::Sender::new(Arc::default()),
            healths: watch::Sender::new(Arc::default()),
            made: Notify::new(),
            refusing: AtomicBool::new(false),
            clock,
            ids: Mutex::new(IdSource::new([9; 32])),
        })
    }

    fn define(&self, change: impl FnOnce(&mut Destination)) {
        let kind = DestinationKind::Webhook { urls: Vec::new(), signing: Signing::default(), gzip: false };
        let mut destination = Destination::new("crm".to_owned(), kind);
        change(&mut destination);
        self.definitions.send_modify(|now| Arc::make_mut(now).put(Definition::Destination(destination)));
    }

    /// Changes what is defined.
    fn define_more(&self, change: impl FnOnce(&mut Destination)) {
        let mut destination = (*self.definitions.borrow().destinations["crm"]).clone();
        change(&mut destination);
        self.definitions.send_modify(|now| Arc::make_mut(now).put(Definition::Destination(destination)));
    }

    fn put(&self, destination: &str, user: &str) -> DeliveryId {
        let now = self.clock.now();
        let id = self.ids.lock().unwrap().delivery(now);
        let (user, name) = (UserKey::user(user), id.to_string());
        let payload = Payload::Call(serde_json::Map::new());
        let delivery = Delivery::new(id, destination.to_owned(), user, name, Cause::Time, payload, now);
        self.queue.lock().unwrap().push(delivery);
        self.made.notify_one();
        id
    }

    fn waiting(&self, destination: &str, busy: &HashSet<UserKey>) -> Vec<Delivery> {
        let queue = self.queue.lock().unwrap();
        queue
            .iter()
            .filter(|one| one.destination == destination && one.status == DeliveryStatus::Pending)
            .filter(|one| !busy.contains(&one.user))
            .cloned()
            .collect()
    }

    fn pending(&self) -> usize {
        let queue = self.queue.lock().unwrap();
        queue.iter().filter(|delivery| delivery.status == DeliveryStatus::Pending).count()
    }
}

#[async_trait]
impl Outbox for FakeOutbox {
    fn definitions(&self) -> watch::Receiver<Arc<Definitions>> {
        self.definitions.subscribe()
    }
    fn healths(&self) -> watch::Receiver<Arc<BTreeMap<String, Health>>> {
        self.healths.subscribe()
    }
    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<Claimed, StoreError> {
        let mut seen: BTreeMap<UserKey, usize> = BTreeMap::new();
        let waiting = self.waiting(destination, busy);
        let mut deliveries: Vec<Delivery> = waiting.clone();
        deliveries.retain(|delivery| {
            let before = seen.entry(delivery.user.clone()).or_default();
            // Nothing goes behind one that is not due.
            *before += if delivery.next_attempt_at <= now { 1 } else { per_user };
            *before <= per_user && delivery.next_attempt_at <= now
        });
        deliveries.truncate(limit);
        let rest = waiting.iter().filter(|delivery| deliveries.iter().all(|it| it.user != delivery.user));
        let next = rest.map(|delivery| delivery.next_attempt_at).min();
        Ok(Claimed { next: if deliveries.len() == limit { Some(now) } else { next }, deliveries })
    }
    async fn count_due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
        per_user: usize,
    ) -> Result<(usize, Option<Timestamp>), StoreError> {
        let due = self.due(destination, now, busy, limit, per_user).await?.deliveries;
        Ok((due.len(), due.iter().map(|delivery| delivery.next_attempt_at).min()))
    }
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), EngineError> {
        if self.refusing.load(Ordering::SeqCst) {
            return Err(EngineError::Unavailable("a test says so".to_owned()));
        }
        let now = self.clock.now();
        let mut queue = self.queue.lock().unwrap();
        let terms = Terms {
            retry_for: RETRY_FOR,
            expire_after: None,
            resumed_at: None,
            is_paused: false,
            is_failed_probe: false,
            jitter: 0.0,
        };
        for settlement in settlements {
            let delivery = queue.iter_mut().find(|delivery| delivery.id == settlement.id).unwrap();
            *delivery = retry::settle(delivery, settlement.attempt, &settlement.outcome, &terms, now);
        }
        Ok(())
    }
    async fn expire(&self, ids: Vec<DeliveryId>) -> Result<(), EngineError> {
        let after = self.definitions.borrow().destinations["crm"].expire_after.unwrap();
        let mut queue = self.queue.lock().unwrap();
        for delivery in queue.iter_mut().filter(|delivery| ids.contains(&delivery.id)) {
            assert!(retry::expire(delivery, after, self.clock.now()));
        }
        Ok(())
    }
    async fn withdraw(&self, _: &[Delivery]) -> Result<Vec<DeliveryId>, EngineError> {
        Ok(Vec::new())
    }

    async fn made(&self) -> BTreeSet<String> {
        self.made.notified().await;
        self.queue.lock().unwrap().iter().map(|delivery| delivery.destination.clone()).collect()
    }
}

/// Answers by a function, once a permit is there, and keeps the order.
struct Scripted {
    answer: Box<dyn Fn(&Delivery) -> Outcome + Send + Sync>,
    permits: Semaphore,
    sent: Mutex<Vec<DeliveryId>>,
    begun: Mutex<Vec<DeliveryId>>,
    clock: Clock,
}

#[async_trait]
impl Sender for Scripted {
    async fn send(&self, batch: &[Delivery]) -> Vec<Sent> {
        let mut sent = Vec::new();
        for delivery in batch {
            self.begun.lock().unwrap().push(delivery.id);
            self.permits.acquire().await.unwrap().forget();
            let outcome = (self.answer)(delivery);
            self.sent.lock().unwrap().push(delivery.id);
            let signal = if outcome == Outcome::Delivered { Signal::Good } else { Signal::Bad };
            sent.push(Verdict { outcome, signal, ..Verdict::delivered() }.into_sent(self.clock.now(), 1));
        }
        sent
    }
}

struct House {
    clock: Clock,
    outbox: Arc<FakeOutbox>,
    sender: Arc<Scripted>,
    dispatcher: Dispatcher,
}

fn house(permits: usize, answer: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) -> House {
    let clock = Clock::manual(Timestamp::from_millis(START));
    let outbox = FakeOutbox::new(clock.clone());
    outbox.define(|_| {});
    let sender = Arc::new(Scripted {
        answer: Box::new(answer),
        permits: Semaphore::new(permits),
        sent: Mutex::default(),
        begun: Mutex::default(),
        clock: clock.clone(),
    });
    let dispatcher = Dispatcher::new(outbox.clone(), sender.clone(), clock.clone());
    House { clock, outbox, sender, dispatcher }
}

impl House {
    fn at(&self, ms: i64) {
        self.clock.set(Timestamp::from_millis(START + ms));
    }
    async fn step(&self) -> usize {
        self.dispatcher.step("crm").await.unwrap()
    }
    async fn eventually(&self, done: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("it never came to that");
    }
    fn begun(&self) -> usize {
        self.sender.begun.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_user_is_sent_to_in_order_and_waits_for_no_other() {
    let house = house(1000, |_| Outcome::Delivered);
    let first = house.outbox.put("crm", "u1");
    let second = house.outbox.put("crm", "u1");
    let other = house.outbox.put("crm", "u2");
    assert_eq!(house.step().await, 2);
    assert_eq!(house.step().await, 1);
    assert_eq!(house.step().await, 0);
    assert_eq!(*house.sender.sent.lock().unwrap(), [first, other, second]);
}

#[tokio::test]
async fn a_failure_holds_the_users_later_deliveries_back_until_it_is_tried_again() {
    let house = house(1000, |delivery| match delivery.tries {
        0 => Outcome::Retry { after: None },
        _ => Outcome::Delivered,
    });
    let first = house.outbox.put("crm", "u1");
    house.outbox.put("crm", "u1");
    assert_eq!(house.step().await, 1);
    assert_eq!(house.step().await, 0, "it is not due yet");
    house.at(5000);
    assert_eq!(house.step().await, 1);
    assert_eq!(*house.sender.sent.lock().unwrap(), [first, first]);
    assert_eq!(house.outbox.pending(), 1);
}

#[tokio::test]
async fn bounds_are_kept() {
    let house = house(1000, |_| Outcome::Delivered);
    for user in 0..10 {
        house.outbox.put("crm", &format!("u{user}"));
    }
    house.outbox.define(|destination| destination.enabled = false);
    assert_eq!(house.step().await, 0, "disabled: the queue waits");
    house.outbox.define(|destination| destination.max_in_flight = 3);
    assert_eq!(house.step().await, 3);
    house.outbox.define(|destination| destination.rate_limit = Some(2));
    assert_eq!(house.step().await, 2);
    assert_eq!(house.step().await, 0);
    house.at(1000);
    assert_eq!(house.step().await, 2);
    house.outbox.definitions.send_modify(|now| {
        Arc::make_mut(now).remove(crate::domain::definition::Kind::Destination, "crm");
    });
    assert_eq!(house.step().await, 0, "removed: the queue is left alone");
}

#[tokio::test]
async fn mails_have_a_queue_without_a_definition() {
    let house = house(1000, |_| Outcome::Delivered);
    house.outbox.put(EMAIL, "u1");
    assert_eq!(house.dispatcher.step(EMAIL).await.unwrap(), 1);
}

#[tokio::test]
async fn what_goes_to_twilio_leaves_word_before_it_leaves() {
    let house = house(0, |_| Outcome::Delivered);
    house.outbox.put("crm", "u1");
    let request = TwilioRequest::Call { to: "+15551230001".to_owned(), text: None };
    house.outbox.queue.lock().unwrap()[0].payload =
        Payload::Twilio { request, context: serde_json::Map::new() };
    house.outbox.refusing.store(true, Ordering::SeqCst);
    house.step().await;
    assert_eq!(house.begun(), 0, "without it nothing is sent");
    house.outbox.refusing.store(false, Ordering::SeqCst);
    // The process dies while the request is under way.
    tokio::select! {
        _ = house.step() => panic!("no answer came"),
        () = house.eventually(|house| house.begun() == 1) => {}
    }
    let queue = house.outbox.queue.lock().unwrap();
    let statuses: Vec<&str> = queue[0].attempts.iter().map(|attempt| attempt.status.as_str()).collect();
    assert_eq!((queue[0].status, statuses), (DeliveryStatus::Pending, vec!["begun"]));
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later_and_not_sent_again() {
    let house = house(1000, |_| Outcome::Delivered);
    house.outbox.put("crm", "u1");
    house.outbox.refusing.store(true, Ordering::SeqCst);
    assert_eq!(house.step().await, 1);
    assert_eq!(house.step().await, 0);
    assert_eq!(house.outbox.pending(), 1);
    house.outbox.refusing.store(false, Ordering::SeqCst);
    assert_eq!(house.step().await, 0);
    assert_eq!((house.outbox.pending(), house.begun()), (0, 1));
}

#[tokio::test]
async fn a_sender_that_panics_costs_one_attempt() {
    let house = house(1000, |delivery| match delivery.tries {
        0 => panic!("a test wants it"),
        _ => Outcome::Delivered,
    });
    house.outbox.put("crm", "u1");
    assert_eq!(house.step().await, 1);
    house.at(5000);
    assert_eq!(house.step().await, 1);
    assert_eq!(house.outbox.pending(), 0);
}

#[tokio::test]
async fn the_loops_send_at_once_and_follow_the_definitions() {
    let house = house(1000, |_| Outcome::Delivered);
    house.dispatcher.start();
    let begun = Instant::now();
    for number in 0..20 {
        house.outbox.put("crm", &format!("u{}", number % 4));
    }
    house.outbox.put(EMAIL, "u1");
    house.outbox.put("later", "u1");
    house.eventually(|house| house.outbox.pending() == 1).await;
    assert!(begun.elapsed() < Duration::from_millis(900), "nothing waited for the recheck");
    house.outbox.define(|destination| destination.key = "later".to_owned());
    house.eventually(|house| house.outbox.pending() == 0).await;
    // Gone and back again.
    house.outbox.definitions.send_modify(|now| {
        Arc::make_mut(now).remove(crate::domain::definition::Kind::Destination, "crm");
    });
    house.outbox.put("crm", "u1");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.outbox.pending(), 1);
    house.outbox.define(|_| {});
    house.eventually(|house| house.outbox.pending() == 0).await;
    assert_eq!(house.dispatcher.shutdown(Duration::from_secs(1)).await, 0);
}

#[tokio::test]
async fn a_slow_user_holds_nobody_else_up() {
    let house = house(1, |_| Outcome::Delivered);
    house.dispatcher.start();
    house.outbox.put("crm", "slow");
    house.eventually(|house| house.sender.sent.lock().unwrap().len() == 1).await;
    house.outbox.put("crm", "slow");
    house.outbox.put("crm", "slow");
    house.eventually(|house| house.begun() == 2).await;
    house.outbox.put("crm", "other");
    house.eventually(|house| house.begun() == 3).await;
}

#[tokio::test]
async fn shutting_down_waits_for_what_is_under_way_and_begins_nothing() {
    let house = house(0, |_| Outcome::Delivered);
    house.dispatcher.start();
    house.outbox.put("crm", "u1");
    house.outbox.put("crm", "u1");
    house.eventually(|house| house.begun() == 1).await;
    assert_eq!(house.dispatcher.shutdown(Duration::from_millis(20)).await, 1, "it is still under way");
    house.sender.permits.add_permits(10);
    assert_eq!(house.dispatcher.shutdown(Duration::from_secs(5)).await, 0);
    assert_eq!((house.begun(), house.outbox.pending()), (1, 1));
    assert_eq!(house.step().await, 0);
}

#[tokio::test]
async fn many_failures_in_a_row_let_one_attempt_at_a_time_through() {
    let mood = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&mood);
    let house = house(1000, move |_| match is_well.load(Ordering::SeqCst) {
        true => Outcome::Delivered,
        false => Outcome::Retry { after: None },
    });
    for user in 0..40 {
        house.outbox.put("crm", &format!("u{user}"));
    }
    assert_eq!(house.step().await, 16, "as many as may be under way");
    assert_eq!(house.step().await, 0);
    assert!(house.dispatcher.waits("crm"));
    house.at(100);
    assert_eq!((house.step().await, house.step().await), (1, 0));
    house.at(250);
    assert_eq!(house.step().await, 0, "the gaps grow");
    mood.store(true, Ordering::SeqCst);
    house.at(300);
    assert_eq!(house.step().await, 1);
    assert_eq!(house.step().await, 16, "one that got through opens the way");
}

#[tokio::test]
async fn a_paused_destination_is_tried_with_one_delivery_when_it_is_time() {
    let house = house(1000, |_| Outcome::Retry { after: None });
    for user in 0..5 {
        house.outbox.put("crm", &format!("u{user}"));
    }
    let start = Timestamp::from_millis(START);
    let pause = |probe_at: Option<i64>| {
        let mut health = Health::new("crm".to_owned());
        let probe_at = probe_at.map(|ms| Timestamp::from_millis(START + ms));
        health.pause = Some(Pause { at: start, by: PausedBy::Failures, probe_at });
        house.outbox.healths.send_replace(Arc::new(BTreeMap::from([("crm".to_owned(), health)])));
    };
    pause(Some(60_000));
    assert_eq!(house.step().await, 0);
    house.at(60_000);
    assert_eq!(house.step().await, 1, "a probe");
    pause(None);
    assert_eq!(house.step().await, 0, "paused by hand: none");
    house.outbox.healths.send_replace(Arc::default());
    assert_eq!(house.step().await, 4);
}

/// A webhook action whose events go together.
fn batching(house: &House, size: u32, url: serde_json::Value) {
    let mapping = |value| Mapping::parse(&value).unwrap();
    let keys = ["url", "method", "headers"].map(str::to_owned).to_vec();
    let action = Action {
        url: mapping(url),
        method: mapping("POST".into()),
        headers: mapping(serde_json::json!({})),
        data: mapping(serde_json::json!({ "@path": "$." })),
        signing: Signing::default(),
        gzip: false,
        auth: None,
        batch: Some(Batch { size, wait: Span::from_secs(10), keys }),
        required: Vec::new(),
        expected: Vec::new(),
    };
    house.outbox.define(|destination| destination.kind = DestinationKind::WebhookAction(Arc::new(action)));
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full_or_old_enough_with_each_users_order_kept() {
    let house = house(1000, |_| Outcome::Delivered);
    batching(&house, 4, "https://erp.example.com".into());
    let mut made = vec![house.outbox.put("crm", "u1"), house.outbox.put("crm", "u2")];
    assert_eq!(house.step().await, 0, "two of four");
    assert!(house.dispatcher.waits("crm"));
    house.at(9_999);
    made.extend([house.outbox.put("crm", "u1")]);
    assert_eq!(house.step().await, 0);
    house.at(10_000);
    assert_eq!(house.step().await, 3, "the oldest has waited long enough");
    made.extend((0..6).map(|_| house.outbox.put("crm", "u1")));
    assert_eq!(house.step().await, 4, "full");
    assert_eq!(house.step().await, 0);
    house.at(20_000);
    assert_eq!(house.step().await, 2);
    assert_eq!(*house.sender.sent.lock().unwrap(), made);
}

#[tokio::test]
async fn where_places_differ_a_batch_holds_one_event_of_a_user() {
    let house = house(1000, |_| Outcome::Delivered);
    batching(&house, 4, serde_json::json!({ "@path": "$.properties.url" }));
    for user in ["u1", "u1", "u2", "u2", "u3"] {
        house.outbox.put("crm", user);
    }
    house.at(10_000);
    assert_eq!(house.step().await, 3);
    assert_eq!(house.step().await, 2);
}

#[tokio::test]
async fn a_rate_holds_for_the_requests_that_a_batch_may_become() {
    let house = house(1000, |_| Outcome::Delivered);
    batching(&house, 4, serde_json::json!({ "@path": "$.properties.url" }));
    house.outbox.define_more(|destination| destination.rate_limit = Some(2));
    for user in 0..5 {
        house.outbox.put("crm", &format!("u{user}"));
    }
    assert_eq!((house.step().await, house.step().await), (2, 0));
    house.at(1000);
    assert_eq!(house.step().await, 0, "three are left: no batch is full");
    house.at(10_000);
    assert_eq!((house.step().await, house.step().await), (2, 0));
}

#[tokio::test]
async fn no_attempt_outlives_its_lease() {
    let never = std::future::pending::<Vec<Sent>>();
    let broken_off = attempt::within(Duration::from_millis(5), 1, never).await;
    assert!(broken_off.unwrap_err().contains("outlived its lease"));
    let nothing = attempt::within(Duration::from_secs(5), 1, async { Vec::new() }).await;
    assert!(nothing.unwrap_err().contains("did not say"));
}

#[tokio::test]
async fn what_was_read_ahead_is_given_back_when_the_destination_is_disabled() {
    let house = house(0, |_| Outcome::Delivered);
    house.dispatcher.start();
    for user in 0..100 {
        house.outbox.put("crm", &format!("u{user}"));
    }
    house.eventually(|house| house.begun() == 16).await;
    house.outbox.define(|destination| destination.enabled = false);
    house.sender.permits.add_permits(1000);
    house.eventually(|house| house.outbox.pending() == 84).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(house.begun(), 16);
    house.outbox.define(|_| {});
    house.eventually(|house| house.outbox.pending() == 0).await;
}

#[tokio::test]
async fn what_has_waited_for_too_long_is_given_up_instead_of_sent() {
    let house = house(1000, |_| Outcome::Delivered);
    house.outbox.define(|destination| destination.expire_after = Some(Span::from_secs(60)));
    let old = house.outbox.put("crm", "u1");
    house.at(59_999);
    let young = house.outbox.put("crm", "u1");
    house.at(60_000);
    assert_eq!((house.step().await, house.step().await), (1, 1));
    assert_eq!(*house.sender.sent.lock().unwrap(), [young]);
    let queue = house.outbox.queue.lock().unwrap();
    assert_eq!((queue[0].id, queue[0].status), (old, DeliveryStatus::Dead));
}
