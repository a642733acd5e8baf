//! Of people under several ids.

use serde_json::{Value, json};
use stagepost::domain::event::{Call, STUDIO_STEP};
use stagepost::domain::ids::UserKey;
use stagepost::domain::limits;
use stagepost::engine::{EngineError, Operation};

use super::{fields, ids, machine};
use crate::machine::{HOUR, Machine, audience, by_ops, definition};

impl Machine {
    fn stage(&mut self, who: &str, number: usize) -> stagepost::domain::event::Event {
        let properties =
            json!({"flow": "appointment", "stage": "no_reply", "executionSid": format!("FN{number}")});
        self.event(ids(who), 0, Call::Track { event: STUDIO_STEP.into(), properties: fields(properties) })
    }
}

#[tokio::test]
async fn an_id_that_is_new_with_its_user_is_his_in_the_same_batch() {
    let mut machine = machine().await;
    machine.apply(vec![audience("buyers", "event('Order Completed').count() >= 2")]).await;
    let events =
        vec![machine.order("a:x"), machine.order("u1+x"), machine.identify("a:x", json!({"plan": "pro"}))];
    machine.send(vec![events]).await;
    assert_eq!(machine.told().await, ["u:u1 buyers=true"]);
    assert_eq!(machine.user("u1").await.trait_value("plan").as_deref(), Some(&Value::from("pro")));
    assert_eq!(machine.store.counts().await.unwrap().profiles, 1);
}

#[tokio::test]
async fn an_alias_tells_both_what_was_and_what_may_come_under_the_other_id() {
    for order in [["alias", "visit"], ["visit", "alias"]] {
        let mut machine = machine().await;
        for what in order {
            let event = if what == "alias" { machine.alias("u1", "x") } else { machine.order("a:x") };
            machine.send_one(event).await;
        }
        let visitor = machine.profile(&UserKey::anonymous("x")).await;
        assert_eq!(visitor.merged_into, Some(UserKey::user("u1")), "{order:?}");
    }
}

#[tokio::test]
async fn a_repetition_is_known_however_many_profiles_became_one_since() {
    let mut machine = machine().await;
    let first: Vec<_> = (0..limits::SEEN_IN_PROFILE).map(|_| machine.order("a:x")).collect();
    machine.send(vec![first.clone()]).await;
    // What came of the visitor is remembered beside the profile of the first user by the time that he becomes the second.
    let mut events = vec![machine.identify("u1+x", json!({}))];
    events.extend((0..limits::SEEN_IN_PROFILE).map(|_| machine.order("u1")));
    machine.send(vec![events]).await;
    let alias = machine.alias("u2", "u1");
    machine.send_one(alias).await;
    let engine = machine.engine.clone();
    let again = machine.ask(engine.ingest(first)).await.unwrap();
    assert!(again.iter().all(|accepted| accepted.duplicate));
}

#[tokio::test]
async fn an_address_that_was_replaced_by_that_of_the_other_id_finds_nobody() {
    let mut machine = machine().await;
    let old = machine.identify("u1", json!({"email": "old@example.com"}));
    machine.send_one(old).await;
    machine.pass(HOUR);
    let new = machine.identify("a:x", json!({"email": "new@example.com"}));
    machine.send_one(new).await;
    let seen = machine.identify("u1+x", json!({}));
    machine.send_one(seen).await;
    let engine = &machine.engine;
    let found = engine.profiles_by_external_id("email", "new@example.com").await.unwrap();
    assert_eq!(found.into_iter().map(|profile| profile.key).collect::<Vec<_>>(), [UserKey::user("u1")]);
    assert!(engine.profiles_by_external_id("email", "old@example.com").await.unwrap().is_empty());
}

#[tokio::test]
async fn visitors_that_are_no_longer_to_count_are_told_to_be_out() {
    let mut machine = machine().await;
    let order = machine.order("a:x");
    machine.send_one(order).await;
    for include_anonymous in [true, false] {
        let query = "event('Order Completed').count() >= 1";
        let fields = json!({
            "name": "buyers", "query": query, "include_anonymous": include_anonymous, "destinations": ["crm"]
        });
        machine.apply(vec![definition("audience", fields)]).await;
    }
    assert_eq!(machine.told().await, ["a:x buyers=true", "a:x buyers=false"]);
}

