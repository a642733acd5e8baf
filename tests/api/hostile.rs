//! Receivers that misbehave, each on a port of its own: how the calls to them end, and that nobody else notices.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{PATIENCE, TestApp, app};
use crate::support::receiver::{Receiver, Reply};

const MEGABYTE: usize = 1024 * 1024;

/// A server whose destinations get every event; each has `timeout` to answer.
async fn serving(destinations: &[(&str, &Receiver)], timeout: &str) -> TestApp {
    let app = app().await;
    let destinations: Vec<Value> = destinations
        .iter()
        .map(|(key, receiver)| {
            let urls = [json!({ "url": receiver.url("/hook") })];
            json!({ "key": key, "kind": "webhook", "urls": urls, "events": "all", "timeout": timeout })
        })
        .collect();
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": destinations,
    }))
    .await;
    app
}

async fn post(app: &TestApp, users: usize) {
    let batch: Vec<Value> = (0..users)
        .map(|n| json!({ "type": "track", "event": "Bought", "userId": format!("u{n}") }))
        .collect();
    app.post_json("/v1/batch", &json!({ "writeKey": "wk_website", "batch": batch })).await.expect(200);
}

/// The newest delivery to that destination, whole.
async fn newest(app: &TestApp, destination: &str) -> Value {
    let list = app.get(&format!("/api/deliveries?destination={destination}&limit=1")).await;
    app.get(&format!("/api/deliveries/{}", list["deliveries"][0]["id"].as_str().expect("an id"))).await
}

fn raw(head: &str, body: &str) -> Receiver {
    let text = format!("HTTP/1.1 {head}\r\n\r\n{body}");
    Receiver::start(move |_, _| Reply::Raw(text.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ends_as_it_should_and_the_others_go_on() {
    let inner = Receiver::taking_all();
    let location = format!("302 Found\r\nLocation: {}\r\nContent-Length: 0", inner.url("/secret"));
    let answering = |status| Receiver::start(move |_, _| Reply::Status(status));
    let receivers = [
        ("good", Receiver::taking_all()),
        ("broken", answering(500)),
        ("unable", answering(501)),
        ("locked", answering(423)),
        ("busy", Receiver::start(|_, _| Reply::RetryAfter(429, 120))),
        ("slow", Receiver::start(|_, _| Reply::Slow(Duration::from_secs(2), 200))),
        ("silent", Receiver::start(|_, _| Reply::Hang)),
        ("closing", Receiver::start(|_, _| Reply::Close)),
        ("halfway", raw("200 OK\r\nContent-Length: 100", "half")),
        ("late_half", raw("200 OK\r\nContent-Length: 60000", &"x".repeat(30_000))),
        ("talkative", raw(&format!("200 OK\r\nContent-Length: {MEGABYTE}"), &"x".repeat(MEGABYTE))),
        ("redirecting", raw(&location, "")),
        ("metadata", raw("307 -\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0", "")),
        ("self_signed", Receiver::self_signed()),
        ("headers", Receiver::start(|_, _| Reply::EndlessHeaders)),
        ("gibberish", raw("banana", "")),
    ];
    let named: Vec<_> = receivers.iter().map(|(key, receiver)| (*key, receiver)).collect();
    let mut app = serving(&named, "400ms").await;
    app.allow_pending();
    post(&app, 3).await;
    app.rest().await;

    // How the delivery stands, the receiver's status, and a part of what is said about it.
    for (key, status, http_status, said) in [
        ("good", "delivered", Some(200), None),
        ("broken", "pending", Some(500), Some("answered 500")),
        ("unable", "pending", Some(501), Some("answered 501")),
        ("locked", "failed", Some(423), Some("answered 423, which is final")),
        ("busy", "pending", Some(429), Some("answered 429")),
        ("slow", "pending", None, Some("no complete answer within 400ms")),
        ("silent", "pending", None, Some("no complete answer within 400ms")),
        ("closing", "pending", None, Some("the connection broke before an answer came")),
        ("halfway", "pending", Some(200), Some("answered 200, but the answer broke off")),
        ("late_half", "pending", Some(200), Some("answered 200, but the answer broke off")),
        ("talkative", "delivered", Some(200), None),
        ("redirecting", "failed", Some(302), Some("redirects are not followed")),
        ("metadata", "failed", Some(307), Some("redirects are not followed")),
        ("self_signed", "pending", None, Some("certificate is not valid")),
        ("headers", "pending", None, Some("the connection broke before an answer came")),
        ("gibberish", "pending", None, Some("the connection broke before an answer came")),
    ] {
        let delivery = newest(&app, key).await;
        let attempt = &delivery["attempts"][0];
        assert_eq!(
            (&delivery["status"], &delivery["tries"]),
            (&json!(status), &json!(1)),
            "{key}: {delivery}"
        );
        assert_eq!(attempt["httpStatus"], json!(http_status), "{key}: {attempt}");
        match said {
            None => assert_eq!(attempt["error"], Value::Null, "{key}"),
            Some(said) => assert!(attempt["error"].as_str().unwrap().contains(said), "{key}: {attempt}"),
        }
        assert!(attempt["durationMs"].as_u64().unwrap() < 1900, "{key}: {attempt}");
    }
    assert_eq!(newest(&app, "busy").await["nextAttemptAt"], "2026-11-21T10:02:00.000Z");
    assert_eq!(
        newest(&app, "talkative").await["attempts"][0]["responseSnippet"].as_str().unwrap().len(),
        1024
    );
    assert_eq!(newest(&app, "halfway").await["attempts"][0]["responseSnippet"], "half");
    assert!(inner.requests().is_empty(), "a redirect was followed");
    for (key, receiver) in &receivers {
        let asked = if *key == "self_signed" { 0 } else { 3 };
        assert_eq!(receiver.requests().len(), asked, "{key}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_receiver_holds_nobody_else_up() {
    const USERS: usize = 200;
    let (good, silent) = (Receiver::taking_all(), Receiver::start(|_, _| Reply::Hang));
    let mut app = serving(&[("silent", &silent), ("good", &good)], "3s").await;
    app.allow_pending();
    let begun = Instant::now();
    // So many that the silent one's attempts are all under way.
    post(&app, USERS).await;
    good.wait_until("all calls arrived", PATIENCE, |requests| requests.len() >= USERS).await;
    assert!(begun.elapsed() < Duration::from_millis(2500), "before the first of the others timed out");
    assert!(silent.requests().len() <= 16, "the silent one is asked no more at once than usual");
    // What is queued for it would take half a minute to try.
    app.call("DELETE", "/api/destinations/silent", None).await.expect(204);
    app.rest().await;
    app.finish().await;
}
