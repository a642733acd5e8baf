//! Ladders as people meet them: hours, snoozes, every channel's delivery, receipts, digests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};
use stagepost::domain::delivery::{EMAIL, Receipt};
use stagepost::domain::figures::{Family, Grain};
use stagepost::domain::time::Timestamp;
use stagepost::engine::By;

use crate::app::{TestApp, app};
use crate::http::column;
use crate::studio::{FLOW, definitions, post_stage};
use crate::support::receiver::{Receiver, Reply};

const MINUTE: i64 = 60_000;

fn mail(to: &str) -> Value {
    json!({ "channel": "email", "to": [to], "template": "no_reply" })
}

fn level(after: &str, more: Value) -> Value {
    let mut level = json!({ "stage": "no_reply", "after": after });
    for (key, value) in more.as_object().expect("a table") {
        level[key] = value.clone();
    }
    level
}

/// An app whose flow has these levels, and what else is in `more`.
async fn with(levels: Value, more: Value) -> TestApp {
    let app = app().await;
    let mut document = definitions();
    document["flow"][0]["escalation"] = levels;
    for (key, value) in more.as_object().expect("tables") {
        match key.as_str() {
            "flow" => {
                for (key, value) in value.as_object().expect("a table") {
                    document["flow"][0][key] = value.clone();
                }
            }
            key => document[key] = value.clone(),
        }
    }
    app.apply(&document).await;
    app
}

async fn journey(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/journeys/{id}")).await
}

/// What its levels did: level, how often before, channel.
fn fired(journey: &Value) -> Vec<(u64, u64, String)> {
    let rows = journey["escalations"].as_array().expect("a list");
    let number = |row: &Value, key: &str| row[key].as_u64().expect("a number");
    rows.iter()
        .map(|row| {
            (number(row, "level"), number(row, "again"), row["channel"].as_str().unwrap_or("-").to_owned())
        })
        .collect()
}

