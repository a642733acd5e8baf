//! Of backfills.

use serde_json::json;
use stagepost::domain::backfill::BackfillPhase;
use stagepost::domain::definition::Kind;

use super::slow_machine;
use crate::machine::{Machine, audience, computation};

impl Machine {
    /// Works until some users had their turn, and others not.
    async fn work_until_some_had_their_turn(&mut self) {
        for _ in 0..1000 {
            let backfills = self.engine.backfills();
            if let Some(BackfillPhase::Profiles { after: Some(_) }) =
                backfills.first().map(|backfill| &backfill.phase)
            {
                return;
            }
            self.work(1).await;
        }
        panic!("nobody's turn comes");
    }
}

#[tokio::test]
async fn a_share_of_the_past_finds_all_pages_of_whoever_its_user_became() {
    let mut machine = slow_machine().await;
    let mut events: Vec<_> =
        (0..200).map(|number| machine.earlier_order("a:x", number * 60_000 + 1)).collect();
    events.extend(["a:a", "a:b", "a:c", "a:d"].map(|who| machine.order(who)));
    machine.send(vec![events]).await;
    machine
        .apply(vec![computation("trait", "orders", "event('Order Completed').within(2 days).count()")])
        .await;
    // Of the user that the visitor becomes the state is on pages already.
    let mut events: Vec<_> = (0..300).map(|number| machine.earlier_order("u1", number * 60_000)).collect();
    events.push(machine.identify("u1+x", json!({})));
    machine.work_until_some_had_their_turn().await;
    machine.send(vec![events]).await;
    machine.tick().await;
    assert_eq!(machine.told().await.last().map(String::as_str), Some("u:u1 orders=500"));
}

#[tokio::test]
async fn computations_that_are_edited_or_removed_in_the_midst_of_their_backfill_leave_the_others_whole() {
    let mut machine = slow_machine().await;
    let events: Vec<_> = ["u1", "u2", "u3"].iter().map(|who| machine.order(who)).collect();
    machine.send(vec![events]).await;
    let count = "event('Order Completed').within(2 days).count() >= 1";
    machine.apply(["one", "two", "three"].map(|name| audience(name, count)).to_vec()).await;
    machine.work_until_some_had_their_turn().await;
    machine.apply(vec![audience("two", "event('Order Completed').within(3 days).count() >= 1")]).await;
    assert!(machine.remove(Kind::Audience, "three", false).await);
    machine.tick().await;
    let mut told = machine.told().await;
    told.sort();
    // He was told of the third before it was removed; nothing takes that back unless it is asked for.
    let expected = [
        "u:u1 one=true",
        "u:u1 three=true",
        "u:u1 two=true",
        "u:u2 one=true",
        "u:u2 two=true",
        "u:u3 one=true",
        "u:u3 two=true",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn somebody_with_several_ids_is_looked_at_once_all_of_his_past_is_there() {
    let mut machine = slow_machine().await;
    // All three are his, and his own key is the first of them in the order in which profiles have their turn.
    let mut events: Vec<_> = ["u1", "u7", "u9"].iter().map(|who| machine.order(who)).collect();
    events.extend([machine.alias("u1", "u7"), machine.alias("u1", "u9")]);
    machine.send(vec![events]).await;
    machine.apply(vec![audience("few", "event('Order Completed').within(2 days).count() < 3")]).await;
    machine.tick().await;
    assert_eq!(machine.told().await, Vec::<String>::new(), "not for a moment were they few");
}

#[tokio::test]
async fn what_somebody_did_under_an_id_that_becomes_his_meanwhile_is_waited_for() {
    let mut machine = slow_machine().await;
    let events: Vec<_> = ["u1", "u5", "u9", "u9"].iter().map(|who| machine.order(who)).collect();
    machine.send(vec![events]).await;
    let two = "event('Order Completed').within(2 days).count() = 2";
    machine.apply(vec![audience("two", two)]).await;
    machine.work_until_some_had_their_turn().await;
    let alias = machine.alias("u1", "u9");
    machine.send_one(alias).await;
    let order = machine.order("u1");
    // With that he had two under his own id, and four in all.
    machine.send_one(order).await;
    machine.tick().await;
    assert_eq!(machine.told().await, Vec::<String>::new(), "he had one, and then four");
    let order = machine.order("u5");
    machine.send_one(order).await;
    machine.tick().await;
    assert_eq!(machine.told().await, ["u:u5 two=true"]);
}
