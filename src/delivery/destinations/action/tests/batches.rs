//! Several calls in one request.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{action, mapping, send_all, track};
use crate::delivery::destinations::action::batch;
use crate::delivery::sender::Sent;
use crate::delivery::standard_webhooks;
use crate::delivery::test_deliveries::NOW;
use crate::delivery::test_server::{Reply, TestServer};
use crate::domain::definition::{Action, Batch, Signing};
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::health::Signal;
use crate::domain::limits::MAX_BATCH_CALL_BYTES;
use crate::domain::time::Span;

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Batches of `size` with the data `{u, n}`.
fn batching(url: &str, size: u32, keys: &[&str]) -> Action {
    Action {
        data: mapping(json!({ "u": { "@path": "$.userId" }, "n": { "@path": "$.properties.n" } })),
        batch: Some(Batch {
            size,
            wait: Span::from_secs(10),
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
        }),
        ..action(url)
    }
}

const USUAL: [&str; 3] = ["url", "method", "headers"];

fn numbered(users: &[&str]) -> Vec<Delivery> {
    (0..).zip(users).map(|(n, user)| track(user, json!({ "n": n }))).collect()
}

/// The numbers in each body, in order of arrival.
fn numbers(server: &TestServer) -> Vec<Vec<i64>> {
    let read = |body: &str| -> Vec<i64> {
        let items: Vec<Value> = serde_json::from_str(body).unwrap();
        items.iter().map(|item| item["n"].as_i64().unwrap_or(-1)).collect()
    };
    server.asked().iter().map(|asked| read(&asked.body)).collect()
}

fn outcomes(sent: &[Sent]) -> Vec<&Outcome> {
    sent.iter().map(|sent| &sent.outcome).collect()
}

#[tokio::test]
async fn a_batch_is_an_array_signed_by_its_first_call_and_as_a_whole() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 10, &USUAL);
    action.data = mapping(json!({ "cool": { "@path": "$.properties.cool" } }));
    action.signing = Signing {
        shared_secret: Some("abc123".to_owned()),
        signing_secrets: vec![STANDARD_SECRET.to_owned()],
    };
    let calls = [track("a", json!({ "cool": false })), track("b", json!({ "cool": true }))];
    let sent = send_all(action.clone(), &calls).await;
    assert_eq!(outcomes(&sent), [&Outcome::Delivered; 2]);
    assert_eq!(sent[0].attempt, sent[1].attempt);
    let asked = &server.asked()[0];
    assert_eq!(asked.body, r#"[{"cool":false},{"cool":true}]"#);
    assert_eq!(asked.header("x-signature"), "c702b94a2569dd8d2f7185ce0ae951021bef4706");
    let id = asked.header("webhook-id");
    assert!(id.starts_with("bat_") && id.len() == 4 + 32, "{id}");
    let secrets = [STANDARD_SECRET.to_owned()];
    let wanted = standard_webhooks::sign(&secrets, id, NOW / 1000, &asked.body).unwrap();
    assert_eq!(asked.header("webhook-signature"), wanted);
    send_all(action.clone(), &calls).await;
    send_all(action, &calls[..1]).await;
    let ids: Vec<_> = server.asked().iter().map(|asked| asked.header("webhook-id").to_owned()).collect();
    assert_eq!(ids[0], ids[1], "the same calls have the same name");
    assert_ne!(ids[1], ids[2]);
    assert_eq!(server.asked()[2].body, r#"[{"cool":false}]"#, "one call is an array, too");
}

#[tokio::test]
async fn a_call_without_data_is_a_null() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 10, &USUAL);
    action.data = mapping(json!({ "@path": "$.properties.data" }));
    action.signing.shared_secret = Some("abc123".to_owned());
    send_all(action.clone(), &[track("a", json!({})), track("b", json!({ "data": 7 }))]).await;
    let asked = &server.asked()[0];
    assert_eq!((asked.body.as_str(), asked.header("x-signature")), ("[null,7]", "-"));
    let server = TestServer::start(Reply::status(200)).await;
    action.url = mapping(json!(server.url));
    send_all(action, &[track("a", json!({ "data": null })), track("b", json!({ "data": 7 }))]).await;
    let asked = &server.asked()[0];
    assert_eq!((asked.body.as_str(), asked.header("x-signature")), ("[null,7]", "-"));
}

