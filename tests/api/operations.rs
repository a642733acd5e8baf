//! Health, metrics and the debugger's stream.

use serde_json::json;

use crate::http::send;
use crate::studio::{body, post_stage, studio};
use crate::support::api::TOKEN;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_need_no_token() {
    let mut app = studio().await;
    app.allow_rejections();
    post_stage(&app, "u1", "initiation").await;
    app.post_json("/studio/wk_studio", &json!({})).await.expect(400);
    app.advance(1000).await;
    assert_eq!(send(app.request("GET", "/healthz")).await.expect(200).json()["status"], "ok");
    let ready = send(app.request("GET", "/readyz")).await.expect(200).json();
    assert_eq!(ready["status"], "ok");
    for check in ["store", "writer", "timers", "queue"] {
        assert_eq!(ready["checks"][check], "ok", "{ready}");
    }
    let got = send(app.request("GET", "/metrics")).await.expect(200);
    assert!(got.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = got.text();
    for name in [
        "stagepost_ingest_events_total{source=\"studio\"}",
        "stagepost_ingest_rejected_total{code=\"missing_field\"}",
        "stagepost_ingest_duration_seconds_bucket",
        "stagepost_commit_duration_seconds_bucket",
        "stagepost_commit_events_bucket",
        "stagepost_timers_fired_total",
        "stagepost_timers_due",
        "stagepost_build_info",
        "stagepost_uptime_seconds",
        "stagepost_queue_depth",
        "stagepost_store_writable 1",
        "stagepost_events 1",
        "stagepost_journeys{status=\"active\"} 1",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_shows_what_was_accepted_and_what_was_refused() {
    let mut app = studio().await;
    app.allow_rejections();
    let request = app.request("GET", "/api/events/stream").bearer_auth(TOKEN);
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let kind = stream.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let mut text = String::new();
    // The greeting: from here on it listens.
    while !text.contains("connected") {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("a greeting")));
    }
    app.post_json("/studio/wk_studio", &body("u1", "initiation")).await.expect(200);
    let mut broken = body("u1", "initiation");
    broken["flow"] = "".into();
    app.post_json("/studio/wk_studio", &broken).await.expect(400);
    while text.matches("data: ").count() < 2 || !text.ends_with("\n\n") {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("a line")));
    }
    let (accepted, rejected) =
        (text.find("event: accepted\ndata: {").unwrap(), text.find("event: rejected\ndata: {").unwrap());
    // Where several nodes share the store, events are read from it; refusals are told at once.
    assert!(accepted < rejected || app.store().is_shared(), "{text}");
    for part in ["\"userId\":\"u1\"", "\"Studio Flow Step\"", "\"missing_field\"", "\"field\":\"flow\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
    drop(stream);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_does_not_hold_up_the_end() {
    let mut app = studio().await;
    let request = app.request("GET", "/api/events/stream").bearer_auth(TOKEN);
    let mut stream = request.send().await.unwrap();
    stream.chunk().await.unwrap().expect("a greeting");
    let begun = std::time::Instant::now();
    app.restart().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    while stream.chunk().await.unwrap().is_some() {}
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_debugger_lists_newest_first_with_the_reason() {
    let mut app = studio().await;
    app.allow_rejections();
    post_stage(&app, "u1", "initiation").await;
    app.advance(1000).await;
    app.post_text("/studio/wk_studio", "application/json", "{\"userID\":").await.expect(400);
    app.advance(1000).await;
    post_stage(&app, "u2", "initiation").await;
    let events = app.get("/api/events").await["events"].clone();
    let shown: Vec<_> =
        events.as_array().unwrap().iter().map(|it| it["userId"].as_str().unwrap_or("-")).collect();
    assert_eq!(shown, ["u2", "-", "u1"]);
    assert_eq!((&events[1]["rejected"], &events[1]["code"]), (&json!(true), &json!("malformed_json")));
    assert_eq!((&events[1]["source"], &events[1]["body"]), (&json!("studio"), &json!("{\"userID\":")));
    assert_eq!(app.get("/api/events?userId=u1").await["events"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/api/events?type=identify").await["events"], json!([]));
    app.finish().await;
}
