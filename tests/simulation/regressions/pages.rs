//! Of leaf states on pages.

use serde_json::json;
use stagepost::domain::definition::Kind;

use super::machine;
use crate::machine::{HOUR, Machine, audience, computation, definition};

/// An engine with a user whose state is on pages.
async fn with_hot_user() -> Machine {
    let mut machine = machine().await;
    machine
        .apply(vec![computation("trait", "orders", "event('Order Completed').within(2 days).count()")])
        .await;
    let events = (0..300).map(|_| machine.order("u1")).collect();
    machine.send(vec![events]).await;
    assert_ne!(machine.kept_leaf_pages(), Some(Vec::new()));
    machine
}

#[tokio::test]
async fn nothing_is_left_of_a_computation_that_is_removed() {
    let mut machine = with_hot_user().await;
    assert!(machine.remove(Kind::Trait, "orders", false).await);
    assert_eq!(machine.kept_leaf_pages(), Some(Vec::new()));
    assert!(machine.user("u1").await.leaves.is_empty());
}

#[tokio::test]
async fn nothing_is_left_of_a_query_that_was_edited() {
    let mut machine = with_hot_user().await;
    machine.apply(vec![computation("trait", "orders", "event('Order Completed').count()")]).await;
    assert_eq!(machine.kept_leaf_pages(), Some(Vec::new()));
    assert_eq!(machine.user("u1").await.leaves.len(), 1);
}

#[tokio::test]
async fn nothing_is_left_of_a_query_about_accounts_that_was_edited() {
    let mut machine = with_hot_user().await;
    let join = machine.join("u1", "acme", json!({}));
    machine.send_one(join).await;
    machine.apply(vec![audience("active", "ANY event('Order Completed').within(3 days).count() >= 1")]).await;
    machine.apply(vec![audience("active", "ANY trait('plan') = 'pro'")]).await;
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
    assert_eq!(machine.account("acme").await.users.yes.len(), 0);
    assert_eq!(machine.user("u1").await.parts.len(), 0);
}

#[tokio::test]
async fn states_on_pages_become_one_with_their_users_and_count_for_their_accounts() {
    let mut machine = with_hot_user().await;
    let sum = json!({
        "name": "all orders", "query": "event('Order Completed').within(2 days).count()", "target": "accounts",
        "destinations": ["crm"]
    });
    machine.apply(vec![definition("trait", sum)]).await;
    let mut visits: Vec<_> = (0..300).map(|number| machine.earlier_order("a:x", number * 60_000)).collect();
    visits.push(machine.join("a:x", "acme", json!({})));
    machine.send(vec![visits]).await;
    let mut events: Vec<_> = (0..50).map(|number| machine.earlier_order("u1", number * 90_000)).collect();
    events.push(machine.identify("u1+x", json!({})));
    events.extend((0..50).map(|number| machine.earlier_order("a:x", number * 70_000)));
    machine.send(vec![events]).await;
    let told = machine.told().await;
    let last = |of: &str| told.iter().rev().find(|told| told.starts_with(of)).cloned();
    assert_eq!(last("u:u1").as_deref(), Some("u:u1 orders=700"));
    assert_eq!(last("g:acme").as_deref(), Some("g:acme all_orders=700"));
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
}

#[tokio::test]
async fn pages_that_a_state_no_longer_needs_are_gone_even_if_its_user_becomes_another_at_that_moment() {
    let mut machine = with_hot_user().await;
    machine.pass(72 * HOUR);
    let events = vec![machine.order("u1"), machine.alias("u2", "u1")];
    machine.send(vec![events]).await;
    assert_eq!(machine.kept_leaf_pages(), Some(Vec::new()));
    assert_eq!(machine.told().await.last().map(String::as_str), Some("u:u2 orders=1"));
}