#[tokio::test]
async fn what_differs_goes_apart_and_size_is_a_bound() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 2, &USUAL);
    action.headers = mapping(json!({ "X-Team": { "@path": "$.properties.team" } }));
    let call = |user: &str, n: i64, team: &str| track(user, json!({ "n": n, "team": team }));
    let calls = [
        call("a", 0, "red"),
        call("b", 1, "blue"),
        call("c", 2, "red"),
        call("d", 3, "red"),
        call("e", 4, "blue"),
    ];
    send_all(action.clone(), &calls).await;
    let mut got = numbers(&server);
    got.sort();
    assert_eq!(got, [vec![0, 2], vec![1, 4], vec![3]]);
    // What is no key is taken from the first.
    let server = TestServer::start(Reply::status(200)).await;
    action.url = mapping(json!(server.url));
    action.batch.as_mut().unwrap().keys = vec!["url".to_owned()];
    send_all(action.clone(), &calls[..2]).await;
    assert_eq!(numbers(&server), [vec![0, 1]]);
    assert_eq!(server.asked()[0].header("x-team"), "red");
    // A path in the event.
    let server = TestServer::start(Reply::status(200)).await;
    action.url = mapping(json!(server.url));
    action.batch.as_mut().unwrap().keys = vec!["$.userId".to_owned()];
    send_all(action, &[call("a", 0, "x"), call("b", 1, "x"), call("a", 2, "x")]).await;
    let mut got = numbers(&server);
    got.sort();
    assert_eq!(got, [vec![0, 2], vec![1]]);
}

#[tokio::test]
async fn a_replayed_call_shares_no_request_with_a_new_one() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut calls = numbered(&["a", "b"]);
    calls[1].replays = 1;
    send_all(batching(&server.url, 10, &USUAL), &calls).await;
    for asked in server.asked() {
        let wanted = if asked.body.contains("\"n\":1") { "1" } else { "-" };
        assert_eq!(asked.header("x-stagepost-replay"), wanted, "{}", asked.body);
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_call_that_can_not_be_mapped_fails_alone() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 10, &USUAL);
    action.required = vec!["n".to_owned()];
    action.expected = vec!["u".to_owned()];
    let mut calls = numbered(&["a", "b", "c"]);
    calls[1] = track("b", json!({}));
    calls[2] = crate::delivery::test_deliveries::delivery(
        "c",
        &json!({ "type": "track", "properties": { "n": 2 } }),
    );
    let sent = send_all(action, &calls).await;
    assert_eq!(outcomes(&sent), [&Outcome::Delivered, &Outcome::Failed, &Outcome::Delivered]);
    let error = |place: usize| sent[place].attempt.as_ref().unwrap().error.clone();
    assert_eq!(
        (sent[1].signal, error(1).as_deref()),
        (Signal::None, Some("`n` is required, and the mapping made none"))
    );
    assert_eq!((error(0), error(2).as_deref()), (None, Some("sent without what the receiver expects: `u`")));
    assert_eq!(numbers(&server), [vec![0, 2]]);
}

#[tokio::test]
async fn a_request_that_fails_holds_back_the_users_it_had() {
    let server = TestServer::scripted(|asked, _| {
        Reply::status(if asked.body.contains("\"n\":0") { 503 } else { 200 })
    })
    .await;
    // Sizes of two: [0 1] [2 3] [4]; `a` is in all of them.
    let calls = numbered(&["a", "b", "a", "c", "a"]);
    let sent = send_all(batching(&server.url, 2, &USUAL), &calls).await;
    let retry = &Outcome::Retry { after: None };
    assert_eq!(outcomes(&sent), [retry, retry, retry, &Outcome::Delivered, retry]);
    assert_eq!((&sent[2], &sent[4]), (&Sent::held(), &Sent::held()));
    assert_eq!(numbers(&server), [vec![0, 1], vec![3]], "without what was held back");
}

