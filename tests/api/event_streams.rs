//! Twilio's Event Streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use stagepost::domain::ids::UserKey;

use crate::app::{Setup, TestApp, app};
use crate::http::{Got, column, send};

pub const FLOW: &str = "appointment_confirmation";
pub const FW: &str = "FW0123456789abcdef0123456789abcdef";
const PHONE: &str = "+14155550100";

/// A server with a source of either kind and the flow that Studio tells of.
async fn streaming() -> TestApp {
    let app = app().await;
    app.apply(&definitions()).await;
    app
}

pub fn definitions() -> Value {
    json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "twilio", "kind": "event_streams", "write_key": "wk_events" },
        ],
        "flow": [{
            "name": FLOW, "sid": FW, "initial": "initiation", "terminal": ["confirmed", "cancelled"],
            "widgets": { "send_reminder/timeout": "no_reply", "split_reply/match": "confirmed" },
        }],
    })
}

/// An execution's SID.
pub fn run(number: u32) -> String {
    format!("FN{number:032x}")
}

fn execution(kind: &str, sid: &str, at: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("EZ{kind}{sid}"), "source": format!("/{sid}"),
        "type": format!("com.twilio.studio.flow.execution.{kind}"), "datacontenttype": "application/json",
        "data": {
            "execution_sid": sid, "account_sid": "AC0123456789abcdef0123456789abcdef", "flow_sid": FW,
            "contact_channel_address": PHONE, "status": if kind == "ended" { "ended" } else { "active" },
            "ended_reason": (kind == "ended").then_some("FLOW_END"), "date_created": "2026-11-21T09:00:00Z",
            "date_updated": at, "started_by": "request", "flow_revision": 1,
        },
    })
}

fn step(number: u32, sid: &str, from: &str, event: &str, at: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("EZ{number}{sid}"), "type": "com.twilio.studio.flow.step.ended",
        "data": {
            "execution_sid": sid, "flow_sid": FW, "sid": format!("FT{number:032x}"), "name": event,
            "transitioned_from": from, "transitioned_to": "next", "date_created": at,
        },
    })
}

/// A run without an answer at first, and then with one.
fn whole(sid: &str) -> Value {
    json!([
        step(2, sid, "send_reminder", "timeout", "2026-11-21T09:10:00Z"),
        execution("started", sid, "2026-11-21T09:00:00Z"),
        step(1, sid, "Trigger", "incomingRequest", "2026-11-21T09:00:01Z"),
        execution("ended", sid, "2026-11-21T09:20:05Z"),
        step(3, sid, "split_reply", "match", "2026-11-21T09:20:00Z"),
    ])
}

async fn stream(app: &TestApp, body: &Value) -> Value {
    app.post_json("/events/wk_events", body).await.expect(200).json()
}

async fn post(app: &TestApp, user: &str, sid: &str, stage: &str, at: &str) {
    let body = json!({
        "userID": user, "phoneNumber": PHONE, "flow": FLOW, "stage": stage, "executionSid": sid, "timestamp": at,
    });
    app.post_json("/studio/wk_studio", &body).await.expect(200);
}

async fn journeys(app: &TestApp) -> Vec<Value> {
    app.get("/api/journeys").await["journeys"].as_array().expect("a list").clone()
}

