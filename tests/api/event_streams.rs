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

/// A stage post as the Segment API takes it.
fn track(message_id: &str, user: &str, sid: &str, stage: &str) -> Value {
    json!({
        "type": "track", "messageId": message_id, "userId": user, "event": "Studio Flow Step",
        "properties": { "flow": FLOW, "stage": stage, "phoneNumber": PHONE, "executionSid": sid },
    })
}

async fn batch(app: &TestApp, calls: &[Value]) {
    let body = json!({ "writeKey": "wk_web_12345", "batch": calls });
    app.post_json("/v1/batch", &body).await.expect(200);
}

/// A widget's post of the first run with another address than the one that Studio knows.
async fn post_from_elsewhere(app: &TestApp, stage: &str) {
    let body = json!({
        "userID": "u1", "phoneNumber": "+3225550100", "flow": FLOW, "stage": stage, "executionSid": run(1),
    });
    app.post_json("/studio/wk_studio", &body).await.expect(200);
}

/// Names of a user's events, newest first.
async fn names(app: &TestApp, user: &str) -> Vec<Value> {
    let events = app.get("/api/events?limit=100").await["events"].as_array().expect("a list").clone();
    events.iter().filter(|event| event["userId"] == user).map(|event| event["event"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_is_told_once_by_widgets_and_event_streams_together() {
    let app = streaming().await;
    let started = |number: u32| execution("started", &run(number), "2026-11-21T09:00:00Z");
    let initiation = async |number: u32| {
        post(&app, "u1", &run(number), "initiation", "2026-11-21T09:00:00.800Z").await;
    };
    // Studio first, while nobody knows whose address it is; then the widget first; then Studio, of a user who is known.
    stream(&app, &started(1)).await;
    initiation(1).await;
    initiation(2).await;
    stream(&app, &started(2)).await;
    stream(&app, &started(3)).await;
    initiation(3).await;
    let found = journeys(&app).await;
    assert_eq!(column(&json!(found), "userId"), ["u1"; 3]);
    for journey in &found {
        let shape = shape(&app, journey).await;
        assert_eq!(shape["steps"].as_array().unwrap().len(), 1, "{shape}");
        assert_eq!(shape["startedAt"], "2026-11-21T09:00:00.000Z");
    }
    let told = names(&app, "u1").await;
    assert_eq!(told.iter().filter(|name| *name == "Studio Flow Step").count(), 3, "{told:?}");
    assert_eq!(told.iter().filter(|name| *name == "Studio Step Ended").count(), 2, "{told:?}");
    // Whoever goes back to it is there again.
    post(&app, "u1", &run(1), "no_reply", "2026-11-21T09:01:00Z").await;
    post(&app, "u1", &run(1), "initiation", "2026-11-21T09:02:00Z").await;
    let found = journeys(&app).await;
    let back = found.iter().find(|journey| journey["executionSid"] == json!(run(1))).unwrap();
    assert_eq!(shape(&app, back).await["steps"].as_array().unwrap().len(), 3);
    // And what was taken over is his: nobody else who is named has it.
    post(&app, "u2", &run(3), "no_reply", "2026-11-21T09:03:00Z").await;
    let of_u1 = app.get("/api/journeys?userId=u1").await;
    assert_eq!(of_u1["journeys"].as_array().unwrap().len(), 3);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_run_is_closed_once_it_is_known_whose_it_is() {
    let app = streaming().await;
    app.put("/api/sources/web", json!({ "kind": "http", "write_key": "wk_web_12345" })).await;
    let mut without = definitions();
    without["flow"][0].as_object_mut().unwrap().remove("sid");
    without["source"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "key": "web", "kind": "http", "write_key": "wk_web_12345" }));
    app.apply(&without).await;
    // While nobody knows which Studio flow it is, the run is not found by its execution: two have it.
    post_from_elsewhere(&app, "initiation").await;
    batch(&app, &[track(&format!("studio:{}:FT1", run(1)), PHONE, &run(1), "asked")]).await;
    assert_eq!(column(&json!(journeys(&app).await), "status"), ["active", "active"]);
    let mut with = definitions();
    with["source"] = without["source"].clone();
    app.apply(&with).await;
    app.rest().await;
    stream(&app, &json!([step(2, &run(1), "send_reminder", "timeout", "2026-11-21T09:10:00Z")])).await;
    let found = journeys(&app).await;
    let of = |user: &str| found.iter().find(|journey| journey["userId"] == user).unwrap();
    assert_eq!((&of("u1")["status"], &of("u1")["stage"]), (&json!("active"), &json!("asked")));
    assert_eq!(of(PHONE)["status"], "superseded");
    let steps = shape(&app, of("u1")).await["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 3, "what the copy knew and what came now: {steps}");
    // The next one finds one run only.
    stream(&app, &json!([execution("ended", &run(1), "2026-11-21T09:20:05Z")])).await;
    let found = journeys(&app).await;
    let died = found.iter().filter(|journey| journey["status"] == "superseded").count();
    assert_eq!((found.len(), died), (2, 1));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_is_told_its_sid_has_its_open_runs_found() {
    let app = app().await;
    let mut without = definitions();
    without["flow"][0].as_object_mut().unwrap().remove("sid");
    app.apply(&without).await;
    post_from_elsewhere(&app, "asked").await;
    app.apply(&definitions()).await;
    app.rest().await;
    stream(&app, &json!([execution("started", &run(1), "2026-11-21T09:00:00Z")])).await;
    assert_eq!(column(&json!(journeys(&app).await), "userId"), ["u1"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_two_people_leads_nowhere_whoever_posts_beside_it() {
    let app = streaming().await;
    app.put("/api/sources/web", json!({ "kind": "http", "write_key": "wk_web_12345" })).await;
    for (user, number) in [("u1", 1), ("u2", 2)] {
        post(&app, user, &run(number), "asked", "2026-11-21T09:00:00Z").await;
    }
    let by_studio = track(&format!("studio:{}:started", run(4)), PHONE, &run(4), "initiation");
    batch(&app, &[track("m1", "u1", &run(3), "asked"), by_studio]).await;
    let found = journeys(&app).await;
    let fourth = found.iter().find(|journey| journey["executionSid"] == json!(run(4))).unwrap();
    assert_eq!(fourth["userId"], PHONE);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_taken_over_from_who_became_part_of_somebody_just_before() {
    let app = streaming().await;
    app.put("/api/sources/web", json!({ "kind": "http", "write_key": "wk_web_12345" })).await;
    // Nobody is known but the run.
    stream(&app, &whole(&run(1)).as_array().unwrap()[0]).await;
    let id = journeys(&app).await[0]["id"].clone();
    let mut named = track("m2", "u2", &run(1), "asked");
    named["anonymousId"] = json!("visitor");
    let identify =
        json!({ "type": "identify", "messageId": "m1", "userId": "u1", "anonymousId": run(1), "traits": {} });
    batch(&app, &[identify, named]).await;
    let found = journeys(&app).await;
    assert_eq!((found.len(), &found[0]["userId"], &found[0]["id"]), (1, &json!("u2"), &id));
    app.finish().await;
}