#[tokio::test]
async fn the_bytes_of_a_request_are_bounded() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 100, &USUAL);
    action.data = mapping(json!({ "@path": "$.properties.text" }));
    let text = "x".repeat(900 * 1024);
    let users = ["a", "b", "c", "d", "e", "f"];
    let calls: Vec<Delivery> = users.iter().map(|user| track(user, json!({ "text": text }))).collect();
    let sent = send_all(action, &calls).await;
    assert_eq!(outcomes(&sent), [&Outcome::Delivered; 6]);
    let mut sizes: Vec<usize> = server.asked().iter().map(|asked| asked.body.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2 * (text.len() + 2) + 3, 4 * (text.len() + 2) + 5]);
    assert!(sizes[1] <= MAX_BATCH_CALL_BYTES);
}

#[tokio::test]
async fn the_bytes_of_all_requests_together_are_bounded() {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = batching(&server.url, 100, &USUAL);
    action.data = mapping(json!({ "@path": "$.properties.text" }));
    let text = "x".repeat(1000 * 1024);
    let calls: Vec<Delivery> = (0..20).map(|n| track(&format!("u{n}"), json!({ "text": text }))).collect();
    let sent = send_all(action, &calls).await;
    let first_held = sent.iter().position(|sent| *sent == Sent::held()).unwrap();
    assert_eq!(first_held, 17, "one more than fit into 16 MiB");
    assert!(sent[first_held..].iter().all(|sent| *sent == Sent::held()));
    assert!(sent[..first_held].iter().all(|sent| sent.outcome == Outcome::Delivered));
}

#[tokio::test]
async fn addresses_and_headers_count_too() {
    let nowhere = "http://127.0.0.1:1/";
    let headers = (0..50).map(|n| (format!("X-Long-{n}"), json!({ "@path": "$.properties.long" })));
    let headers = mapping(Value::Object(headers.collect()));
    let long = json!({ "long": "x".repeat(4000) });
    let calls: Vec<Delivery> = (0..120).map(|n| track(&format!("u{n}"), long.clone())).collect();
    let batched = Action { headers, ..batching(nowhere, 100, &USUAL) };
    let plain = Action { batch: None, ..batched.clone() };
    let mapped = async |action: Action| {
        let sent = send_all(action, &calls).await;
        sent.iter().filter(|sent| **sent != Sent::held()).count()
    };
    // 200 kB each, and where a key holds them, too, twice as much, of 16 MiB.
    assert_eq!((mapped(plain).await, mapped(batched).await), (84, 42));
}

proptest! {
    /// Every call is in one request, requests are within their bounds, and a user's calls are in order over the requests.
    #[test]
    fn requests_keep_every_users_order(
        calls in proptest::collection::vec((0..4_usize, 0..3_u8, 1..1_500_000_usize), 0..40),
        size in 1..6_u32,
    ) {
        let names = ["a", "b", "c", "d"];
        let deliveries: Vec<Delivery> = calls.iter().map(|call| track(names[call.0], json!({}))).collect();
        let asked = calls.iter().enumerate().map(|(place, call)| (place, call.1.to_string(), call.2));
        let requests = batch::requests(&deliveries, asked, size);
        let mut all: Vec<usize> = requests.iter().flatten().copied().collect();
        let mut last: HashMap<usize, usize> = HashMap::new();
        for &place in &all {
            prop_assert!(last.insert(calls[place].0, place).is_none_or(|before| before < place));
        }
        for places in &requests {
            prop_assert!(!places.is_empty() && places.len() <= usize::try_from(size).unwrap());
            prop_assert!(places.iter().all(|&place| calls[place].1 == calls[places[0]].1));
            let bytes: usize = places.iter().map(|&place| calls[place].2 + 1).sum::<usize>() + 1;
            prop_assert!(places.len() == 1 || bytes <= MAX_BATCH_CALL_BYTES);
        }
        all.sort_unstable();
        prop_assert_eq!(all, (0..calls.len()).collect::<Vec<_>>());
    }
}
