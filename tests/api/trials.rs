//! `POST /api/destinations/{key}/test`: what is sent, and what is answered.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::{Got, keys};
use crate::support::receiver::{Receiver, Reply};

async fn shop(urls: &[String]) -> TestApp {
    let app = app().await;
    let urls: Vec<Value> = urls
        .iter()
        .map(|url| json!({ "url": url, "headers": { "X-Team": "growth", "X-Token": "t0ps3cr3t" } }))
        .collect();
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{ "key": "crm", "kind": "webhook", "urls": urls, "shared_secret": "s3cr3t" }],
    }))
    .await;
    app
}

async fn test(app: &TestApp, query: &str, body: Value) -> Got {
    let body = (!body.is_null()).then_some(body);
    app.call("POST", &format!("/api/destinations/crm/test{query}"), body.as_ref()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_every_type_and_what_was_sent_is_shown() {
    let receiver = Receiver::taking_all();
    let app = shop(&[receiver.url("/hook")]).await;
    let answered = test(&app, "", Value::Null).await.expect(200).json();
    let names =
        ["at", "status", "httpStatus", "durationMs", "responseSnippet", "error", "sent", "reason", "request"];
    assert_eq!(keys(&answered), names);
    assert_eq!(
        (&answered["status"], &answered["sent"], &answered["reason"]),
        (&json!("delivered"), &json!(true), &Value::Null)
    );
    let (request, got) = (&answered["request"], &receiver.requests()[0]);
    assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(receiver.url("/hook"))));
    assert_eq!(request["body"], String::from_utf8_lossy(&got.body).into_owned());
    for (name, shown) in request["headers"].as_object().unwrap() {
        let wanted = match name.as_str() {
            "x-token" | "x-signature" => "********",
            plain => got.header(plain).unwrap_or("-"),
        };
        assert_eq!(shown, wanted, "{name}");
    }
    assert_eq!(got.header("x-token"), Some("t0ps3cr3t"));
    for name in ["identify", "track", "page", "screen", "group", "alias"] {
        test(&app, "", json!({ "type": name })).await.expect(200);
        assert_eq!(receiver.requests().last().unwrap().json()["type"], name);
    }
    assert_eq!(receiver.requests()[0].json()["type"], "identify");
    assert_eq!(app.get("/api/deliveries").await["deliveries"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_given_or_of_the_log() {
    let receiver = Receiver::taking_all();
    let app = shop(&[receiver.url("/hook")]).await;
    let event =
        json!({ "type": "track", "event": "Bought", "userId": "u7", "properties": { "total": 10.0 } });
    test(&app, "", json!({ "event": event })).await.expect(200);
    let call = receiver.requests()[0].json();
    assert_eq!(
        (&call["event"], &call["userId"], &call["properties"]["total"]),
        (&json!("Bought"), &json!("u7"), &json!(10))
    );
    assert!(
        call["messageId"].as_str().unwrap().starts_with("api-") && call["context"]["library"].is_object()
    );
    let body = json!({ "writeKey": "wk_website", "userId": "u8", "event": "Logged", "messageId": "m-1" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    let id = app.get("/api/events?type=track").await["events"][0]["eventId"].clone();
    test(&app, "", json!({ "eventId": id })).await.expect(200);
    let call = receiver.requests()[1].json();
    assert_eq!((&call["event"], &call["messageId"]), (&json!("Logged"), &json!("m-1")));
    assert_eq!(app.get("/api/events?userId=u7").await["events"], json!([]), "it is no event of the log");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing_and_several_addresses_are_a_list() {
    let receiver = Receiver::start(|request, _| Reply::Status(if request.path == "/a" { 500 } else { 200 }));
    let app = shop(&[receiver.url("/a"), receiver.url("/b")]).await;
    let dry = test(&app, "?dry_run=true", json!({ "type": "track" })).await.expect(200).json();
    assert_eq!(
        (&dry["sent"], &dry["status"], &dry["httpStatus"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    assert!(dry["reason"].as_str().unwrap().contains("dry run"));
    assert_eq!(dry["request"].as_array().unwrap().len(), 2);
    assert!(receiver.requests().is_empty());
    let real = test(&app, "", json!({ "type": "track" })).await.expect(200).json();
    assert_eq!((&real["sent"], &real["status"]), (&json!(true), &json!("delivered")));
    assert!(real["error"].as_str().unwrap().contains("answered 500"));
    let urls: Vec<_> = real["request"].as_array().unwrap().iter().map(|request| &request["url"]).collect();
    assert_eq!(urls, [&json!(receiver.url("/a")), &json!(receiver.url("/b"))]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_sent_is_named() {
    let receiver = Receiver::taking_all();
    let app = shop(&[receiver.url("/hook")]).await;
    for (body, field) in [
        (json!({ "type": "purchase" }), "type"),
        (json!({ "type": 7 }), "type"),
        (json!({ "kind": "track" }), "kind"),
        (json!({ "type": "track", "eventId": "x" }), "eventId"),
        (json!({ "event": "Bought" }), "event"),
        (json!({ "event": { "event": "Bought", "userId": "u" } }), "event.type"),
        (json!({ "event": { "type": "track", "userId": "u" } }), "event.event"),
        (json!({ "event": { "type": "track", "event": "Bought" } }), "event.userId"),
        (json!({ "event": { "type": "track", "event": "x".repeat(40_000), "userId": "u" } }), "event"),
        (json!({ "eventId": "dlv_1" }), "eventId"),
    ] {
        let got = test(&app, "", body.clone()).await.expect(400).json();
        assert_eq!(
            (&got["code"], &got["errors"][0]["field"]),
            (&json!("invalid_body"), &json!(field)),
            "{body}: {got}"
        );
    }
    let unknown = json!({ "eventId": "evt_00000000000000000000000000" });
    assert_eq!(test(&app, "", unknown).await.status, 404);
    assert_eq!(test(&app, "?dry=true", Value::Null).await.status, 400);
    assert_eq!(app.call("POST", "/api/destinations/none/test", None).await.status, 404);
    assert_eq!(app.call("POST", "/api/destinations/email/test", None).await.status, 409);
    assert!(receiver.requests().is_empty());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_left_the_answer_says_so_and_why() {
    let app = app().await;
    let receiver = Receiver::taking_all();
    let auth = |url: &str| json!({ "type": "oauth2", "token_url": url, "client_id": "c", "client_secret": "s3cr3t-s3cr3t" });
    let secure = Receiver::self_signed();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    app.apply(&json!({ "destination": [
        { "key": "closed", "kind": "webhook", "urls": [{ "url": format!("http://{closed}/x") }] },
        { "key": "untrusted", "kind": "webhook", "urls": [{ "url": secure.url("/x") }] },
        { "key": "tokenless", "kind": "webhook_action", "auth": auth(&format!("http://{closed}/t")),
          "mapping": { "url": receiver.url("/y") } },
    ] }))
    .await;
    for (key, said) in [
        ("closed", "could not connect"),
        ("untrusted", "certificate is not valid"),
        ("tokenless", "handed out no access token"),
    ] {
        let path = format!("/api/destinations/{key}/test");
        let answered = app.call("POST", &path, None).await.expect(200).json();
        assert_eq!(answered["sent"], false, "{answered}");
        assert!(answered["reason"].as_str().expect("a reason").contains(said), "{answered}");
        assert_eq!(answered["reason"], answered["error"]);
        assert!(answered["request"]["url"].is_string(), "what would have been sent: {answered}");
    }
    assert!(receiver.requests().is_empty());
    app.finish().await;
}
