//! Audiences: who belongs to them, and what their destinations are told.

use serde_json::{Value, json};

use stagepost::delivery::signature::sign;

use crate::app::{TestApp, app};
use crate::http::keys;
use crate::support::receiver::Receiver;

const DAY: i64 = 86_400_000;
const NAME: &str = "Order Completed Last 30days";
const KEY: &str = "order_completed_last_30days";
const QUERY: &str = "event('Order Completed').within(30 days).count() >= 1";

/// A server with a web source and the destination `crm`.
async fn shop(receiver: &Receiver) -> TestApp {
    let app = app().await;
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{
            "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }],
            "shared_secret": "s3cr3t",
        }],
    }))
    .await;
    app
}

fn audience(query: &str) -> Value {
    json!({ "name": NAME, "query": query, "destinations": ["crm"] })
}

async fn ordered(app: &TestApp, user: &str, ago_ms: i64) {
    let body = json!({
        "writeKey": "wk_website", "userId": user, "event": "Order Completed", "timestamp": app.ago(ago_ms),
    });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
}

/// What the receiver was told: user and value, in order.
fn told(receiver: &Receiver) -> Vec<(String, bool)> {
    let one = |call: Value| {
        let user = call["userId"].as_str().expect("a user").to_owned();
        (user, call["traits"][KEY].as_bool().expect("a boolean"))
    };
    receiver.requests().iter().map(|request| one(request.json())).collect()
}

