//! More than the writer can take: callers are told to come back, and nothing grows.

use serde_json::{Map, json};

use stagepost::domain::event::{Call, Event};
use stagepost::domain::ids::EventId;
use stagepost::domain::time::Timestamp;

use crate::app::{PATIENCE, TestApp};
use crate::http::{Got, send};
use crate::studio::{body, post_stage, studio};
use crate::support::wait::eventually;

fn event(app: &TestApp, n: usize) -> Event {
    let now = app.now();
    Event {
        id: EventId::floor(Timestamp::default()),
        message_id: format!("m{n}"),
        dedupe: true,
        source: "studio".to_owned(),
        user_id: Some(format!("u{}", n % 100)),
        anonymous_id: None,
        call: Call::Track { event: "x".to_owned(), properties: Map::new() },
        context: Map::new(),
        integrations: Map::new(),
        extra: Map::new(),
        channel: "server".to_owned(),
        timestamp: now,
        original_timestamp: now,
        sent_at: None,
        received_at: now,
    }
}

#[track_caller]
fn comes_back(got: &Got, status: u16, code: &str) {
    assert_eq!(got.status, status, "{}", got.text());
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.header("retry-after").parse::<u64>().is_ok_and(|secs| secs >= 1));
    assert_eq!((&got.json()["success"], got.code().as_str()), (&json!(false), code));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_answered_with_429_until_the_writer_has_caught_up() {
    let mut app = studio().await;
    app.allow_rejections();
    app.restart_without_writer().await;
    let most = app.engine().queue().1;
    let waiting: Vec<_> = (0..most)
        .map(|n| {
            let (engine, event) = (app.engine().clone(), event(&app, n));
            tokio::spawn(async move { engine.ingest(vec![event]).await })
        })
        .collect();
    eventually("the queue is full", PATIENCE, async || (app.engine().queue().0 == most).then_some(())).await;
    for _ in 0..50 {
        let got = app.post_json("/studio/wk_studio", &body("late", "initiation")).await;
        comes_back(&got, 429, "busy");
        assert_eq!(app.engine().queue(), (most, most));
    }
    assert_eq!(send(app.request("GET", "/healthz")).await.status, 200);
    assert_eq!(send(app.request("GET", "/readyz")).await.expect(503).json()["checks"]["queue"], "failed");

    app.let_writer_run();
    for one in waiting {
        one.await.expect("a task").expect("what waited is taken");
    }
    post_stage(&app, "late", "initiation").await;
    let counts = app.engine().counts().await.expect("counts");
    assert_eq!(counts.events, u64::try_from(most).unwrap() + 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_ended_is_answered_with_503() {
    let mut app = studio().await;
    app.allow_rejections();
    app.engine().stop().await;
    for _ in 0..10 {
        let got = app.post_json("/studio/wk_studio", &body("u1", "initiation")).await;
        comes_back(&got, 503, "unavailable");
    }
    let put = app.call("PUT", "/api/flows/f", Some(&json!({}))).await.expect(503);
    assert_eq!((put.header("content-type"), put.header("retry-after")), ("application/problem+json", "1"));
    app.get("/api/journeys").await;
    app.restart().await;
    post_stage(&app, "u1", "initiation").await;
    app.finish().await;
}
