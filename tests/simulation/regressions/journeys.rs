//! Of journeys, and of audiences of known users.

use serde_json::{Map, Value, json};
use stagepost::domain::delivery::{DeliveryStatus, Outcome};
use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::{EventId, UserKey};
use stagepost::domain::limits;
use stagepost::domain::page::PageRequest;
use stagepost::domain::replay::ReplayStatus;
use stagepost::domain::time::Timestamp;
use stagepost::engine::EngineError;
use stagepost::store::EventFilter;

use crate::journeys::{Action, World};
use crate::machine::{HOUR, audience};
use crate::support::stores::Backend;

fn order(user: &str, message_id: &str, now: i64) -> Event {
    let now = Timestamp::from_millis(now);
    Event {
        id: EventId::floor(Timestamp::default()),
        message_id: message_id.to_owned(),
        dedupe: true,
        source: "http".into(),
        user_id: Some(user.to_owned()),
        anonymous_id: None,
        call: Call::Track { event: "Order Completed".into(), properties: Map::new() },
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".into(),
        timestamp: now,
        original_timestamp: now,
        sent_at: None,
        received_at: now,
    }
}

#[tokio::test]
async fn a_repetition_in_the_same_group_is_known_even_past_what_a_profile_remembers() {
    let mut world = World::new(Backend::Memory, 1).await;
    let now = world.now();
    let batch: Vec<Event> =
        (0..3 * limits::SEEN_IN_PROFILE).map(|number| order("busy", &format!("m{number}"), now)).collect();
    let engine = world.engine.clone();
    let twice = async {
        Ok::<_, EngineError>(tokio::join!(engine.ingest(batch.clone()), engine.ingest(batch.clone())))
    };
    let (first, second) = world.ask(twice).await.unwrap();
    assert!(first.unwrap().iter().all(|accepted| !accepted.duplicate));
    assert!(second.unwrap().iter().all(|accepted| accepted.duplicate));
    let page = PageRequest { limit: 1000, cursor: None };
    let stored = world.store.newest_events(&EventFilter::default(), &page).await.unwrap().rows;
    assert_eq!(stored.len(), batch.len());
}

#[tokio::test]
async fn an_audience_that_asks_about_another_never_says_what_was_not_so() {
    let mut world = World::new(Backend::Memory, 2).await;
    let lapsed = "event('Order Completed').count() >= 1 AND NOT trait('recent') = true";
    let recent = "event('Order Completed').within(30 days).count() >= 1";
    world.apply(vec![audience("lapsed", lapsed), audience("recent", recent)]).await;
    let now = world.now();
    let engine = world.engine.clone();
    world.ask(engine.ingest(vec![order("u", "m", now)])).await.unwrap();
    assert_eq!(world.said().await, [json!({"recent": true})]);
    world.clock.set(Timestamp::from_millis(now + 30 * 24 * HOUR + 1));
    world.tick().await;
    assert_eq!(
        world.said().await,
        [json!({"recent": true}), json!({"recent": false}), json!({"lapsed": true})]
    );
}

#[tokio::test]
async fn audiences_made_together_are_first_computed_in_the_order_of_asking() {
    let mut world = World::new(Backend::Memory, 3).await;
    let now = world.now();
    let engine = world.engine.clone();
    world.ask(engine.ingest(vec![order("u", "m", now)])).await.unwrap();
    let lapsed = "event('Order Completed').count() >= 1 AND NOT trait('recent') = true";
    let recent = "event('Order Completed').within(30 days).count() >= 1";
    world.apply(vec![audience("lapsed", lapsed), audience("recent", recent)]).await;
    assert_eq!(world.said().await, [json!({"recent": true})]);
}

#[tokio::test]
async fn a_level_that_fired_is_known_when_another_is_put_before_it() {
    let mut world = World::new(Backend::Memory, 4).await;
    world.define_flow(&[("no_reply", 4)]).await;
    let post = Action::Stage { user: 0, flow: "appointment", stage: "no_reply", sid: None, late_ms: 0 };
    world.act(&post).await;
    world.act(&Action::Pass { ms: 5 * HOUR }).await;
    assert_eq!(world.deliveries("email").await.len(), 1);
    world.define_flow(&[("no_reply", 1), ("no_reply", 4)]).await;
    world.tick().await;
    let mails = world.deliveries("email").await;
    assert_eq!(mails.len(), 2, "the new level fires, the old one does not fire again");
    assert!(mails[1].message_id.ends_with(".no_reply.1h.0.0.0.0"), "{}", mails[1].message_id);
}

#[tokio::test]
async fn stages_of_last_year_alarm_nobody() {
    let mut world = World::new(Backend::Memory, 5).await;
    let late_ms = 365 * 24 * HOUR;
    let post = Action::Stage { user: 0, flow: "appointment", stage: "no_reply", sid: None, late_ms };
    world.act(&post).await;
    world.tick().await;
    assert!(world.deliveries("email").await.is_empty());
    world.check().await;
}

#[tokio::test]
async fn a_replay_does_not_say_what_a_newer_call_has_overtaken() {
    let mut world = World::new(Backend::Memory, 6).await;
    world.apply(vec![audience("recent", "event('Order Completed').within(1 days).count() >= 1")]).await;
    let now = world.now();
    let engine = world.engine.clone();
    world.ask(engine.ingest(vec![order("u", "m", now)])).await.unwrap();
    let entered = world.deliveries("crm").await.remove(0);
    world.settle(entered.id, Outcome::Failed).await;
    world.clock.set(Timestamp::from_millis(now + 24 * HOUR + 1));
    world.tick().await;
    let left = world.deliveries("crm").await.remove(1);
    world.settle(left.id, Outcome::Delivered).await;
    let engine = world.engine.clone();
    let single = world.ask(engine.replay_one(entered.id)).await;
    assert!(matches!(single, Err(EngineError::Conflict(_))), "{single:?}");
    world.replay("crm", DeliveryStatus::Failed).await;
    let replays = world.engine.replays();
    let replay = replays.values().next().unwrap();
    assert_eq!((replay.status, replay.replayed, replay.superseded), (ReplayStatus::Done, 0, 1));
    assert_eq!(world.deliveries("crm").await[0].status, DeliveryStatus::Superseded);
}

#[tokio::test]
async fn a_stage_post_of_any_length_leaves_the_server_running() {
    let mut world = World::new(Backend::Memory, 7).await;
    let now = world.now();
    let long = "x".repeat(30_000);
    for number in 0..60 {
        let mut event = order("u", &format!("m{number}"), now);
        let properties = json!({"flow": "appointment", "stage": format!("{number}{long}")});
        let Value::Object(properties) = properties else { panic!("an object") };
        event.call = Call::Track { event: "Studio Flow Step".into(), properties };
        let engine = world.engine.clone();
        world.ask(engine.ingest(vec![event])).await.unwrap();
    }
    let profile = world.store.profile(&UserKey::user("u")).await.unwrap().unwrap();
    assert!(profile.journeys.is_empty(), "that long it is an event, and no stage");
}