fn by(who: &str) -> By {
    By { who: who.to_owned(), reason: String::new(), via: "mail" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snoozed_journey_is_told_of_again_later() {
    let app = with(
        json!([level("30m", mail("ops@example.com")), level("1h", mail("boss@example.com"))]),
        json!({}),
    )
    .await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let path = format!("/api/journeys/{id}/snooze");
    let shown = app.call("POST", &path, Some(&json!({ "for": "2h", "by": "ada", "reason": "lunch" }))).await;
    let shown = shown.expect(200).json();
    assert_eq!(
        shown["snoozes"],
        json!([{
            "stage": "no_reply", "stageAt": "2026-11-21T10:00:00.000Z", "until": "2026-11-21T12:30:00.000Z",
            "by": "ada", "reason": "lunch", "at": "2026-11-21T10:30:00.000Z", "via": "api",
        }])
    );
    app.advance(120 * MINUTE - 1).await;
    assert_eq!(app.mails().len(), 1);
    app.advance(1).await;
    assert_eq!(app.mails().len(), 2, "the reminder");
    app.advance(30 * MINUTE).await;
    let told = fired(&journey(&app, &id).await);
    let mail = |level, again| (level, again, "email".to_owned());
    assert_eq!(told, [mail(1, 0), mail(1, 1), mail(2, 0)]);

    for wrong in [
        json!({}),
        json!({ "for": "1h", "until": "2026-11-22T09:00:00Z" }),
        json!({ "for": "soon" }),
        json!({ "for": "31d" }),
        json!({ "until": "2026-11-21T09:00:00Z" }),
        json!({ "until": "tomorrow" }),
    ] {
        assert_eq!(app.call("POST", &path, Some(&wrong)).await.expect(400).code(), "invalid_body", "{wrong}");
    }
    let late = app.call("POST", &path, Some(&json!({ "for": "30d" }))).await.expect(409);
    assert!(late.text().contains("given up"), "{}", late.text());
    app.call("POST", &format!("/api/journeys/{id}/acknowledge"), None).await.expect(200);
    let shown = journey(&app, &id).await;
    assert_eq!((&shown["acknowledged"]["by"], &shown["acknowledged"]["via"]), (&json!("api"), &json!("api")));
    assert_eq!(shown["acknowledgements"][0]["stage"], "no_reply");
    app.call("POST", &path, Some(&json!({ "for": "1h" }))).await.expect(409);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_says_what_its_ladder_does_next() {
    let team = json!([{
        "key": "ops", "time_zone": "Europe/Brussels",
        "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }],
    }]);
    let at_once = json!({ "actions": [mail("ops@example.com"), mail("boss@example.com")], "after_hours": [mail("duty@example.com")] });
    let app = with(
        json!([level("1h", mail("ops@example.com")), level("30m", at_once)]),
        json!({ "team": team, "flow": { "team": "ops", "expire_after": "3h" } }),
    )
    .await;
    let next = |journey: &Value| (journey["nextLevel"].clone(), journey["expiresAt"].clone());
    // It is a Saturday.
    let id = post_stage(&app, "u1", "no_reply").await;
    let first = json!({ "level": 1, "again": 0, "at": "2026-11-21T10:30:00.000Z", "channels": ["email"] });
    assert_eq!(next(&journey(&app, &id).await), (first, json!("2026-11-21T13:00:00.000Z")));
    app.advance(30 * MINUTE).await;
    // The second waits for Monday, and so does the end.
    let second = json!({ "level": 2, "again": 0, "at": "2026-11-23T07:00:00.000Z", "channels": ["email"] });
    assert_eq!(next(&journey(&app, &id).await), (second, json!("2026-11-23T09:00:00.000Z")));
    let path = format!("/api/journeys/{id}/acknowledge");
    let acknowledged = app.call("POST", &path, None).await.expect(200).json();
    assert_eq!((&acknowledged["nextLevel"], &acknowledged["status"]), (&Value::Null, &json!("stalled")));
    post_stage(&app, "u1", "confirmed").await;
    assert_eq!(next(&journey(&app, &id).await), (Value::Null, Value::Null));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_that_would_come_after_the_end_is_not_announced() {
    let mut often = mail("ops@example.com");
    often["repeat"] = json!({ "every": "2h", "times": 9 });
    let app = with(json!([level("1h", often)]), json!({ "flow": { "expire_after": "4h" } })).await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(60 * MINUTE).await;
    assert_eq!(journey(&app, &id).await["nextLevel"]["at"], "2026-11-21T13:00:00.000Z");
    app.advance(120 * MINUTE).await;
    let shown = journey(&app, &id).await;
    let wanted = (Value::Null, json!("2026-11-21T14:00:00.000Z"));
    assert_eq!((shown["nextLevel"].clone(), shown["expiresAt"].clone()), wanted);
    app.advance(60 * MINUTE).await;
    assert_eq!((journey(&app, &id).await["status"].clone(), app.mails().len()), (json!("expired"), 2));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_hours_a_level_waits_for_the_opening() {
    let team = json!([{
        "key": "ops", "time_zone": "Europe/Brussels",
        "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }],
    }]);
    let app = with(
        json!([level("30m", mail("ops@example.com")), level("1h", mail("boss@example.com"))]),
        json!({ "team": team, "flow": { "team": "ops" } }),
    )
    .await;
    // A Saturday.
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance_to("2026-11-23T06:59:59.999Z").await;
    assert!(app.mails().is_empty());
    app.advance(1).await;
    app.advance(30 * MINUTE).await;
    let shown = journey(&app, &id).await;
    assert_eq!(column(&shown["escalations"], "at"), ["2026-11-23T07:00:00.000Z", "2026-11-23T07:30:00.000Z"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_opens_earlier_is_told_earlier() {
    let team = |from: &str| {
        json!([{
            "key": "ops", "time_zone": "Europe/Brussels",
            "hours": [{ "days": "mon-fri", "from": from, "until": "18:00" }],
        }])
    };
    let more = |from: &str| json!({ "team": team(from), "flow": { "team": "ops" } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), more("12:00")).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance_to("2026-11-23T06:30:00.000Z").await;
    app.apply(&json!({ "team": team("07:00") })).await;
    app.advance(1000).await;
    assert_eq!(app.mails().len(), 1, "its journeys were looked at anew");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_whatever_else_it_wants_to_hear() {
    let receiver = Receiver::taking_all();
    let crm = json!([{
        "key": "crm", "kind": "webhook", "events": "none", "urls": [{ "url": receiver.url("/hook") }],
    }]);
    let actions = json!({ "actions": [mail("ops@example.com"), { "channel": "webhook", "to": ["crm"] }] });
    let app = with(json!([level("30m", actions)]), json!({ "destination": crm })).await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let call = requests[0].json();
    let field = |name: &str| call["properties"][name].clone();
    assert_eq!(
        (&call["type"], &call["event"], &call["userId"]),
        (&json!("track"), &json!("Journey Stalled"), &json!("u1"))
    );
    assert_eq!(
        (field("journeyId"), field("stage"), field("level"), field("levels"), field("phoneNumber")),
        (json!(id), json!("no_reply"), json!(1), json!(1), json!("+14155550100"))
    );
    assert_eq!(field("summary"), format!("u1 has been in no_reply of {FLOW} for 30 minutes."));
    assert_eq!(app.mails().len(), 1);
    let shown = journey(&app, &id).await;
    assert_eq!(column(&shown["escalations"], "channel"), ["email", "webhook"]);
    assert_eq!(column(&shown["escalations"], "status"), ["delivered", "delivered"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_address_is_passed_over_for_the_next_level() {
    let app = with(
        json!([level("30m", mail("{{ user.email }}")), level("1d", mail("ops@example.com"))]),
        json!({ "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ] }),
    )
    .await;
    let known =
        json!({ "writeKey": "wk_website", "userId": "known", "traits": { "email": "known@example.com" } });
    app.post_json("/v1/identify", &known).await.expect(200);
    let known = post_stage(&app, "known", "no_reply").await;
    let unknown = post_stage(&app, "unknown", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let shown = journey(&app, &known).await;
    assert_eq!(column(&shown["escalations"], "status"), ["delivered"]);
    let shown = journey(&app, &unknown).await;
    assert_eq!(column(&shown["escalations"], "status"), ["failed", "delivered"]);
    assert_eq!(
        shown["escalations"][0]["receipt"],
        json!({ "status": "failed", "reached": false, "at": "2026-11-21T10:30:00.000Z" })
    );
    let failed = app.get("/api/deliveries?status=failed").await;
    let reason = failed["deliveries"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("nobody to reach") && reason.contains("user.email"), "{failed}");
    let (from, to) = (Timestamp::default(), app.now());
    let counted =
        app.engine().figures(Family::Attempted, EMAIL, Grain::Day, from, to).await.expect("figures");
    let counted: Vec<_> = counted.iter().map(|point| (point.detail.as_str(), point.count)).collect();
    assert_eq!(counted, [("delivered", 2), ("failed", 1)], "what could not be tried is counted, too");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answers_lets_the_next_level_fire() {
    let receiver = Receiver::taking_all();
    let crm = json!([{ "key": "crm", "kind": "webhook", "urls": [{ "url": receiver.url("/hook") }] }]);
    let webhook = json!({ "channel": "webhook", "to": ["crm"] });
    let app = with(
        json!([
            level("30m", webhook),
            level("3h", mail("ops@example.com")),
            level("4h", mail("boss@example.com"))
        ]),
        json!({ "destination": crm }),
    )
    .await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let delivery =
        journey(&app, &id).await["escalations"][0]["deliveryId"].as_str().expect("an id").to_owned();
    let receipt = |status: &str, reached: Option<bool>| Receipt {
        sid: Some("CA1".to_owned()),
        status: status.to_owned(),
        reached,
        error_code: None,
        at: app.now(),
    };
    let tell =
        async |receipt| app.engine().receipt(delivery.parse().expect("an id"), receipt).await.expect("taken");
    tell(receipt("ringing", None)).await;
    app.advance(1000).await;
    assert!(app.mails().is_empty());
    tell(receipt("no-answer", Some(false))).await;
    tell(receipt("ringing", None)).await;
    app.advance(1000).await;
    assert_eq!(app.mails().len(), 1);
    let shown = journey(&app, &id).await;
    assert_eq!(shown["escalations"][0]["receipt"]["status"], "no-answer", "nothing leads back");
    app.advance(60 * MINUTE).await;
    assert_eq!(app.mails().len(), 2, "the third keeps its distance from the second");
    let nothing =
        app.engine().receipt(stagepost::domain::ids::DeliveryId::floor(app.now()), receipt("x", None)).await;
    assert!(nothing.is_err());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_stalls_become_one_digest() {
    let digest = json!({ "flow": { "digest": { "more_than": 10, "within": "5m" } } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), digest).await;
    let mut ids = Vec::new();
    for user in 0..500 {
        ids.push(post_stage(&app, &format!("u{user}"), "no_reply").await);
    }
    app.advance(31 * MINUTE).await;
    assert!(app.mails().is_empty(), "they are held back");
    app.advance(5 * MINUTE).await;
    app.call("POST", &format!("/api/journeys/{}/resolve", ids[0]), None).await.expect(200);
    let superseded = app.get("/api/deliveries?status=superseded&limit=1000").await;
    let superseded = superseded["deliveries"].as_array().expect("a list").len();
    assert!(superseded == 500, "{superseded} mails have a digest in their place");
    let mut page = app.get("/api/deliveries?destination=email&limit=1").await;
    let newest = page["deliveries"][0]["id"].take();
    let newest = newest.as_str().expect("an id");
    let digest = app.get(&format!("/api/deliveries/{newest}")).await;
    assert_eq!(digest["cause"]["type"], "digest");
    assert_eq!(digest["cause"]["journeyIds"].as_array().expect("a list").len(), 500);
    let shown = &digest["payload"]["context"]["digest"];
    assert_eq!(
        (&shown["count"], &shown["more"], &shown["stage"]),
        (&json!(500), &json!(440), &json!("no_reply"))
    );
    assert_eq!(shown["journeys"][0]["level"], 1);

    let done =
        app.engine().acknowledge_all(newest.parse().expect("an id"), by("ada")).await.expect("a digest");
    assert_eq!(done, 499, "one was resolved");
    let last = journey(&app, &ids[499]).await;
    assert_eq!((&last["acknowledged"]["by"], &last["acknowledged"]["via"]), (&json!("ada"), &json!("mail")));
    let mail = superseded_mail(&last);
    assert!(
        app.engine().acknowledge_all(mail.parse().expect("an id"), by("ada")).await.is_err(),
        "it is no digest"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_leaves_alone_or_in_a_digest_however_late_the_server_is() {
    let digest = json!({ "flow": { "digest": { "more_than": 2, "within": "5m" } } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), digest).await;
    for (late, mails) in [(20 * MINUTE, 1), (90 * MINUTE, 3)] {
        for user in 0..3 {
            post_stage(&app, &format!("u{user}-{late}"), "no_reply").await;
        }
        app.advance(31 * MINUTE).await;
        let before = app.mails().len();
        // What is sent is looked at before the timers are.
        app.advance_sender(late).await;
        app.rest().await;
        assert_eq!(app.mails().len() - before, mails, "{late} ms later");
    }
    let superseded = app.get("/api/deliveries?status=superseded").await;
    assert_eq!(superseded["deliveries"].as_array().expect("a list").len(), 3);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_nobody_any_more_is_not_in_the_digest() {
    let digest = json!({ "flow": { "digest": { "more_than": 2, "within": "5m" } } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), digest).await;
    let mut ids = Vec::new();
    for user in 0..5 {
        ids.push(post_stage(&app, &format!("u{user}"), "no_reply").await);
    }
    app.advance(31 * MINUTE).await;
    app.call("POST", &format!("/api/journeys/{}/resolve", ids[0]), None).await.expect(200);
    app.call("POST", &format!("/api/journeys/{}/acknowledge", ids[1]), None).await.expect(200);
    post_stage(&app, "u2", "confirmed").await;
    app.advance(5 * MINUTE).await;
    // Of five there are two left, so each of them is mailed alone.
    assert_eq!(app.mails().len(), 2);
    let superseded = app.get("/api/deliveries?status=superseded").await;
    let superseded = superseded["deliveries"].as_array().expect("a list");
    assert!(superseded.iter().all(|mail| mail["supersededBy"].is_null()));
    let mut reasons: Vec<_> = superseded.iter().filter_map(|mail| mail["reason"].as_str()).collect();
    reasons.sort_unstable();
    let over = "the journey was over before it could be sent";
    let acknowledged = "the stall was acknowledged before it could be sent";
    assert_eq!(reasons, [over, over, acknowledged]);
    app.finish().await;
}

fn superseded_mail(journey: &Value) -> &str {
    assert_eq!(journey["escalations"][0]["status"], "superseded");
    journey["escalations"][0]["deliveryId"].as_str().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_stalls_leave_each_alone_once_their_window_is_over() {
    let digest = json!({ "flow": { "digest": { "more_than": 2, "within": "5m" } } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), digest).await;
    for user in ["u1", "u2"] {
        post_stage(&app, user, "no_reply").await;
    }
    app.advance(30 * MINUTE).await;
    app.advance(5 * MINUTE - 1).await;
    assert!(app.mails().is_empty());
    app.advance(1).await;
    assert_eq!(app.mails().len(), 2);
    // A new window begins with the next.
    post_stage(&app, "u3", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(app.mails().len(), 2);
    app.advance(5 * MINUTE).await;
    assert_eq!(app.mails().len(), 3);
    app.finish().await;
}

/// An app whose first level tells `crm`, which answers with the status set last, and its second the boss.
async fn telling_crm(mood: &Arc<AtomicU16>) -> (TestApp, Receiver) {
    let read = Arc::clone(mood);
    let receiver = Receiver::start(move |_, _| Reply::Status(read.load(Ordering::SeqCst)));
    let crm = json!([{
        "key": "crm", "kind": "webhook", "events": "none", "urls": [{ "url": receiver.url("/hook") }],
    }]);
    let webhook = json!({ "channel": "webhook", "to": ["crm"] });
    let levels = json!([level("30m", webhook), level("3h", mail("boss@example.com"))]);
    (with(levels, json!({ "destination": crm })).await, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_what_failed_tells_its_journey() {
    let mood = Arc::new(AtomicU16::new(422));
    let (app, _receiver) = telling_crm(&mood).await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let mark = journey(&app, &id).await["escalations"][0].clone();
    assert_eq!(mark["receipt"]["reached"], false);
    mood.store(200, Ordering::SeqCst);
    let delivery = mark["deliveryId"].as_str().expect("an id");
    app.call("POST", &format!("/api/deliveries/{delivery}/replay"), None).await.expect(202);
    app.rest().await;
    let mark = journey(&app, &id).await["escalations"][0].clone();
    assert_eq!((&mark["status"], &mark["receipt"]), (&json!("delivered"), &Value::Null));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_put_back_ring_nobody_about_what_is_settled() {
    let mood = Arc::new(AtomicU16::new(422));
    let (app, receiver) = telling_crm(&mood).await;
    let mut ids = Vec::new();
    for user in ["lasts", "closed", "acknowledged", "moved"] {
        ids.push(post_stage(&app, user, "no_reply").await);
    }
    app.advance(30 * MINUTE).await;
    assert_eq!(receiver.requests().len(), 4);
    app.call("POST", &format!("/api/journeys/{}/resolve", ids[1]), None).await.expect(200);
    app.call("POST", &format!("/api/journeys/{}/acknowledge", ids[2]), None).await.expect(200);
    post_stage(&app, "moved", "reminded").await;
    mood.store(200, Ordering::SeqCst);
    let path = "/api/replays?status=failed&destination=crm";
    let replay = app.call("POST", path, None).await.expect(202).json();
    assert_eq!((&replay["replayed"], &replay["superseded"]), (&json!(1), &json!(3)));
    app.rest().await;
    let called = receiver.requests().split_off(4);
    let users: Vec<_> = called.iter().map(|request| request.json()["userId"].clone()).collect();
    assert_eq!(users, ["lasts"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_undoes_no_digest() {
    let digest = json!({ "flow": { "digest": { "more_than": 1, "within": "5m" } } });
    let app = with(json!([level("30m", mail("ops@example.com"))]), digest).await;
    for user in ["u1", "u2"] {
        post_stage(&app, user, "no_reply").await;
    }
    app.advance(30 * MINUTE).await;
    app.advance(5 * MINUTE).await;
    assert_eq!(app.mails().len(), 1);
    for _ in 0..2 {
        let path = "/api/replays?status=superseded&destination=email";
        let replay = app.call("POST", path, None).await.expect(202).json();
        assert_eq!((&replay["replayed"], &replay["superseded"]), (&json!(0), &json!(2)));
    }
    app.rest().await;
    assert_eq!(app.mails().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_was_removed_reached_nobody() {
    let mood = Arc::new(AtomicU16::new(503));
    let (app, _receiver) = telling_crm(&mood).await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(journey(&app, &id).await["escalations"][0]["status"], "pending");
    let mut document = definitions();
    document["flow"][0]["escalation"] =
        json!([level("30m", mail("ops@example.com")), level("3h", mail("boss@example.com"))]);
    app.call("POST", "/api/apply?prune=true", Some(&document)).await.expect(200);
    app.rest().await;
    app.advance(1000).await;
    let shown = journey(&app, &id).await;
    assert_eq!(shown["escalations"][0]["receipt"]["reached"], false);
    assert_eq!(app.mails().len(), 1, "the next level did not wait: {shown:#}");
    app.finish().await;
}
