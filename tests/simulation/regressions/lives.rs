//! Of the lives of computations: made, changed, deleted, made again.

use serde_json::{Value, json};
use stagepost::domain::definition::Kind;
use stagepost::domain::delivery::{DeliveryStatus, Outcome};
use stagepost::domain::event::{Call, Event};
use stagepost::engine::EngineError;

use super::{fields, ids, machine, slow_machine};
use crate::machine::{HOUR, Machine, audience, computation, definition};

const BUYERS: &str = "event('Order Completed').count() >= 1";

impl Machine {
    fn order_of(&mut self, who: &str, total: u32) -> Event {
        let properties = fields(json!({ "total": total }));
        self.event(ids(who), 0, Call::Track { event: "Order Completed".into(), properties })
    }
}

#[tokio::test]
async fn an_audience_that_is_wanted_again_while_it_is_being_deleted_lives_on() {
    let mut machine = slow_machine().await;
    let events = ["u1", "u2", "u3"].map(|who| machine.order(who)).to_vec();
    machine.send(vec![events]).await;
    machine.apply(vec![audience("buyers", BUYERS)]).await;
    machine.tick().await;
    assert!(machine.remove(Kind::Audience, "buyers", true).await);
    machine.apply(vec![audience("buyers", BUYERS)]).await;
    machine.tick().await;
    let told = machine.told().await;
    assert_eq!(&told[3..], ["u:u1 buyers=false", "u:u1 buyers=true"]);
    assert_eq!(machine.engine.definitions().audiences["buyers"].status.as_str(), "live");
}

#[tokio::test]
async fn whoever_asks_about_an_audience_that_is_being_deleted_hears_of_it() {
    let mut machine = slow_machine().await;
    let events = ["u1", "u2"].map(|who| machine.order(who)).to_vec();
    machine.send(vec![events]).await;
    machine.apply(vec![audience("buyers", BUYERS)]).await;
    machine.tick().await;
    assert!(machine.remove(Kind::Audience, "buyers", true).await);
    machine.apply(vec![audience("others", "NOT trait('buyers') = true")]).await;
    machine.tick().await;
    let members = machine.picture().await.members;
    assert_eq!(members.values().next().map(Vec::len), Some(2), "{members:?}");
}

#[tokio::test]
async fn a_trait_that_is_made_anew_takes_back_what_the_one_before_said() {
    let mut machine = machine().await;
    let order = machine.order_of("u1", 10);
    machine.send_one(order).await;
    machine
        .apply(vec![computation("trait", "spend", "event('Order Completed').sum(property('total'))")])
        .await;
    assert!(machine.remove(Kind::Trait, "spend", false).await);
    let none = "event('Order Cancelled').avg(property('total'))";
    machine.apply(vec![computation("trait", "spend", none)]).await;
    assert_eq!(machine.told().await, ["u:u1 spend=10", "u:u1 spend=null"]);
}

#[tokio::test]
async fn a_replay_does_not_bring_back_an_older_value() {
    let mut machine = machine().await;
    machine
        .apply(vec![computation("trait", "spend", "event('Order Completed').sum(property('total'))")])
        .await;
    for _ in 0..2 {
        let order = machine.order_of("u1", 10);
        machine.send_one(order).await;
    }
    let made = machine.deliveries("crm").await;
    machine.settle(made[0].id, Outcome::Failed).await;
    machine.settle(made[1].id, Outcome::Delivered).await;
    let engine = machine.engine.clone();
    let single = machine.ask(engine.replay_one(made[0].id)).await;
    assert!(matches!(single, Err(EngineError::Conflict(_))), "{single:?}");
    machine.replay("crm", DeliveryStatus::Failed).await;
    assert_eq!(machine.deliveries("crm").await[0].status, DeliveryStatus::Superseded);
}

#[tokio::test]
async fn a_replay_says_nothing_under_an_id_that_became_part_of_another() {
    let mut machine = machine().await;
    machine.apply(vec![audience("buyers", BUYERS)]).await;
    let order = machine.order("u1");
    machine.send_one(order).await;
    let made = machine.deliveries("crm").await.remove(0);
    machine.settle(made.id, Outcome::Failed).await;
    let alias = machine.alias("u2", "u1");
    machine.send_one(alias).await;
    assert_eq!(machine.told().await, ["u:u1 buyers=true", "u:u2 buyers=true"]);
    machine.replay("crm", DeliveryStatus::Failed).await;
    assert_eq!(machine.deliveries("crm").await[0].status, DeliveryStatus::Superseded);
}

#[tokio::test]
async fn how_far_back_is_counted_from_when_it_was_made_even_if_it_gets_a_destination_meanwhile() {
    let mut machine = slow_machine().await;
    for who in ["a:x", "a:y", "a:z", "u1"] {
        let order = machine.order(who);
        machine.send_one(order).await;
    }
    let to = |destinations: Value| {
        let fields =
            json!({ "name": "buyers", "query": BUYERS, "history": "1d", "destinations": destinations });
        vec![definition("audience", fields)]
    };
    machine.pass(23 * HOUR);
    machine.apply(to(json!(["crm"]))).await;
    machine.pass(2 * HOUR);
    machine.apply(to(json!(["crm", "desk"]))).await;
    machine.tick().await;
    assert_eq!(machine.told().await, ["u:u1 buyers=true"]);
}

#[tokio::test]
async fn a_destination_that_was_just_told_of_somebody_hears_what_changes_about_him() {
    let mut machine = slow_machine().await;
    let events = ["u1", "u2"].map(|who| machine.identify(who, json!({"plan": "pro"}))).to_vec();
    machine.send(vec![events]).await;
    let to = |destinations: Value| {
        let fields =
            json!({ "name": "pros", "query": "trait('plan') = 'pro'", "destinations": destinations });
        vec![definition("audience", fields)]
    };
    machine.apply(to(json!(["crm"]))).await;
    machine.tick().await;
    machine.apply(to(json!(["crm", "desk"]))).await;
    // The first one is told of by now, and not the second.
    assert_eq!(machine.deliveries("desk").await.len(), 1);
    let events = ["u1", "u2"].map(|who| machine.identify(who, json!({"plan": "free"}))).to_vec();
    machine.send(vec![events]).await;
    machine.tick().await;
    let desk = machine.deliveries("desk").await;
    assert_eq!(desk.iter().map(|delivery| delivery.user.as_str()).collect::<Vec<_>>(), ["u:u1", "u:u1"]);
}