/// What of a journey does not depend on who told of it.
pub async fn shape(app: &TestApp, journey: &Value) -> Value {
    let id = journey["id"].as_str().expect("an id");
    let whole = app.get(&format!("/api/journeys/{id}")).await;
    let steps: Vec<Value> = whole["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| json!([step["stage"], step["at"]]))
        .collect();
    let mut shape = json!({ "steps": steps });
    for key in ["flow", "status", "stage", "startedAt", "endedAt", "phoneNumber"] {
        shape[key] = whole[key].clone();
    }
    shape
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_gives_the_same_journey_as_the_widgets() {
    let app = streaming().await;
    for (stage, at) in [
        ("initiation", "2026-11-21T09:00:00Z"),
        ("no_reply", "2026-11-21T09:10:00Z"),
        ("confirmed", "2026-11-21T09:20:00Z"),
    ] {
        post(&app, "u1", &run(1), stage, at).await;
    }
    let answer = stream(&app, &whole(&run(2))).await;
    assert_eq!(answer, json!({ "success": true }));
    let both = journeys(&app).await;
    assert_eq!(column(&json!(both), "userId"), ["u1", "u1"], "the address leads to the same person");
    assert_eq!(column(&json!(both), "executionSid"), [run(2), run(1)]);
    assert_eq!(shape(&app, &both[0]).await, shape(&app, &both[1]).await);
    assert_eq!(both[0]["status"], "completed");
    // Again, and one by one: nothing is added.
    let before = shape(&app, &both[0]).await;
    let events = app.get("/api/events?limit=100").await["events"].as_array().unwrap().len();
    stream(&app, &whole(&run(2))).await;
    for item in whole(&run(2)).as_array().unwrap() {
        stream(&app, item).await;
    }
    assert_eq!(shape(&app, &journeys(&app).await[0]).await, before);
    assert_eq!(app.get("/api/events?limit=100").await["events"].as_array().unwrap().len(), events);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_terminal_step_comes_a_little_after_its_end_does_not_stall() {
    let app = streaming().await;
    for number in [1, 2] {
        let sid = run(number);
        stream(&app, &json!([execution("started", &sid, "2026-11-21T09:59:00Z")])).await;
        stream(&app, &json!([execution("ended", &sid, "2026-11-21T10:00:00Z")])).await;
    }
    app.advance(4000).await;
    assert_eq!(column(&json!(journeys(&app).await), "status"), ["active", "active"]);
    stream(&app, &json!([step(3, &run(1), "split_reply", "match", "2026-11-21T09:59:59Z")])).await;
    app.advance(1000).await;
    let mut both = journeys(&app).await;
    both.sort_by_key(|journey| journey["executionSid"].to_string());
    assert_eq!(column(&json!(both), "status"), ["completed", "stalled"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_one_journey_whoever_tells_of_it_first() {
    let app = streaming().await;
    // Studio first: nobody is known by that address, so the address is the user. Then a widget names him.
    stream(&app, &json!([execution("started", &run(1), "2026-11-21T09:00:00Z")])).await;
    assert_eq!(column(&json!(journeys(&app).await), "userId"), [PHONE]);
    let id = journeys(&app).await[0]["id"].clone();
    post(&app, "u1", &run(1), "asked", "2026-11-21T09:05:00Z").await;
    let found = journeys(&app).await;
    assert_eq!((found.len(), &found[0]["id"], &found[0]["userId"]), (1, &id, &json!("u1")));
    assert_eq!(found[0]["stage"], "asked");
    stream(&app, &json!([step(2, &run(1), "send_reminder", "timeout", "2026-11-21T09:10:00Z")])).await;
    let found = journeys(&app).await;
    assert_eq!((found.len(), &found[0]["userId"], &found[0]["stage"]), (1, &json!("u1"), &json!("no_reply")));
    // His next run is his by the address, unless somebody else shares it.
    stream(&app, &json!([execution("started", &run(2), "2026-11-21T09:30:00Z")])).await;
    assert_eq!(journeys(&app).await[0]["userId"], "u1");
    post(&app, "u2", &run(2), "asked", "2026-11-21T09:31:00Z").await;
    assert_eq!(column(&json!(journeys(&app).await), "userId"), ["u2", "u1"]);
    stream(&app, &json!([execution("started", &run(3), "2026-11-21T09:40:00Z")])).await;
    assert_eq!(journeys(&app).await[0]["userId"], PHONE, "an address of two people leads to neither");
    // What was told by a widget once is nobody else's.
    post(&app, "u9", &run(1), "asked", "2026-11-21T09:50:00Z").await;
    let of = |user: &str| format!("/api/journeys?userId={user}");
    let of_u1 = app.get(&of("u1")).await;
    assert_eq!(column(&of_u1["journeys"], "executionSid"), [run(1)]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_overtake_their_start_are_taken() {
    let app = streaming().await;
    let all = whole(&run(1));
    let items = all.as_array().unwrap();
    stream(&app, &items[0]).await;
    let early = journeys(&app).await;
    assert_eq!((early.len(), &early[0]["stage"]), (1, &json!("no_reply")));
    let id = early[0]["id"].clone();
    for item in &items[1..] {
        stream(&app, item).await;
    }
    let found = journeys(&app).await;
    assert_eq!((found.len(), &found[0]["id"], &found[0]["userId"]), (1, &id, &json!(PHONE)));
    stream(&app, &whole(&run(2))).await;
    let found = journeys(&app).await;
    assert_eq!(shape(&app, &found[0]).await, shape(&app, &found[1]).await);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_its_flow_is_one_of_the_run_that_is_known() {
    let app = streaming().await;
    stream(&app, &execution("started", &run(1), "2026-11-21T09:00:00Z")).await;
    let mut bare = step(2, &run(1), "send_reminder", "timeout", "2026-11-21T09:10:00Z");
    bare["data"].as_object_mut().unwrap().remove("flow_sid");
    stream(&app, &bare).await;
    assert_eq!(journeys(&app).await[0]["stage"], "no_reply");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_nobody_defined_is_seen() {
    let app = streaming().await;
    let mut item = execution("started", &run(1), "2026-11-21T09:00:00Z");
    item["data"]["flow_sid"] = json!("FWffffffffffffffffffffffffffffffff");
    stream(&app, &item).await;
    let flows = app.get("/api/flows").await;
    let unknown = flows["flows"].as_array().unwrap().iter().find(|flow| flow["configured"] == false).unwrap();
    assert_eq!(unknown["name"], "FWffffffffffffffffffffffffffffffff");
    let events = app.get("/api/events").await;
    assert_eq!(events["events"][0]["properties"]["flow"], "FWffffffffffffffffffffffffffffffff");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_answered_and_seen() {
    let mut app = streaming().await;
    app.allow_rejections();
    let mixed = json!([
        { "type": "com.twilio.studio.flow.step.ended", "data": {} },
        execution("started", &run(1), "2026-11-21T09:00:00Z"),
        { "type": "com.twilio.eventstreams.test-event", "data": { "test_id": "1" } },
    ]);
    let answer = stream(&app, &mixed).await;
    assert_eq!(answer["rejected"][0]["index"], 0);
    assert_eq!(answer["rejected"][0]["field"], "data.execution_sid");
    assert_eq!(answer["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(journeys(&app).await.len(), 1);
    for (path, body, status, code) in [
        ("/events/wk_events", "[{", 400, "malformed_json"),
        ("/events/wk_events", "3", 400, "not_an_object"),
        ("/events/wk_other", "[]", 401, "invalid_write_key"),
        ("/events/wk_studio", "[]", 401, "invalid_write_key"),
        ("/events", "[]", 401, "missing_write_key"),
    ] {
        let got = app.post_text(path, "application/json", body.to_owned()).await.expect(status);
        assert_eq!(got.code(), code, "{path} {body}");
    }
    let large = format!("[\"{}\"]", "x".repeat(600 * 1024));
    let got = app.post_text("/events/wk_events", "application/json", large).await.expect(413);
    assert_eq!(got.code(), "body_too_large");
    send(app.request("GET", "/events/wk_events")).await.expect(405);
    // The key may be the user of the address that the sink was given.
    let basic = app.request("POST", "/events").basic_auth("wk_events", Some("")).body("[]");
    send(basic).await.expect(200);
    app.finish().await;
}

fn sign(url: &str, token: &str) -> String {
    let mac =
        Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any key fits").chain_update(url.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn signed(app: &TestApp, query: &str, body: &str, signature: Option<&str>) -> Got {
    let request = app.request("POST", &format!("/events/wk_events{query}"));
    let request = request.header("content-type", "application/json").body(body.to_owned());
    send(signature.iter().fold(request, |request, text| request.header("x-twilio-signature", *text))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_twilio_signed_is_taken_where_tokens_are_set() {
    let mut app = Setup::new().at("https://stagepost.example.com/in").start().await;
    app.allow_rejections();
    let mut wanted = definitions();
    wanted["source"][1]["twilio_auth_tokens"] = json!(["old", "12345"]);
    app.apply(&wanted).await;
    let body = whole(&run(1)).to_string();
    let hash = hex::encode(Sha256::digest(body.as_bytes()));
    let query = format!("?bodySHA256={hash}");
    let url = format!("https://stagepost.example.com/in/events/wk_events{query}");
    let good = sign(&url, "12345");
    for signature in [None, Some(""), Some("bm8="), Some(sign(&url, "other").as_str())] {
        let got = signed(&app, &query, &body, signature).await.expect(403);
        assert_eq!(got.code(), "bad_signature");
    }
    // A body of one's own under an address that was signed once; a hash that is missing, or not that of the body.
    let forged = body.replace("split_reply", "split_other");
    signed(&app, &query, &forged, Some(&good)).await.expect(403);
    let forged_query = format!("?bodySHA256={}", hex::encode(Sha256::digest(forged.as_bytes())));
    signed(&app, &forged_query, &forged, Some(&good)).await.expect(403);
    let bare = sign("https://stagepost.example.com/in/events/wk_events", "12345");
    signed(&app, "", &body, Some(&bare)).await.expect(403);
    // As a form, whose fields would be signed without a hash.
    let request = app.request("POST", "/events/wk_events").header("x-twilio-signature", &bare);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
    send(request).await.expect(403);
    assert_eq!(journeys(&app).await.len(), 0);
    for token in ["12345", "old"] {
        signed(&app, &query, &body, Some(&sign(&url, token))).await.expect(200);
    }
    assert_eq!(journeys(&app).await.len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_visitor_stays_his_until_he_is_named() {
    let app = streaming().await;
    app.put("/api/sources/web", json!({ "kind": "http", "write_key": "wk_web_12345" })).await;
    stream(&app, &whole(&run(1)).as_array().unwrap()[0]).await;
    // The visitor is his own; that of the run is not lost on the way.
    let body = json!({
        "userId": "u1", "anonymousId": "visitor", "event": "Studio Flow Step", "writeKey": "wk_web_12345",
        "properties": { "flow": FLOW, "stage": "asked", "executionSid": run(1) },
    });
    app.post_json("/v1/track", &body).await.expect(200);
    let found = journeys(&app).await;
    assert_eq!((found.len(), &found[0]["userId"]), (1, &json!("u1")));
    let person = app.engine().profile(&UserKey::anonymous("visitor")).await.unwrap().unwrap();
    assert_eq!(person.key, UserKey::user("u1"));
    app.finish().await;
}
