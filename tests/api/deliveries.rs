//! What leaves: tried again, given up, put back, in each user's order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use serde_json::{Value, json};

use stagepost::domain::time::Timestamp;

use crate::app::{PATIENCE, Setup, TestApp, app};
use crate::http::column;
use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::wait::eventually;

const HOUR: i64 = 3_600_000;

/// A receiver that answers with the status set last.
fn moody(status: u16) -> (Receiver, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(status));
    let read = Arc::clone(&mood);
    (Receiver::start(move |_, _| Reply::Status(read.load(Ordering::SeqCst))), mood)
}

/// `hot` are those who bought within the hour; `crm` is told of them at `urls`.
fn definitions(urls: &[String]) -> Value {
    let urls: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
    json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{ "key": "crm", "kind": "webhook", "urls": urls, "shared_secret": "s3cr3t" }],
        "audience": [{
            "name": "Hot", "query": "event('Bought').within(1 hour).count() >= 1", "destinations": ["crm"],
        }],
    })
}

async fn shop(receiver: &Receiver) -> TestApp {
    let app = app().await;
    app.apply(&definitions(&[receiver.url("/hook")])).await;
    app
}

async fn bought(app: &TestApp, user: &str) {
    let body = json!({ "writeKey": "wk_website", "userId": user, "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
}

/// The newest delivery of `user`, whole.
async fn newest(app: &TestApp, user: &str) -> Value {
    let list = app.get(&format!("/api/deliveries?userId={user}&limit=1")).await;
    app.get(&format!("/api/deliveries/{}", list["deliveries"][0]["id"].as_str().expect("an id"))).await
}

fn at(value: &Value) -> i64 {
    Timestamp::parse_lenient(value.as_str().expect("a time")).expect("a time").millis()
}

fn hot(request: &Request) -> (String, bool) {
    let call = request.json();
    (call["userId"].as_str().expect("a value").to_owned(), call["traits"]["hot"].as_bool().expect("a value"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_stays_down_ends_in_a_dead_letter_that_can_be_replayed() {
    let (receiver, mood) = moody(500);
    let app = app().await;
    let mut document = definitions(&[receiver.url("/hook")]);
    // Wide enough that nothing changes by itself meanwhile.
    document["audience"][0]["query"] = "event('Bought').within(30 days).count() >= 1".into();
    document["destination"][0]["pause_after"] = "never".into();
    app.apply(&document).await;
    bought(&app, "u1").await;
    let first = newest(&app, "u1").await;
    assert_eq!((&first["status"], &first["tries"]), (&json!("pending"), &json!(1)));
    assert_eq!(first["attempts"][0]["httpStatus"], 500);
    assert_eq!(first["attempts"][0]["responseSnippet"], "{}");
    let wait = at(&first["nextAttemptAt"]) - app.now().millis();
    assert!((5000..=10_000).contains(&wait), "{wait} ms");

    app.advance(wait - 1).await;
    assert_eq!(receiver.requests().len(), 1, "not before its time");
    let mut tries = 1;
    let mut delivery = first.clone();
    while delivery["status"] == "pending" {
        app.advance_to(delivery["nextAttemptAt"].as_str().unwrap()).await;
        delivery = newest(&app, "u1").await;
        tries += 1;
        assert_eq!(receiver.requests().len(), tries);
    }
    assert_eq!((&delivery["status"], &delivery["tries"]), (&json!("dead"), &json!(tries)));
    let lasted = app.now().millis() - at(&delivery["createdAt"]);
    assert!((3 * HOUR..=4 * HOUR).contains(&lasted) && (10..60).contains(&tries), "{tries} in {lasted} ms");
    app.advance(5 * HOUR).await;
    assert_eq!(receiver.requests().len(), tries, "a dead letter is left alone");
    let dead = app.get("/api/deliveries?status=dead&destination=crm").await;
    assert_eq!(column(&dead["deliveries"], "id"), [delivery["id"].as_str().unwrap()]);

    mood.store(200, Ordering::SeqCst);
    let path = format!("/api/deliveries/{}/replay", delivery["id"].as_str().unwrap());
    assert_eq!(app.call("POST", &path, None).await.expect(202).json(), json!({ "replayed": 1 }));
    app.rest().await;
    let after = newest(&app, "u1").await;
    assert_eq!((&after["status"], &after["id"]), (&json!("delivered"), &first["id"]));
    assert_eq!(after["messageId"], first["messageId"]);
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request.body == requests[0].body), "the same bytes each time");
    assert_eq!(requests[0].json()["messageId"], first["messageId"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_of_a_destination_are_replayed_at_once() {
    let (receiver, mood) = moody(400);
    let app = shop(&receiver).await;
    for user in ["u1", "u2", "u3"] {
        bought(&app, user).await;
    }
    let path = "/api/destinations/crm/replay";
    assert_eq!(app.call("POST", path, None).await.expect(202).json()["replayed"], 0, "none is dead");
    mood.store(204, Ordering::SeqCst);
    let failed = app.call("POST", &format!("{path}?status=failed"), None).await.expect(202);
    assert_eq!(failed.json()["replayed"], 3);
    app.rest().await;
    let delivered = app.get("/api/deliveries?status=delivered").await["deliveries"].clone();
    assert_eq!(delivered.as_array().unwrap().len(), 3);
    assert_eq!(app.call("POST", "/api/destinations/none/replay", None).await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final() {
    let (receiver, _) = moody(400);
    let app = shop(&receiver).await;
    bought(&app, "u1").await;
    let delivery = newest(&app, "u1").await;
    assert_eq!((&delivery["status"], &delivery["tries"]), (&json!("failed"), &json!(1)));
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["httpStatus"]), (&json!("failed"), &json!(400)));
    for field in ["at", "durationMs", "responseSnippet", "error"] {
        assert!(!attempt[field].is_null(), "{field} in {attempt}");
    }
    app.advance(HOUR / 2).await;
    assert_eq!(receiver.requests().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_kept() {
    let receiver =
        Receiver::start(|_, n| if n == 0 { Reply::RetryAfter(429, 120) } else { Reply::Status(200) });
    let app = shop(&receiver).await;
    bought(&app, "u1").await;
    let delivery = newest(&app, "u1").await;
    assert_eq!(delivery["nextAttemptAt"], "2026-11-21T10:02:00.000Z");
    app.advance(119_999).await;
    assert_eq!(receiver.requests().len(), 1);
    app.advance(1).await;
    assert_eq!(newest(&app, "u1").await["status"], "delivered");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_calls_keep_their_order_while_others_go_on() {
    let failures = AtomicU32::new(0);
    let receiver = Receiver::start(move |request, _| {
        let slow = hot(request).0 == "slow" && failures.fetch_add(1, Ordering::SeqCst) < 4;
        Reply::Status(if slow { 503 } else { 200 })
    });
    let app = shop(&receiver).await;
    bought(&app, "slow").await;
    bought(&app, "quick").await;
    assert_eq!(newest(&app, "slow").await["status"], "pending");
    assert_eq!(newest(&app, "quick").await["status"], "delivered", "others do not wait");
    app.advance(HOUR + 1).await;
    let pending = app.get("/api/deliveries?status=pending&userId=slow").await["deliveries"].clone();
    assert_eq!(pending.as_array().unwrap().len(), 2, "false waits behind true: {pending}");
    for _ in 0..4 {
        app.advance(20 * 60_000).await;
    }
    let taken: Vec<bool> = receiver
        .requests()
        .iter()
        .map(|request| hot(request))
        .filter(|it| it.0 == "slow")
        .map(|it| it.1)
        .collect();
    let mut wanted = vec![true; 5];
    wanted.push(false);
    assert_eq!(taken, wanted);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_urls_one_that_takes_it_is_enough() {
    let (good, _) = moody(200);
    let (bad, _) = moody(500);
    let app = app().await;
    app.apply(&definitions(&[bad.url("/a"), good.url("/b")])).await;
    bought(&app, "u1").await;
    assert_eq!(newest(&app, "u1").await["status"], "delivered");
    app.advance(60_000).await;
    assert_eq!((good.requests().len(), bad.requests().len()), (1, 1));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_sent_at_once_and_not_kept() {
    let (receiver, mood) = moody(200);
    let app = shop(&receiver).await;
    let test = async || app.call("POST", "/api/destinations/crm/test", None).await.expect(200).json();
    let got = test().await;
    assert_eq!((&got["status"], &got["httpStatus"]), (&json!("delivered"), &json!(200)));
    assert!(receiver.requests()[0].header("x-signature").is_some());
    mood.store(404, Ordering::SeqCst);
    let got = test().await;
    assert_eq!((&got["status"], &got["httpStatus"]), (&json!("failed"), &json!(404)));
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(app.get("/api/deliveries").await["deliveries"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_filtered_and_paged() {
    let receiver =
        Receiver::start(|request, _| Reply::Status(if hot(request).0 == "u3" { 400 } else { 200 }));
    let app = shop(&receiver).await;
    for n in 0..5 {
        bought(&app, &format!("u{n}")).await;
        app.advance(10).await;
    }
    let users = async |query: &str| {
        column(&app.get(&format!("/api/deliveries{query}")).await["deliveries"], "userId")
    };
    assert_eq!(users("").await, ["u4", "u3", "u2", "u1", "u0"]);
    assert_eq!(users("?status=failed").await, ["u3"]);
    assert_eq!(users("?status=delivered&destination=crm").await, ["u4", "u2", "u1", "u0"]);
    for status in ["pending", "dead", "ambiguous", "superseded"] {
        assert_eq!(users(&format!("?status={status}")).await, [""; 0]);
    }
    assert_eq!(users("?userId=u1").await, ["u1"]);
    assert_eq!(users("?destination=email").await, [""; 0]);
    let (mut seen, mut path) = (Vec::new(), "/api/deliveries?limit=2".to_owned());
    loop {
        let page = app.get(&path).await;
        let rows = column(&page["deliveries"], "userId");
        assert!(rows.len() <= 2);
        seen.extend(rows);
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/api/deliveries?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["u4", "u3", "u2", "u1", "u0"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_next_attempt_survives_a_restart() {
    let (receiver, _) = moody(500);
    let mut app = Setup::new().on_disk().start().await;
    app.allow_pending();
    app.apply(&definitions(&[receiver.url("/hook")])).await;
    bought(&app, "u1").await;
    let before = newest(&app, "u1").await;
    app.restart().await;
    assert_eq!(newest(&app, "u1").await, before);
    app.advance_to(before["nextAttemptAt"].as_str().unwrap()).await;
    let after = newest(&app, "u1").await;
    assert_eq!((&after["id"], &after["tries"]), (&before["id"], &json!(2)));
    let requests = receiver.requests();
    assert_eq!(requests[0].body, requests[1].body);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_destination_that_is_removed_is_superseded() {
    let (receiver, _) = moody(500);
    let app = shop(&receiver).await;
    bought(&app, "u1").await;
    app.call("DELETE", "/api/audiences/hot", None).await.expect(204);
    app.call("DELETE", "/api/destinations/crm", None).await.expect(204);
    eventually("it is superseded", PATIENCE, async || {
        app.rest().await;
        (newest(&app, "u1").await["status"] == "superseded").then_some(())
    })
    .await;
    app.advance(HOUR / 2).await;
    assert_eq!(receiver.requests().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn source_events_go_to_destinations_that_want_them() {
    let receiver = Receiver::taking_all();
    let app = app().await;
    let mut document = definitions(&[receiver.url("/hook")]);
    document["destination"][0]["events"] = "all".into();
    document["audience"] = json!([]);
    app.apply(&document).await;
    bought(&app, "u1").await;
    let body = json!({
        "writeKey": "wk_website", "userId": "u2", "event": "Bought", "integrations": { "crm": false },
    });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1, "the sender of the second one said no");
    let call = requests[0].json();
    assert_eq!(
        (&call["type"], &call["event"], &call["userId"]),
        (&json!("track"), &json!("Bought"), &json!("u1"))
    );
    assert_eq!(call.get("writeKey"), None);
    app.finish().await;
}
