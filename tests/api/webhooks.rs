//! Classic webhooks on the wire: every type of call byte for byte, its headers, and what a replay changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::column;
use crate::support::receiver::{Receiver, Reply};

async fn forwarding(receiver: &Receiver) -> TestApp {
    let app = app().await;
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{
            "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }],
            "shared_secret": "s3cr3t", "events": "all",
        }],
    }))
    .await;
    app
}

async fn post(app: &TestApp, event: &Value) {
    let body = json!({ "writeKey": "wk_website", "batch": [event] });
    app.post_json("/v1/batch", &body).await.expect(200);
    app.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_call_byte_for_byte() {
    let receiver = Receiver::taking_all();
    let app = forwarding(&receiver).await;
    let ends = concat!(
        r#""channel":"server","context":{"ip":"8.8.8.8","library":{"name":"unknown","version":"unknown"}},"integrations":{},"#,
        r#""timestamp":"2026-11-21T09:59:00.000Z","originalTimestamp":"2026-11-21T09:59:00.000Z","sentAt":null,"#,
        r#""receivedAt":"2026-11-21T10:00:00.000Z"}"#,
    );
    for (n, (own, wanted)) in [
        (
            json!({ "type": "track", "event": "Café / \u{2028}", "properties": { "total": 10.0, "rate": 1e-7, "10": 1, "2": 2 } }),
            "\"event\":\"Café / \u{2028}\",\"properties\":{\"2\":2,\"10\":1,\"total\":10,\"rate\":1e-7},",
        ),
        (json!({ "type": "identify", "traits": { "email": "a@b.io", "name": null } }), r#""traits":{"email":"a@b.io","name":null},"#),
        (
            json!({ "type": "page", "name": "Home", "category": "Docs", "properties": { "path": "/" } }),
            r#""name":"Home","category":"Docs","properties":{"path":"/"},"#,
        ),
        (json!({ "type": "screen", "name": "Home", "properties": {} }), r#""name":"Home","properties":{},"#),
        (json!({ "type": "group", "groupId": "g1", "traits": { "plan": "x" } }), r#""groupId":"g1","traits":{"plan":"x"},"#),
        (json!({ "type": "alias", "previousId": "old" }), r#""previousId":"old","#),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = json!({
            "userId": "u1", "messageId": format!("m-{n}"), "timestamp": "2026-11-21T09:59:00Z", "context": { "ip": "8.8.8.8" },
        });
        event.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        post(&app, &event).await;
        let requests = receiver.requests();
        let request = requests.last().unwrap();
        let type_name = own["type"].as_str().unwrap();
        let head = format!(r#"{{"type":"{type_name}","version":1,"messageId":"m-{n}","userId":"u1","#);
        assert_eq!(String::from_utf8_lossy(&request.body), format!("{head}{wanted}{ends}"));
    }
    assert_eq!(receiver.requests().len(), 6);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_has_the_same_name_and_bytes_and_says_so() {
    let mood = Arc::new(AtomicU16::new(400));
    let read = Arc::clone(&mood);
    let receiver = Receiver::start(move |_, _| Reply::Status(read.load(Ordering::SeqCst)));
    let app = forwarding(&receiver).await;
    post(&app, &json!({ "type": "track", "event": "Bought", "userId": "u1" })).await;
    let id = column(&app.get("/api/deliveries").await["deliveries"], "id").remove(0);
    mood.store(200, Ordering::SeqCst);
    app.advance(3_600_000).await;
    app.call("POST", &format!("/api/deliveries/{id}/replay"), None).await.expect(202);
    app.rest().await;
    let requests = receiver.requests();
    let [first, again] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    for request in [first, again] {
        assert_eq!(request.header("webhook-id"), Some(id.as_str()));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("webhook-signature"), None, "there is no secret for it");
    }
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("x-signature"), again.header("x-signature"));
    assert_eq!((first.header("x-stagepost-replay"), again.header("x-stagepost-replay")), (None, Some("1")));
    let seconds = |request: &crate::support::receiver::Request| -> i64 {
        request.header("webhook-timestamp").unwrap().parse().unwrap()
    };
    assert_eq!(seconds(again) - seconds(first), 3600, "the time of the attempt");
    app.finish().await;
}
