//! Of accounts and their users.

use serde_json::json;
use stagepost::domain::definition::Kind;
use stagepost::domain::limits;

use super::{machine, slow_machine};
use crate::machine::{audience, definition};

#[tokio::test]
async fn what_a_part_was_when_it_was_first_computed_is_remembered() {
    let mut machine = machine().await;
    let (pro, join) = (machine.identify("u1", json!({"plan": "pro"})), machine.join("u1", "acme", json!({})));
    machine.send(vec![vec![pro, join]]).await;
    machine.apply(vec![audience("pros", "ANY trait('plan') = 'pro'")]).await;
    assert_eq!(machine.told().await, ["g:acme pros=true"]);
    let free = machine.identify("u1", json!({"plan": "free"}));
    machine.send_one(free).await;
    assert_eq!(machine.told().await, ["g:acme pros=true", "g:acme pros=false"]);
}

#[tokio::test]
async fn visitors_are_no_users_of_an_account_unless_they_are_to_count() {
    let mut machine = machine().await;
    let events = ["u1", "a:x"].map(|who| machine.join(who, "acme", json!({})));
    machine.send(vec![events.to_vec()]).await;
    let order = machine.order("u1");
    machine.send_one(order).await;
    let query = "ALL event('Order Completed').count() >= 1";
    let with_all =
        json!({ "name": "with all", "query": query, "include_anonymous": true, "destinations": ["crm"] });
    machine.apply(vec![audience("known", query), definition("audience", with_all)]).await;
    assert_eq!(machine.told().await, ["g:acme known=true"]);
    let order = machine.order("a:x");
    machine.send_one(order).await;
    assert_eq!(machine.told().await, ["g:acme known=true", "g:acme with_all=true"]);
    let seen = machine.identify("u2+x", json!({}));
    machine.send_one(seen).await;
    let account = machine.account("acme").await;
    assert_eq!((account.users.known, account.users.anonymous), (2, 0));
    assert_eq!(machine.told().await.len(), 2);
}

#[tokio::test]
async fn a_user_with_no_room_for_more_accounts_leaves_those_of_his_other_id() {
    let mut machine = machine().await;
    let most = limits::MAX_GROUPS_OF_USER;
    let mut events: Vec<_> =
        (0..most).map(|number| machine.join("u1", &format!("g{number}"), json!({}))).collect();
    events.push(machine.join("u2", "acme", json!({})));
    events.push(machine.alias("u1", "u2"));
    machine.send(vec![events]).await;
    assert_eq!(machine.user("u1").await.groups.len(), most);
    assert_eq!(machine.account("acme").await.users.known, 0);
}

#[tokio::test]
async fn the_address_of_an_account_finds_no_user() {
    let mut machine = machine().await;
    let traits = json!({"email": "info@acme.example", "phone": "+15551234567"});
    let join = machine.join("u1", "acme", traits);
    machine.send_one(join).await;
    assert!(machine.engine.profiles_by_external_id("email", "info@acme.example").await.unwrap().is_empty());
    assert!(machine.engine.profiles_by_external_id("phone", "+15551234567").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_computation_that_is_made_for_accounts_takes_back_what_it_said_of_users() {
    let mut machine = machine().await;
    let events = vec![machine.order("u1"), machine.join("u1", "acme", json!({}))];
    machine.send(vec![events]).await;
    let of = |target: &str| {
        let query = "event('Order Completed').count() >= 1";
        let fields = json!({ "name": "buyers", "query": query, "target": target, "destinations": ["crm"] });
        vec![definition("audience", fields)]
    };
    machine.apply(of("users")).await;
    machine.apply(of("accounts")).await;
    let mut expected = vec!["u:u1 buyers=true", "u:u1 buyers=false", "g:acme buyers=true"];
    assert_eq!(machine.told().await, expected);
    machine.apply(of("users")).await;
    expected.extend(["g:acme buyers=false", "u:u1 buyers=true"]);
    assert_eq!(machine.told().await, expected);
}

#[tokio::test]
async fn who_joins_brings_nothing_along_that_he_is_about_to_forget() {
    let mut machine = slow_machine().await;
    // The visitor `u2` is known as the first user: only the user `u2` becomes him by the alias.
    let join = machine.join("u1+u2", "acme", json!({}));
    let events = vec![join, machine.order("u1"), machine.order("u2")];
    machine.send(vec![events]).await;
    machine.apply(vec![audience("active", "ANY event('Order Completed').count() >= 1")]).await;
    machine.tick().await;
    assert!(machine.remove(Kind::Audience, "active", false).await);
    // The account and the one user forget; the other one becomes the first before his turn comes.
    while !machine.user("u1").await.parts.is_empty() {
        machine.work(1).await;
    }
    assert!(machine.account("acme").await.users.yes.is_empty());
    assert_eq!(machine.user("u2").await.parts.len(), 1);
    let alias = machine.alias("u1", "u2");
    machine.send_one(alias).await;
    machine.tick().await;
    assert!(machine.account("acme").await.users.yes.is_empty());
    let picture = machine.picture().await;
    machine.check_all(&picture).await;
}
