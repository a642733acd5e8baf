//! What becomes of what waits: superseded, expired, paused with its destination, put back as work that goes on by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use stagepost::domain::figures::{Family, Grain};
use stagepost::domain::time::Timestamp;

use crate::app::{OPERATOR, Setup, TestApp, app};
use crate::http::column;
use crate::support::receiver::{Receiver, Reply, Request};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A receiver that answers with the status set last.
fn moody(status: u16) -> (Receiver, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(status));
    let read = Arc::clone(&mood);
    (Receiver::start(move |_, _| Reply::Status(read.load(Ordering::SeqCst))), mood)
}

/// `hot` are those who bought within the hour; `crm`, with `settings` beside its URL, is told of them.
fn definitions(receiver: &Receiver, settings: Value) -> Value {
    let mut destination =
        json!({ "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }] });
    for (key, value) in settings.as_object().expect("a table") {
        destination[key] = value.clone();
    }
    json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [destination],
        "audience": [{
            "name": "Hot", "query": "event('Bought').within(1 hour).count() >= 1", "destinations": ["crm"],
        }],
    })
}

async fn shop(receiver: &Receiver, settings: Value) -> TestApp {
    let app = app().await;
    app.apply(&definitions(receiver, settings)).await;
    app
}

async fn bought(app: &TestApp, user: &str) {
    let body = json!({ "writeKey": "wk_website", "userId": user, "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
}

/// The deliveries of `crm`, oldest first, whole.
async fn all(app: &TestApp) -> Vec<Value> {
    let list = app.get("/api/deliveries?destination=crm").await;
    let mut ids = column(&list["deliveries"], "id");
    ids.reverse();
    let mut found = Vec::new();
    for id in ids {
        found.push(app.get(&format!("/api/deliveries/{id}")).await);
    }
    found
}

fn hot(request: &Request) -> (String, bool) {
    let call = request.json();
    (call["userId"].as_str().expect("an id").to_owned(), call["traits"]["hot"].as_bool().expect("a truth"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_call_takes_the_place_of_one_that_was_not_delivered() {
    let (receiver, mood) = moody(503);
    let app = shop(&receiver, json!({ "coalesce": true, "pause_after": "never" })).await;
    bought(&app, "u1").await;
    bought(&app, "u2").await;
    app.advance(HOUR + 1).await;
    let made = all(&app).await;
    let of = |user: &str| made.iter().filter(|it| it["userId"] == user).collect::<Vec<_>>();
    let [entered, left] = of("u1")[..] else { panic!("{made:#?}") };
    assert_eq!((&entered["status"], &left["status"]), (&json!("superseded"), &json!("pending")));
    assert_eq!(entered["supersededBy"], left["id"]);
    assert_eq!(entered["reason"], format!("a newer call took its place: {}", left["id"].as_str().unwrap()));
    assert!(!entered["attempts"].as_array().unwrap().is_empty(), "its attempts stay on record");
    mood.store(200, Ordering::SeqCst);
    app.advance(HOUR / 3).await;
    let taken: Vec<_> = receiver.requests().iter().rev().take(2).map(|request| hot(request)).collect();
    assert!(taken.contains(&("u1".into(), false)) && taken.contains(&("u2".into(), false)), "{taken:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_too_long_expires() {
    let (receiver, _) = moody(200);
    let app = shop(&receiver, json!({ "expire_after": "30m" })).await;
    app.call("POST", "/api/destinations/crm/pause", None).await.expect(200);
    bought(&app, "u1").await;
    app.advance(10 * MINUTE).await;
    bought(&app, "u2").await;
    app.advance(20 * MINUTE).await;
    app.advance(1000).await;
    let statuses: Vec<Value> = all(&app).await.iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, ["dead", "pending"]);
    let (from, to) = (Timestamp::default(), Timestamp::from_millis(i64::MAX));
    let counted =
        app.engine().figures(Family::Attempted, "crm", Grain::Day, from, to).await.expect("figures");
    let counted: Vec<_> = counted.iter().map(|point| (point.detail.as_str(), point.count)).collect();
    assert_eq!(counted, [("dead", 1)], "charts know of it though nothing was tried");
    let dead = app.get("/api/deliveries?status=dead&q=expire_after").await;
    assert_eq!(column(&dead["deliveries"], "userId"), ["u1"]);
    let queue = app.get("/api/destinations/crm").await["queue"].clone();
    assert_eq!((&queue["dead"], &queue["pending"]), (&json!(1), &json!(1)));
    app.call("POST", "/api/destinations/crm/resume", None).await.expect(200);
    app.rest().await;
    assert_eq!(receiver.requests().len(), 1);
    // Put back, it has its time again.
    let replay = app.call("POST", "/api/destinations/crm/replay", None).await.expect(202).json();
    assert_eq!(replay["replayed"], 1);
    app.rest().await;
    assert_eq!(receiver.requests().len(), 2);
    assert!(receiver.requests()[1].header("x-stagepost-replay").is_some(), "it says that it is a replay");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_only_fails_is_paused_probed_and_resumes_by_itself() {
    let (receiver, mood) = moody(503);
    let mut app = Setup::new().on_disk().start().await;
    let settings = json!({ "pause_after": "1m", "probe_every": "5m" });
    let mut document = definitions(&receiver, settings);
    document["audience"][0]["query"] = "event('Bought').count() >= 1".into();
    app.apply(&document).await;
    assert_eq!(app.get("/api/destinations/crm").await["health"]["state"], "healthy");
    for user in 0..5 {
        bought(&app, &format!("u{user}")).await;
    }
    let failing = app.get("/api/destinations/crm").await["health"].clone();
    assert_eq!(
        (&failing["state"], &failing["failingSince"]),
        (&json!("failing"), &json!("2026-11-21T10:00:00.000Z"))
    );
    app.advance(MINUTE).await;
    let paused = app.get("/api/destinations/crm").await["health"].clone();
    assert_eq!((&paused["state"], &paused["pausedBy"]), (&json!("paused"), &json!("failures")), "{paused}");
    assert_eq!(paused["probeAt"], "2026-11-21T10:06:00.000Z");
    let tried = receiver.requests().len();

    bought(&app, "u9").await;
    app.restart().await;
    app.advance(4 * MINUTE + 59_999).await;
    assert_eq!(receiver.requests().len(), tried, "its queue waits, after a restart too");
    app.advance(1).await;
    assert_eq!(receiver.requests().len(), tried + 1, "one probe");
    for _ in 0..60 {
        app.advance(5 * MINUTE).await;
    }
    assert_eq!(receiver.requests().len(), tried + 61);
    let waiting = app.get("/api/deliveries?status=pending").await["deliveries"].clone();
    assert_eq!(waiting.as_array().unwrap().len(), 6, "five hours later nothing is given up");

    mood.store(200, Ordering::SeqCst);
    app.advance(5 * MINUTE).await;
    app.advance(20 * MINUTE).await;
    let taken = receiver.requests()[tried + 61..]
        .iter()
        .map(|request| hot(request).0)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(taken.len(), 6, "all went once one had got through: {taken:?}");
    assert_eq!(app.get("/api/destinations/crm").await["health"]["state"], "healthy");

    let mails = app.mails();
    let with = |words: &str| mails.iter().filter(|(_, mail)| mail.contains(words)).count();
    assert_eq!((mails.len(), with(&format!("To: {OPERATOR}"))), (2, 2));
    assert_eq!(with("Subject: Destination crm is paused: nothing but failures for 60 seconds"), 1);
    assert_eq!(with("Subject: Destination crm takes calls again"), 1);
    assert_eq!(with("answered 503"), 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_paused_a_person_resumes() {
    let (receiver, _) = moody(200);
    let app = shop(&receiver, json!({})).await;
    let word = json!({ "by": "ann", "reason": "their maintenance" });
    let paused = app.call("POST", "/api/destinations/crm/pause", Some(&word)).await.expect(200).json();
    assert_eq!((&paused["state"], &paused["pausedBy"]), (&json!("paused"), &json!("ann")));
    bought(&app, "u1").await;
    app.advance(30 * MINUTE).await;
    assert!(receiver.requests().is_empty());
    let shown = app.get("/api/destinations/crm").await;
    assert_eq!(shown["health"]["pauseReason"], "their maintenance");
    let metrics = app.call("GET", "/metrics", None).await.expect(200).text();
    assert!(
        metrics.contains("stagepost_destination_state{destination=\"crm\",state=\"paused\"} 1"),
        "{metrics}"
    );
    // What was got can be put back, and changes nothing.
    app.put("/api/destinations/crm", shown).await;
    assert!(receiver.requests().is_empty());
    let resumed = app.call("POST", "/api/destinations/crm/resume", None).await.expect(200).json();
    assert_eq!(resumed["state"], "healthy");
    app.rest().await;
    assert_eq!(receiver.requests().len(), 1);
    for path in ["pause", "resume"] {
        let path = format!("/api/destinations/none/{path}");
        assert_eq!(app.call("POST", &path, None).await.status, 404);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_destination_that_is_put_right_is_tried_at_once() {
    let (broken, _) = moody(500);
    let (receiver, _) = moody(200);
    let app = shop(&broken, json!({ "pause_after": "1m", "probe_every": "1d" })).await;
    for user in 0..4 {
        bought(&app, &format!("u{user}")).await;
    }
    app.advance(MINUTE).await;
    assert_eq!(app.get("/api/destinations/crm").await["health"]["state"], "paused");
    app.apply(&definitions(&receiver, json!({ "pause_after": "1m", "probe_every": "1d" }))).await;
    app.rest().await;
    app.advance(MINUTE).await;
    assert_eq!(receiver.requests().len(), 4);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_by_what_is_known_of_them_and_put_back_by_it() {
    let receiver = Receiver::start(|request, n| match (hot(request).0.as_str(), n) {
        ("u1", 0..3) => Reply::Status(401),
        (_, 0..3) => Reply::Status(422),
        _ => Reply::Status(200),
    });
    let app = shop(&receiver, json!({})).await;
    for user in ["u1", "u2", "u3"] {
        bought(&app, user).await;
        app.advance(1000).await;
    }
    let find = async |query: &str| {
        let list = app.get(&format!("/api/deliveries?status=failed&{query}")).await;
        column(&list["deliveries"], "userId")
    };
    assert_eq!(find("httpStatus=422").await, ["u3", "u2"]);
    assert_eq!(find("q=Answered%20401").await, ["u1"]);
    assert_eq!(find("until=2026-11-21T10:00:01.000Z").await, ["u1"]);
    assert_eq!(find("since=2026-11-21T10:00:01.000Z&userId=u2").await, ["u2"]);
    for (path, body) in
        [("/api/replays?status=failed", None), ("/api/replays?q=x", Some(json!({ "destination": "crm" })))]
    {
        app.call("POST", path, body.as_ref()).await.expect(400);
    }
    let path = "/api/replays?status=failed&destination=crm&httpStatus=422&since=2026-11-21T10:00:02.000Z";
    let begun = app.call("POST", path, None).await.expect(202);
    let place = begun.header("location").to_owned();
    let replay = begun.json();
    assert_eq!(
        (&replay["status"], &replay["replayed"], &replay["total"]),
        (&json!("done"), &json!(1), &json!(3))
    );
    assert_eq!(app.get(&place).await, replay);
    assert_eq!(app.get("/api/replays").await["replays"][0], replay);
    app.rest().await;
    assert_eq!(find("limit=9").await, ["u2", "u1"]);
    for (path, field) in
        [("status=pending", "status"), ("httpStatus=99", "httpStatus"), ("since=now", "since")]
    {
        let got = app.call("POST", &format!("/api/replays?q=x&{path}"), None).await.expect(400).json();
        assert_eq!(got["errors"][0]["field"], field);
    }
    assert_eq!(app.call("GET", "/api/replays/rpl_x", None).await.status, 404);
    assert_eq!(app.call("POST", "/api/replays/rpl_x/cancel", None).await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_notice_has_its_three_keys_and_comes_behind_what_went_before() {
    let (receiver, _) = moody(200);
    let app = shop(&receiver, json!({ "shared_secret": "s3cr3t" })).await;
    app.call("POST", "/api/destinations/crm/pause", None).await.expect(200);
    bought(&app, "u1").await;
    let made = app.call("POST", "/api/users/u1/delete-notice", None).await.expect(202).json();
    assert_eq!(made["deliveries"].as_array().unwrap().len(), 1);
    app.call("POST", "/api/destinations/crm/resume", None).await.expect(200);
    app.rest().await;
    app.rest().await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    let text = String::from_utf8(requests[1].body.clone()).unwrap();
    assert_eq!(text, r#"{"type":"delete","userId":"u1","timestamp":"2026-11-21T10:00:00.000Z"}"#);
    assert!(requests[1].header("x-signature").is_some());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_notice_goes_behind_what_waits_under_the_id_that_somebody_came_to_have() {
    let failures = AtomicU16::new(0);
    let receiver = Receiver::start(move |_, _| {
        Reply::Status(if failures.fetch_add(1, Ordering::SeqCst) < 2 { 503 } else { 200 })
    });
    let app = shop(&receiver, json!({ "events": "all" })).await;
    let alias = json!({ "writeKey": "wk_website", "userId": "u1", "previousId": "u2" });
    app.post_json("/v1/alias", &alias).await.expect(200);
    app.rest().await;
    bought(&app, "u2").await;
    app.call("POST", "/api/users/u2/delete-notice", None).await.expect(202);
    for _ in 0..4 {
        app.advance(MINUTE).await;
    }
    let types: Vec<Value> =
        receiver.requests().iter().map(|request| request.json()["type"].clone()).collect();
    assert_eq!(types.last(), Some(&json!("delete")), "{types:?}");
    assert!(types.contains(&json!("track")), "{types:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_receiver_can_t_use_hold_no_other_up() {
    let receiver = Receiver::start(|request, _| {
        let is_bad = hot(request).0.starts_with("bad");
        Reply::Status(if is_bad { 422 } else { 200 })
    });
    let app = shop(&receiver, json!({ "pause_after": "1s" })).await;
    for number in 0..40 {
        bought(&app, &format!("bad{number}")).await;
    }
    app.advance(2000).await;
    bought(&app, "good").await;
    assert_eq!(hot(receiver.requests().last().expect("a request")), ("good".to_owned(), true));
    assert_eq!(app.get("/api/destinations/crm").await["health"]["state"], "healthy");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_costs_a_paused_destination_no_call() {
    let (receiver, mood) = moody(401);
    let app = shop(&receiver, json!({ "pause_after": "1s", "probe_every": "5s" })).await;
    for number in 0..4 {
        bought(&app, &format!("u{number}")).await;
    }
    app.advance(1000).await;
    bought(&app, "u4").await;
    assert_eq!(app.get("/api/destinations/crm").await["health"]["state"], "paused");
    for number in 5..8 {
        bought(&app, &format!("u{number}")).await;
    }
    for _ in 0..20 {
        app.advance(5000).await;
    }
    let queue = app.get("/api/destinations/crm").await["queue"].clone();
    assert_eq!((&queue["failed"], &queue["pending"]), (&json!(5), &json!(3)), "probes cost none");
    mood.store(200, Ordering::SeqCst);
    for _ in 0..10 {
        app.advance(5 * MINUTE).await;
    }
    let replay = "/api/destinations/crm/replay?status=failed";
    assert_eq!(app.call("POST", replay, None).await.expect(202).json()["replayed"], 5);
    app.rest().await;
    let queue = app.get("/api/destinations/crm").await["queue"].clone();
    assert_eq!((&queue["failed"], &queue["pending"]), (&json!(0), &json!(0)));
    app.finish().await;
}
