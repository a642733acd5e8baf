//! Segment's HTTP tracking API.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, app};
use crate::http::{gzip, send};

const HOUR: i64 = 3_600_000;
const TYPES: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];

pub fn source() -> Value {
    json!({ "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }] })
}

async fn web() -> TestApp {
    let app = app().await;
    app.apply(&source()).await;
    app
}

/// A call that every type takes.
fn call(message: &str) -> Value {
    json!({
        "writeKey": "wk_website", "userId": "u1", "event": "Bought", "groupId": "g1", "previousId": "p1",
        "messageId": message,
    })
}

async fn events(app: &TestApp) -> Vec<Value> {
    app.get("/api/events").await["events"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_a_single_call_takes_it_by_any_of_its_names() {
    let app = web().await;
    for name in TYPES {
        for path in [format!("/v1/{name}"), format!("/v1/{name}/"), format!("/v1/{}", &name[..1])] {
            let got = app.post_json(&path, &call(&path)).await.expect(200);
            assert_eq!(got.bytes, br#"{"success":true}"#, "{path}");
            assert_eq!(got.header("content-type"), "application/json");
            let newest = events(&app).await.remove(0);
            assert_eq!((&newest["type"], &newest["messageId"]), (&json!(name), &json!(path)));
            assert_eq!(newest.get("writeKey"), None, "the key is never passed on");
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_a_batch_takes_it() {
    let app = web().await;
    for (n, path) in
        ["/v1/batch", "/v1/batch/", "/v1/import", "/v1/import/", "/v1/b", "/v1/b/"].iter().enumerate()
    {
        let items: Vec<_> = TYPES
            .iter()
            .map(|name| {
                let mut item = call(&format!("{path} {name}"));
                item["type"] = (*name).into();
                item
            })
            .collect();
        let got = app.post_json(path, &json!({ "batch": items, "writeKey": "wk_website" })).await.expect(200);
        assert_eq!(got.bytes, br#"{"success":true}"#, "{path}");
        assert_eq!(events(&app).await.len(), 6 * (n + 1));
    }
    let metrics = app.post_json("/v1/m", &json!({ "series": [{ "metric": "x" }] })).await.expect(200);
    assert_eq!(metrics.json(), json!({ "success": true }));
    assert_eq!(events(&app).await.len(), 36, "the browser's own counts are not kept");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_text_or_gzip() {
    let app = web().await;
    app.post_text("/v1/track", "text/plain", call("text").to_string()).await.expect(200);
    let batch =
        json!({ "writeKey": "wk_website", "batch": [{ "type": "track", "event": "x", "userId": "u" }] });
    for (path, body) in [("/v1/t", call("zip")), ("/v1/batch", batch)] {
        let request = app.request("POST", path).header("content-encoding", "gzip");
        send(request.body(gzip(body.to_string().as_bytes()))).await.expect(200);
    }
    let bom = format!("\u{feff}{}", call("bom"));
    app.post_text("/v1/track", "application/json", bom).await.expect(200);
    assert_eq!(events(&app).await.len(), 4);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_of_any_origin_may_post() {
    let mut app = web().await;
    app.allow_rejections();
    let origin = "https://shop.example.com";
    for path in ["/v1/t", "/v1/batch", "/v1/projects/wk_website/settings", "/v1/pixel/track", "/studio/x"] {
        let preflight = app
            .request("OPTIONS", path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let got = send(preflight).await;
        assert!([200, 204].contains(&got.status), "{path}: {}", got.status);
        assert_eq!(got.header("access-control-allow-origin"), origin);
        assert_eq!(got.header("access-control-allow-methods"), "GET, POST, OPTIONS");
        assert_eq!(got.header("access-control-allow-headers"), "authorization, content-type, x-retry-count");
        assert_eq!(got.header("access-control-max-age"), "86400");
    }
    for (body, status) in [(call("m1").to_string(), 200), ("{".to_owned(), 400)] {
        let request = app.request("POST", "/v1/t").header("origin", origin).body(body);
        let got = send(request).await.expect(status);
        assert_eq!(got.header("access-control-allow-origin"), origin);
        assert_eq!(got.header("access-control-allow-credentials"), "true");
        assert_eq!(got.header("access-control-expose-headers"), "Retry-After");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_items_of_a_batch_are_named_and_the_good_ones_kept() {
    let mut app = web().await;
    app.allow_rejections();
    let batch = json!({ "writeKey": "wk_website", "batch": [
        { "type": "track", "event": "A", "userId": "u1" },
        { "type": "track", "event": "B" },
        { "type": "nonsense", "userId": "u1" },
        "no object",
        { "type": "track", "userId": "u1", "event": "" },
        { "type": "identify", "anonymousId": "a1", "traits": [] },
        { "type": "identify", "anonymousId": "a1", "traits": { "x": "y".repeat(33 * 1024) } },
        { "type": "track", "event": "C", "userId": 42 },
    ] });
    let got = app.post_json("/v1/batch", &batch).await.expect(200).json();
    assert_eq!(got["success"], true);
    let rejected = got["rejected"].as_array().unwrap();
    let named: Vec<_> =
        rejected.iter().map(|it| (it["index"].as_u64().unwrap(), it["code"].as_str().unwrap())).collect();
    assert_eq!(
        named,
        [
            (1, "no_user_anon_id"),
            (2, "unknown_type"),
            (3, "not_an_object"),
            (4, "no_event"),
            (5, "invalid_field"),
            (6, "event_too_large"),
        ]
    );
    assert!(rejected.iter().all(|it| it["message"].is_string()), "{rejected:?}");
    assert_eq!(rejected[4]["field"], "traits");
    let kept = app.get("/api/events?type=track").await["events"].clone();
    assert_eq!((&kept[0]["event"], &kept[0]["userId"]), (&json!("C"), &json!("42")));
    assert_eq!(kept.as_array().unwrap().len(), 2);
    let refused = app.get("/api/events?type=rejected").await["events"].clone();
    assert_eq!(refused.as_array().unwrap().len(), 6);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_are_checked_as_a_whole() {
    let mut app = web().await;
    app.allow_rejections();
    let post = async |body: Value| app.post_json("/v1/batch", &body).await;
    post(json!({ "writeKey": "wk_website", "batch": [] })).await.expect(200);
    assert_eq!(post(json!({ "writeKey": "wk_website" })).await.expect(400).json()["field"], "batch");
    post(json!({ "writeKey": "wk_website", "batch": {} })).await.expect(400);
    post(json!([])).await.expect(400);
    let item = json!({ "type": "track", "event": "x", "userId": "u" });
    let many = json!({ "writeKey": "wk_website", "batch": vec![item; 2501] });
    assert_eq!(post(many).await.expect(400).code(), "batch_too_many");
    let large = json!({ "writeKey": "wk_website", "batch": [], "x": "x".repeat(513 * 1024) });
    assert_eq!(post(large).await.expect(413).code(), "body_too_large");
    assert_eq!(events(&app).await.iter().filter(|event| event["accepted"] == true).count(), 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_a_batch_is_merged_under_its_items() {
    let app = web().await;
    let batch = json!({
        "writeKey": "wk_website",
        "context": { "library": { "name": "analytics-go", "version": "3.0.0" }, "app": { "v": 1 } },
        "batch": [{ "type": "track", "event": "x", "userId": "u",
            "context": { "app": { "v": 2 }, "ip": "1.1.1.1" } }],
    });
    app.post_json("/v1/batch", &batch).await.expect(200);
    let library = json!({ "name": "analytics-go", "version": "3.0.0" });
    assert_eq!(
        events(&app).await[0]["context"],
        json!({ "library": library, "app": { "v": 2 }, "ip": "1.1.1.1" })
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_key_may_come_in_any_of_its_forms() {
    let mut app = web().await;
    app.allow_rejections();
    let bare = json!({ "userId": "u1", "event": "x" });
    let with = |value: String| app.request("POST", "/v1/track").header("authorization", value);
    for text in
        [STANDARD.encode("wk_website:"), STANDARD.encode("wk_website"), STANDARD.encode("wk_website:pw")]
    {
        for scheme in ["Basic", "basic", "BASIC"] {
            send(with(format!("{scheme} {text}")).body(bare.to_string())).await.expect(200);
        }
    }
    send(with("Bearer abc".to_owned()).body(call("bearer").to_string())).await.expect(200);
    app.post_json("/v1/track", &call("body")).await.expect(200);
    let item =
        json!({ "batch": [{ "type": "track", "event": "x", "userId": "u", "writeKey": "wk_website" }] });
    app.post_json("/v1/batch", &item).await.expect(200);

    for (request, code) in [
        (with("Bearer abc".to_owned()).body(bare.to_string()), "missing_write_key"),
        (with("Basic !!!".to_owned()).body(bare.to_string()), "invalid_write_key"),
        (
            with(format!("Basic {}", STANDARD.encode("wk_other00:"))).body(call("m").to_string()),
            "invalid_write_key",
        ),
        (app.request("POST", "/v1/track").body(bare.to_string()), "missing_write_key"),
    ] {
        let got = send(request).await.expect(401);
        assert_eq!((got.code().as_str(), &got.json()["success"]), (code, &json!(false)));
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_id_is_refused() {
    let mut app = web().await;
    app.allow_rejections();
    for ids in [json!({}), json!({ "userId": null }), json!({ "userId": "", "anonymousId": "  " })] {
        let mut body = json!({ "writeKey": "wk_website", "event": "x" });
        body.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        assert_eq!(app.post_json("/v1/track", &body).await.expect(400).code(), "no_user_anon_id");
    }
    let anonymous = json!({ "writeKey": "wk_website", "event": "x", "userId": null, "anonymousId": "a1" });
    app.post_json("/v1/track", &anonymous).await.expect(200);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_id_is_stored_once_within_a_day_and_also_after_a_restart() {
    let mut app = Setup::new().on_disk().start().await;
    app.apply(&source()).await;
    let post = async |app: &TestApp| {
        app.post_json("/v1/track", &call("m1")).await.expect(200);
        events(app).await.len()
    };
    assert_eq!(post(&app).await, 1);
    assert_eq!(post(&app).await, 1);
    app.restart().await;
    assert_eq!(post(&app).await, 1);
    app.advance(24 * HOUR).await;
    assert_eq!(post(&app).await, 1);
    app.advance(HOUR + 1000).await;
    assert_eq!(post(&app).await, 2, "after 25 hours it is another message");
    let item = |event: &str| json!({ "type": "track", "event": event, "userId": "u", "messageId": "m2" });
    let batch = json!({ "writeKey": "wk_website", "batch": [item("first"), item("second")] });
    app.post_json("/v1/batch", &batch).await.expect(200);
    let newest = events(&app).await;
    assert_eq!((newest.len(), &newest[0]["event"]), (3, &json!("first")), "the first one wins");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_corrected_by_sent_at() {
    let app = web().await;
    let times = |at: &str, sent: Value| {
        let mut body = call(at);
        body["timestamp"] = at.into();
        body["sentAt"] = sent;
        body
    };
    let behind = times("2026-11-21T09:00:00.000Z", "2026-11-21T09:00:05.000Z".into());
    app.post_json("/v1/track", &behind).await.expect(200);
    let event = events(&app).await.remove(0);
    assert_eq!(event["timestamp"], "2026-11-21T09:59:55.000Z");
    assert_eq!(event["originalTimestamp"], "2026-11-21T09:00:00.000Z");
    assert_eq!(event["receivedAt"], "2026-11-21T10:00:00.000Z");
    app.post_json("/v1/track", &times("2019-01-01T00:00:00Z", Value::Null)).await.expect(200);
    let event = events(&app).await.remove(0);
    assert_eq!((&event["timestamp"], &event["sentAt"]), (&json!("2019-01-01T00:00:00.000Z"), &Value::Null));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pixel_is_an_image_whatever_happens() {
    let mut app = web().await;
    app.allow_rejections();
    let data = json!({ "writeKey": "wk_website", "userId": "u1", "event": "Email Opened" }).to_string();
    let flat = "writeKey=wk_website&userId=u1&event=Email%20Opened&properties.subject=Hi";
    for (query, count) in [
        (format!("data={}", URL_SAFE_NO_PAD.encode(&data)), 1),
        (format!("data={}", STANDARD.encode(&data).replace('+', "%2B").replace('=', "%3D")), 2),
        (flat.to_owned(), 3),
        ("data=nonsense".to_owned(), 3),
        (String::new(), 3),
        ("writeKey=wk_wrong00&userId=u1&event=x".to_owned(), 3),
    ] {
        let got = send(app.request("GET", &format!("/v1/pixel/track?{query}"))).await.expect(200);
        assert_eq!((got.header("content-type"), got.header("cache-control")), ("image/gif", "no-store"));
        assert!(got.bytes.starts_with(b"GIF89a") && got.bytes.len() < 60);
        let kept = app.get("/api/events?type=track").await["events"].clone();
        assert_eq!(kept.as_array().unwrap().len(), count, "{query}");
        assert_eq!(kept[0]["event"], "Email Opened");
    }
    let newest = app.get("/api/events?type=track").await["events"][0].clone();
    assert_eq!(newest["properties"], json!({ "subject": "Hi" }));
    for name in TYPES {
        let query = flat.replace("properties.subject=Hi", "groupId=g&previousId=p");
        send(app.request("GET", &format!("/v1/pixel/{name}/?{query}"))).await.expect(200);
        assert_eq!(events(&app).await[0]["type"], name);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_find_their_settings() {
    let mut app = Setup::new().at("https://stagepost.example.com").start().await;
    app.allow_rejections();
    app.apply(&source()).await;
    for path in [
        "/v1/projects/wk_website/settings",
        "/projects/wk_website/settings",
        "/projects/wk_website/settings/",
    ] {
        let got = send(app.request("GET", path)).await.expect(200).json();
        assert_eq!(
            got["integrations"]["Segment.io"],
            json!({ "apiKey": "wk_website", "apiHost": "stagepost.example.com/v1" })
        );
        assert_eq!(got["metrics"]["sampleRate"], 0);
    }
    send(app.request("GET", "/v1/projects/wk_wrong00/settings")).await.expect(404).json();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_only_sources_of_its_kind() {
    let mut app = web().await;
    app.allow_rejections();
    app.apply(&json!({ "source": [{ "key": "studio", "kind": "studio", "write_key": "wk_studio" }] })).await;
    let mut wrong = call("m1");
    wrong["writeKey"] = "wk_studio".into();
    let got = app.post_json("/v1/track", &wrong).await.expect(401);
    assert!(got.text().contains("/studio/"), "{}", got.text());
    let stage = json!({ "userID": "u1", "phoneNumber": "+1", "flow": "f", "stage": "s" });
    let got = app.post_json("/studio/wk_website", &stage).await.expect(401);
    assert!(got.text().contains("/v1/track"), "{}", got.text());
    app.finish().await;
}