#[tokio::test]
async fn an_operator_reaches_a_journey_whose_user_becomes_another_at_that_moment() {
    let mut machine = machine().await;
    machine.define_flow(&[]).await;
    let stage = machine.stage("a:x", 1);
    machine.send_one(stage).await;
    let journey = machine.profile(&UserKey::anonymous("x")).await.journeys[0].id;
    let seen = machine.identify("u1+x", json!({}));
    machine.acknowledged.insert(seen.message_id.clone());
    let engine = machine.engine.clone();
    let both = async {
        let operate = engine.operate(journey, Operation::Resolve, by_ops("done"));
        Ok::<_, EngineError>(tokio::join!(engine.ingest(vec![seen]), operate))
    };
    let (_, operated) = machine.ask(both).await.unwrap();
    assert_eq!(operated.unwrap().user, UserKey::user("u1"));
}

#[tokio::test]
async fn one_person_has_no_more_open_journeys_than_anybody() {
    let mut machine = machine().await;
    machine.define_flow(&[]).await;
    let most = limits::MAX_OPEN_JOURNEYS;
    let mut events: Vec<_> = (0..most).map(|number| machine.stage("a:x", number)).collect();
    events.extend((0..most).map(|number| machine.stage("u1", most + number)));
    events.push(machine.identify("u1+x", json!({})));
    machine.send(vec![events]).await;
    let journeys = machine.user("u1").await.journeys;
    let open = journeys.iter().filter(|journey| journey.status.is_open()).count();
    assert_eq!(open, most);
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
    assert_eq!(picture.journeys.len(), 2 * most);
}

#[tokio::test]
async fn a_profile_does_not_grow_past_its_bounds_by_those_that_become_part_of_it() {
    let mut machine = machine().await;
    for visitor in 0..4 {
        let long = "x".repeat(limits::MAX_PROFILE_TRAIT_BYTES / 2);
        let traits = json!({ format!("long{visitor}"): long });
        let who = format!("a:x{visitor}");
        let mut events = vec![machine.identify(&who, traits)];
        events.extend((0..limits::SEEN_IN_PROFILE).map(|_| machine.order(&who)));
        let mut seen = machine.identify(&format!("u1+x{visitor}"), json!({}));
        seen.dedupe = false;
        events.push(seen);
        machine.send(vec![events]).await;
    }
    let profile = machine.user("u1").await;
    assert!(profile.traits.len() < 3, "{} traits", profile.traits.len());
    assert!(profile.seen.recent.len() <= limits::SEEN_IN_PROFILE, "{} ids", profile.seen.recent.len());
}

#[tokio::test]
async fn finished_journeys_of_long_ago_follow_their_user() {
    let mut machine = machine().await;
    machine.define_flow(&[]).await;
    let count = 3 * limits::JOURNEYS_IN_PROFILE;
    let mut events: Vec<_> = (0..count).map(|number| machine.stage("a:x", number)).collect();
    events.push(machine.alias("u1", "x"));
    events.push(machine.alias("u2", "u1"));
    machine.send(vec![events]).await;
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
    assert_eq!(picture.journeys.len(), count);
    assert!(picture.journeys.iter().all(|journey| journey.user == UserKey::user("u2")));
}

#[tokio::test]
async fn what_an_event_makes_one_is_looked_at_once_it_is_one() {
    let mut machine = machine().await;
    machine.apply(vec![audience("never", "event('Order Completed').count() = 0")]).await;
    // A visitor who ordered becomes a user of whom nothing was known, by an alias that names him under two kinds of ids.
    let events = vec![machine.order("a:x"), machine.alias("u1", "x")];
    machine.send(vec![events]).await;
    // The first that is known of somebody is an order under both ids, and of somebody else one under a known visitor's.
    let events =
        vec![machine.order("u2+y"), machine.identify("a:z", json!({ "plan": "pro" })), machine.order("u3+z")];
    machine.send(vec![events]).await;
    assert_eq!(machine.told().await, Vec::<String>::new(), "not for a moment had they never ordered");
    let event = machine.identify("u4+w", json!({ "plan": "pro" }));
    machine.send_one(event).await;
    assert_eq!(machine.told().await, ["u:u4 never=true"]);
}
