//! The dispatcher over an outbox in memory, with a sender that does as it is told.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::delivery::sender::Sent;
use crate::domain::definition::{Definition, Destination, DestinationKind, Signing};
use crate::domain::delivery::{Cause, DeliveryStatus, Outcome, Payload};
use crate::domain::ids::{DeliveryId, IdSource, UserKey};
use crate::domain::limits::RETRY_FOR;
use crate::domain::retry;

const START: i64 = 1_790_000_000_000;

struct FakeOutbox {
    queue: Mutex<Vec<Delivery>>,
    definitions: watch::Sender<Arc<Definitions>>,
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

    fn put(&self, destination: &str, user: &str) -> DeliveryId {
        let now = self.clock.now();
        let id = self.ids.lock().unwrap().delivery(now);
        self.queue.lock().unwrap().push(Delivery {
            id,
            destination: destination.to_owned(),
            user: UserKey::user(user),
            message_id: id.to_string(),
            cause: Cause::Time,
            payload: Payload::Call(serde_json::Map::new()),
            status: DeliveryStatus::Pending,
            created_at: now,
            updated_at: now,
            next_attempt_at: now,
            retry_from: now,
            tries: 0,
            replays: 0,
            reason: None,
            superseded_by: None,
            attempts: Vec::new(),
        });
        self.made.notify_one();
        id
    }

    fn heads(&self, destination: &str, busy: &HashSet<UserKey>) -> Vec<Delivery> {
        let mut seen = BTreeSet::new();
        let queue = self.queue.lock().unwrap();
        queue
            .iter()
            .filter(|one| one.destination == destination && one.status == DeliveryStatus::Pending)
            .filter(|one| seen.insert(one.user.clone()) && !busy.contains(&one.user))
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
    async fn due(
        &self,
        destination: &str,
        now: Timestamp,
        busy: &HashSet<UserKey>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let due =
            self.heads(destination, busy).into_iter().filter(|delivery| delivery.next_attempt_at <= now);
        Ok(due.take(limit).collect())
    }
    async fn next(
        &self,
        destination: &str,
        busy: &HashSet<UserKey>,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.heads(destination, busy).into_iter().map(|delivery| delivery.next_attempt_at).min())
    }
    async fn settle(&self, settlement: Settlement) -> Result<(), EngineError> {
        if self.refusing.load(Ordering::SeqCst) {
            return Err(EngineError::Unavailable("a test says so".to_owned()));
        }
        let now = self.clock.now();
        let mut queue = self.queue.lock().unwrap();
        let delivery = queue.iter_mut().find(|delivery| delivery.id == settlement.id).unwrap();
        *delivery = retry::settle(delivery, settlement.attempt, &settlement.outcome, RETRY_FOR, 0.0, now);
        Ok(())
    }
    async fn made(&self) {
        self.made.notified().await;
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
            sent.push(Verdict { outcome, ..Verdict::delivered() }.into_sent(self.clock.now(), 1));
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
