//! `X-Twilio-Signature`, with the vectors for this server's public URL.

use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::http::{Got, send};

const FORM: &str = "userID=u1&phoneNumber=%2B14155550100&flow=appointment_confirmation&stage=no_reply";
const JSON: &str =
    r#"{"userID":"u1","phoneNumber":"+14155550100","flow":"appointment_confirmation","stage":"no_reply"}"#;
const HASH: &str = "867ddfd1cc827924e1f5746b82a956655ff5112d96427de848a3d60530178e0a";

async fn signed() -> TestApp {
    let app = Setup::new().at("https://stagepost.example.com").start().await;
    app.apply(&json!({ "source": [{
        "key": "studio", "kind": "studio", "write_key": "wk_studio", "twilio_auth_tokens": ["other", "12345"],
    }] }))
    .await;
    app
}

async fn form(app: &TestApp, fields: &str, signature: Option<&str>) -> Got {
    let request = app
        .request("POST", "/studio/wk_studio")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(fields.to_owned());
    send(signature.iter().fold(request, |request, text| request.header("x-twilio-signature", *text))).await
}

async fn json(app: &TestApp, hash: &str, body: &str, signature: &str) -> Got {
    let request = app.request("POST", &format!("/studio/wk_studio?bodySHA256={hash}"));
    let request = request.header("content-type", "application/json").header("x-twilio-signature", signature);
    send(request.body(body.to_owned())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_signed_is_taken() {
    let app = signed().await;
    form(&app, FORM, Some("yXFzrZFZGyY5ZKpVOl/yYRFfHwI=")).await.expect(200);
    form(&app, FORM, Some("ei0LPM6BZs7CMpp5EjCIP29VN+M=")).await.expect(200);
    let query = app.request("GET", &format!("/studio/wk_studio?{FORM}"));
    send(query.header("x-twilio-signature", "Bix0/dbRGMwEB7n6Swrm84bKh08=")).await.expect(200);
    json(&app, HASH, JSON, "jYxb93uqLzWZxx1yuigEcTjkcP0=").await.expect(200);
    let steps = app.get("/api/events").await["events"].as_array().unwrap().len();
    assert_eq!(steps, 4);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_did_not_sign_is_refused() {
    let mut app = signed().await;
    app.allow_rejections();
    for signature in [None, Some(""), Some("yXFzrZFZGyY5ZKpVOl/yYRFfHwA="), Some("not base 64")] {
        let got = form(&app, FORM, signature).await.expect(403);
        assert_eq!(got.code(), "bad_signature");
        assert_eq!(got.header("content-type"), "application/json");
    }
    let changed = FORM.replace("no_reply", "confirmed");
    form(&app, &changed, Some("yXFzrZFZGyY5ZKpVOl/yYRFfHwI=")).await.expect(403);
    // The signature fits the URL, but the body is another one.
    let other = JSON.replace("no_reply", "confirmed");
    json(&app, HASH, &other, "jYxb93uqLzWZxx1yuigEcTjkcP0=").await.expect(403);
    json(&app, &"0".repeat(64), JSON, "jYxb93uqLzWZxx1yuigEcTjkcP0=").await.expect(403);
    let request = app.request("POST", "/studio/wk_studio").header("content-type", "application/json");
    let bare = request.header("x-twilio-signature", "yXFzrZFZGyY5ZKpVOl/yYRFfHwI=").body(JSON);
    send(bare).await.expect(403);
    let query = app.request("GET", &format!("/studio/wk_studio?{FORM}"));
    send(query).await.expect(403);
    assert_eq!(app.get("/api/journeys").await["journeys"], json!([]));
    app.finish().await;
}