fn pairs(all: &[(&str, bool)]) -> Vec<(String, bool)> {
    all.iter().map(|(user, value)| ((*user).to_owned(), *value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_makes_a_member_until_it_is_thirty_days_old() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    let made = app.put(&format!("/api/audiences/{KEY}"), audience(QUERY)).await;
    let identify = json!({ "writeKey": "wk_website", "userId": "u1", "traits": { "email": "a@b.io" } });
    app.post_json("/v1/identify", &identify).await.expect(200);
    ordered(&app, "u1", 30 * DAY - 5000).await;
    ordered(&app, "never", 31 * DAY).await;

    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let agent = format!("stagepost/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(agent.as_str()));
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert_eq!(request.header("x-signature"), Some(sign("s3cr3t", &body).as_str()));
    let call = request.json();
    let times = ["timestamp", "originalTimestamp", "receivedAt"];
    for field in times {
        assert_eq!(call[field], "2026-11-21T10:00:00.000Z", "{field}");
    }
    assert_eq!(call["sentAt"], Value::Null);
    assert!(call["messageId"].as_str().unwrap().starts_with("personas_"));
    assert_eq!(
        (&call["type"], &call["version"], &call["userId"]),
        (&json!("identify"), &json!(1), &json!("u1"))
    );
    assert_eq!(call["traits"], json!({ KEY: true, "email": "a@b.io" }));
    let space = "spa_stagepost";
    let personas = json!({
        "computation_class": "audience", "computation_id": made["id"], "computation_key": KEY,
        "namespace": space, "space_id": space,
    });
    let library = json!({ "name": "unknown", "version": "unknown" });
    let context = json!({ "integrations": { "personas": false }, "library": library, "personas": personas });
    assert_eq!(call["context"], context);
    assert_eq!(call["integrations"], json!({ "All": false, "crm": true }));
    let mut all = keys(&call);
    all.retain(|key| !times[1..].contains(key));
    let wanted = [
        "type",
        "version",
        "userId",
        "messageId",
        "timestamp",
        "sentAt",
        "traits",
        "context",
        "integrations",
    ];
    assert_eq!(all, wanted);

    app.advance(4999).await;
    assert_eq!(told(&receiver).len(), 1, "not a millisecond early");
    app.advance(2).await;
    assert_eq!(told(&receiver), pairs(&[("u1", true), ("u1", false)]));
    app.advance(60 * DAY).await;
    assert_eq!(told(&receiver).len(), 2, "once, and nothing for who never was a member");
    assert_eq!(app.get("/api/users/u1").await["audiences"], json!({}));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_is_posted_or_put_is_shown_in_the_same_shape() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    let got = app.call("POST", "/api/audiences", Some(&audience(QUERY))).await.expect(201);
    app.rest().await;
    assert_eq!(got.json()["key"], KEY);
    let shown = app.get(&format!("/api/audiences/{KEY}")).await;
    for field in ["id", "key", "name", "query", "status", "size", "destinations", "createdAt", "updatedAt"] {
        assert!(shown.get(field).is_some(), "{field} in {shown}");
    }
    assert_eq!((&shown["name"], &shown["status"], &shown["size"]), (&json!(NAME), &json!("live"), &json!(0)));
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([shown]));
    let again = app.call("PUT", &format!("/api/audiences/{KEY}"), Some(&audience(QUERY))).await.expect(200);
    assert_eq!(again.json(), shown, "PUT is idempotent");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_defined_after_the_fact_tells_of_each_member_once() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    for user in ["u1", "u2", "u3"] {
        ordered(&app, user, DAY).await;
        ordered(&app, user, 2 * DAY).await;
    }
    ordered(&app, "old", 40 * DAY).await;
    let preview = app.call("POST", "/api/audiences/preview", Some(&json!({ "query": QUERY }))).await;
    let preview = preview.expect(200).json();
    assert_eq!(preview["count"], 3);
    assert!(preview["tookMs"].is_u64() && preview["sample"].as_array().unwrap().len() == 3, "{preview}");
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([]), "nothing was stored");

    let document = json!({ "audience": [audience(QUERY)] });
    app.apply(&document).await;
    let mut first = told(&receiver);
    first.sort();
    assert_eq!(first, pairs(&[("u1", true), ("u2", true), ("u3", true)]));

    let members = app.get(&format!("/api/audiences/{KEY}/members?limit=2")).await;
    let cursor = members["cursor"].as_str().expect("a further page");
    let rest = app.get(&format!("/api/audiences/{KEY}/members?limit=2&cursor={cursor}")).await;
    assert_eq!((members["members"].as_array().unwrap().len(), &rest["cursor"]), (2, &Value::Null));
    assert_eq!(keys(&rest["members"][0]), ["userId", "since"]);
    let csv = app.call("GET", &format!("/api/audiences/{KEY}/members.csv"), None).await.expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let text = csv.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "user_id,since"));

    let report = app.apply(&document).await;
    assert_eq!((&report["created"], &report["changed"]), (&json!([]), &json!([])));
    assert_eq!(told(&receiver).len(), 3, "the same again sends nothing");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_query_tells_only_the_differences() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    let path = format!("/api/audiences/{KEY}");
    app.put(&path, audience(QUERY)).await;
    ordered(&app, "one", DAY).await;
    ordered(&app, "two", DAY).await;
    ordered(&app, "two", 2 * DAY).await;
    assert_eq!(told(&receiver), pairs(&[("one", true), ("two", true)]));
    let before = app.get(&path).await;
    app.put(&path, audience(&QUERY.replace(">= 1", ">= 2"))).await;
    assert_eq!(told(&receiver)[2..], pairs(&[("one", false)]));
    app.put(&path, audience(QUERY)).await;
    assert_eq!(told(&receiver)[3..], pairs(&[("one", true)]));
    let after = app.get(&path).await;
    assert_eq!((&after["id"], &after["size"]), (&before["id"], &json!(2)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identify_and_track_may_both_be_emitted() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    let mut both = audience(QUERY);
    both["emit"] = json!(["identify", "track"]);
    app.put(&format!("/api/audiences/{KEY}"), both).await;
    ordered(&app, "u1", 30 * DAY - 1000).await;
    app.advance(2000).await;
    let calls: Vec<Value> = receiver.requests().iter().map(|request| request.json()).collect();
    let types: Vec<_> = calls.iter().map(|call| call["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["identify", "track", "identify", "track"]);
    for (call, event, member) in
        [(&calls[1], "Audience Entered", true), (&calls[3], "Audience Exited", false)]
    {
        assert_eq!(call["event"], event);
        assert_eq!(call["properties"], json!({ "audience_key": KEY, KEY: member }));
        assert_eq!(call.get("traits"), None);
    }
    let ids: std::collections::BTreeSet<_> = calls.iter().map(|call| call["messageId"].to_string()).collect();
    assert_eq!(ids.len(), 4, "each call has a name of its own");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_wrong_is_refused_with_its_place() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver).await;
    let wrong = "event('Order Completed').within(30 dyas).count() >= 1";
    let put = app.call("PUT", &format!("/api/audiences/{KEY}"), Some(&audience(wrong))).await.expect(400);
    assert_eq!(put.header("content-type"), "application/problem+json");
    assert_eq!(put.json()["errors"][0]["field"], "query");
    assert!(put.text().contains("line 1, column 36"), "{}", put.text());
    let preview =
        app.call("POST", "/api/audiences/preview", Some(&json!({ "query": wrong }))).await.expect(400);
    assert_eq!(preview.code(), "invalid_query");
    assert!(preview.text().contains("line 1, column 36"), "{}", preview.text());
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([]));
    app.finish().await;
}
