//! Stage posts of Twilio Studio.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::{Got, keys, send};

pub const FLOW: &str = "appointment_confirmation";
const FORM: &str = "application/x-www-form-urlencoded";

/// A server with a studio source and its flow.
pub async fn studio() -> TestApp {
    let app = app().await;
    app.apply(&definitions()).await;
    app
}

pub fn definitions() -> Value {
    json!({
        "source": [{ "key": "studio", "kind": "studio", "write_key": "wk_studio" }],
        "flow": [{ "name": FLOW, "initial": "initiation", "terminal": ["confirmed", "cancelled"] }],
    })
}

/// Posts a stage; answers its journey's id.
pub async fn post_stage(app: &TestApp, user: &str, stage: &str) -> String {
    let got = app.post_json("/studio/wk_studio", &body(user, stage)).await.expect(200).json();
    got["journeyId"].as_str().expect("a journey").to_owned()
}

pub fn body(user: &str, stage: &str) -> Value {
    json!({ "userID": user, "phoneNumber": "+14155550100", "flow": FLOW, "stage": stage })
}

async fn taken(app: &TestApp, user: &str, got: Got) {
    let answer = got.clone().expect(200).json();
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(keys(&answer), ["success", "messageId", "journeyId"]);
    assert_eq!(answer["success"], true);
    let id = answer["journeyId"].as_str().expect("a journey");
    assert!(id.starts_with("jny_"), "{id}");
    let journey = app.get(&format!("/api/journeys/{id}")).await;
    assert_eq!(
        (&journey["userId"], &journey["phoneNumber"], &journey["flow"], &journey["stage"]),
        (&json!(user), &json!("+14155550100"), &json!(FLOW), &json!("initiation"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_arrives_as_form_as_json_in_the_query_and_mixed() {
    let app = studio().await;
    let fields =
        |user: &str| format!("userID={user}&phoneNumber=%2B14155550100&flow={FLOW}&stage=initiation");
    let path = "/studio/wk_studio";
    taken(&app, "form", app.post_text(path, FORM, fields("form")).await).await;
    let charset = "application/x-www-form-urlencoded;charset=utf-8";
    taken(&app, "charset", app.post_text(path, charset, fields("charset")).await).await;
    taken(&app, "json", app.post_json(path, &body("json", "initiation")).await).await;
    let charset = "application/json;charset=utf-8";
    taken(&app, "js", app.post_text(path, charset, body("js", "initiation").to_string()).await).await;
    let sloppy = app.post_text(path, FORM, body("sloppy", "initiation").to_string()).await;
    taken(&app, "sloppy", sloppy).await;
    let slash = format!("{path}/");
    taken(&app, "slash", app.post_json(&slash, &body("slash", "initiation")).await).await;
    for (method, user) in [("GET", "got"), ("POST", "posted")] {
        let query = format!("{path}?{}", fields(user));
        taken(&app, user, send(app.request(method, &query)).await).await;
    }
    let query = format!("{path}?userID=mixed&flow=other&phoneNumber=%2B14155550100");
    let mixed = app.post_text(&query, FORM, format!("flow={FLOW}&stage=initiation")).await;
    taken(&app, "mixed", mixed).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_key_may_be_the_user_of_a_basic_authorization() {
    let app = studio().await;
    for path in ["/studio", "/studio/"] {
        let request = app.request("POST", path).basic_auth("wk_studio", Some("x"));
        taken(&app, "u1", send(request.body(body("u1", "initiation").to_string())).await).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_the_user_id_is_known() {
    let app = studio().await;
    for name in ["userID", "userId", "user_id"] {
        let form = format!("{name}={name}&phoneNumber=%2B14155550100&flow={FLOW}&stage=initiation");
        taken(&app, name, app.post_text("/studio/wk_studio", FORM, form).await).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plus_that_became_a_space_is_mended() {
    let app = studio().await;
    for (user, phone) in [("plain", "+14155550100"), ("twice", "%252B14155550100")] {
        let form = format!("userID={user}&phoneNumber={phone}&flow={FLOW}&stage=initiation");
        taken(&app, user, app.post_text("/studio/wk_studio", FORM, form).await).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_fields_are_absent() {
    let mut app = studio().await;
    let path = "/studio/wk_studio";
    let form = format!(
        "userID=u1&phoneNumber=%2B1&flow={FLOW}&stage=initiation&executionSid=&timestamp=&messageId="
    );
    let id = app.post_text(path, FORM, form).await.expect(200).json()["journeyId"].clone();
    let journey = app.get(&format!("/api/journeys/{}", id.as_str().unwrap())).await;
    assert_eq!(journey["executionSid"], Value::Null);
    app.allow_rejections();
    for (name, field) in [("userID", "userID"), ("flow", "flow"), ("stage", "stage")] {
        let mut broken = body("u1", "initiation");
        broken[name] = "".into();
        let got = app.post_json(path, &broken).await.expect(400).json();
        assert_eq!(keys(&got), ["success", "code", "field", "message"]);
        assert_eq!(
            (&got["success"], &got["code"], &got["field"]),
            (&json!(false), &json!("missing_field"), &json!(field))
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_studio_did_not_replace_is_refused_as_such() {
    let mut app = studio().await;
    app.allow_rejections();
    for name in ["userID", "phoneNumber", "flow", "stage"] {
        let mut broken = body("u1", "initiation");
        broken[name] = "{{flow.data.userId}}".into();
        let got = app.post_json("/studio/wk_studio", &broken).await.expect(400).json();
        assert_eq!((&got["code"], &got["field"]), (&json!("unresolved_template"), &json!(name)), "{got}");
        assert!(got["message"].as_str().unwrap().contains("{{flow.data.userId}}"), "{got}");
    }
    assert_eq!(app.get("/api/journeys").await["journeys"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unescaped_quote_in_json_is_named() {
    let mut app = studio().await;
    app.allow_rejections();
    let broken = r#"{"userID":"u1","phoneNumber":"+1","flow":"f","stage":"s","reply":"I said "no" to it"}"#;
    let got = app.post_text("/studio/wk_studio", "application/json", broken).await.expect(400);
    assert_eq!(got.code(), "malformed_json");
    assert!(got.text().contains("unescaped quote"), "{}", got.text());
    assert_eq!(got.header("content-type"), "application/json");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_large_bodies_and_unknown_paths_are_answered_in_json() {
    let mut app = studio().await;
    app.allow_rejections();
    let good = body("u1", "initiation");
    assert_eq!(app.post_json("/studio/wk_wrong00", &good).await.expect(401).code(), "invalid_write_key");
    assert_eq!(app.post_json("/studio", &good).await.expect(401).code(), "missing_write_key");
    let basic = app.request("POST", "/studio").basic_auth("wk_wrong00", None::<&str>);
    assert_eq!(send(basic.body(good.to_string())).await.expect(401).code(), "invalid_write_key");
    let mut large = good.clone();
    large["reply"] = "x".repeat(33 * 1024).into();
    let got = app.post_json("/studio/wk_studio", &large).await.expect(413);
    assert_eq!((got.header("content-type"), &got.json()["success"]), ("application/json", &json!(false)));
    for path in ["/nothing", "/studio/wk_studio/more", "/v1", "/v1/nothing", "/v2/track"] {
        for method in ["GET", "POST"] {
            let got = send(app.request(method, path)).await.expect(404);
            assert_eq!((got.header("content-type"), got.code().as_str()), ("application/json", "not_found"));
        }
    }
    let got = send(app.request("POST", "/")).await.expect(404);
    assert_eq!((got.header("content-type"), got.code().as_str()), ("application/json", "not_found"));
    let got = send(app.request("PUT", "/studio/wk_studio")).await.expect(405);
    assert_eq!(got.header("allow"), "GET, POST, OPTIONS");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_fields_are_kept_as_properties_of_the_event() {
    let app = studio().await;
    let mut post = body("u1", "initiation");
    post["appointment"] = "a 1".into();
    post["executionSid"] = "FN00000000000000000000000000000001".into();
    post["messageId"] = "m1".into();
    post["timestamp"] = app.ago(60_000).into();
    let answer = app.post_json("/studio/wk_studio", &post).await.expect(200).json();
    assert_eq!(answer["messageId"], "m1");
    let event = app.get("/api/events").await["events"][0].clone();
    for (field, wanted) in [
        ("type", json!("track")),
        ("event", json!("Studio Flow Step")),
        ("userId", json!("u1")),
        ("messageId", json!("m1")),
        ("timestamp", json!("2026-11-21T09:59:00.000Z")),
        ("receivedAt", json!("2026-11-21T10:00:00.000Z")),
        ("accepted", json!(true)),
    ] {
        assert_eq!(event[field], wanted, "{field}");
    }
    let properties = &event["properties"];
    assert_eq!(
        (&properties["phoneNumber"], &properties["flow"], &properties["stage"], &properties["appointment"]),
        (&json!("+14155550100"), &json!(FLOW), &json!("initiation"), &json!("a 1"))
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_comes_twice_counts_once_and_answers_the_same_journey() {
    let app = studio().await;
    let mut post = body("u1", "initiation");
    post["messageId"] = "m1".into();
    let first = app.post_json("/studio/wk_studio", &post).await.expect(200).json();
    let again = app.post_json("/studio/wk_studio", &post).await.expect(200).json();
    assert_eq!(first, again);
    let token = |app: &TestApp| {
        let request = app.request("POST", "/studio/wk_studio").header("i-twilio-idempotency-token", "t1");
        request.body(body("u2", "initiation").to_string())
    };
    let first = send(token(&app)).await.expect(200).json();
    let again = send(token(&app)).await.expect(200).json();
    assert_eq!(first, again);
    assert_eq!(app.get("/api/events").await["events"].as_array().unwrap().len(), 2);
    app.finish().await;
}
