//! Receivers that say what they were sent: whatever they make of a secret, it is neither kept nor shown.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::support::receiver::{Receiver, Reply};

const PENDO_KEY: &str = "0123456789abcdef0123456789abcdef";

async fn serving(destination: Value) -> TestApp {
    let mut app = app().await;
    app.allow_pending();
    app.apply(&json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [destination],
    }))
    .await;
    app
}

/// What is shown of an attempt, and of a test, at that destination.
async fn attempt_and_trial(app: &TestApp, key: &str) -> [Value; 2] {
    let body = json!({ "writeKey": "wk_website", "userId": "u1", "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    let list = app.get("/api/deliveries?limit=1").await;
    let id = list["deliveries"][0]["id"].as_str().expect("an id");
    let attempt = app.get(&format!("/api/deliveries/{id}")).await["attempts"][0].clone();
    let path = format!("/api/destinations/{key}/test");
    let trial = app.call("POST", &path, Some(&json!({ "type": "track" }))).await.expect(200).json();
    [attempt, trial]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_in_a_presets_address_is_masked() {
    let receiver =
        Receiver::start(|request, _| Reply::with_body(404, &format!("Cannot POST {}", request.path)));
    let app = serving(
        json!({ "key": "pendo", "kind": "pendo", "api_key": PENDO_KEY, "base_url": receiver.url("") }),
    )
    .await;
    for shown in attempt_and_trial(&app, "pendo").await {
        assert_eq!(shown["responseSnippet"], "Cannot POST /data/segmentio/********", "{shown}");
        assert!(!shown.to_string().contains(PENDO_KEY), "{shown}");
    }
    assert_eq!(receiver.requests()[1].path, format!("/data/segmentio/{PENDO_KEY}"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_headers_are_masked_in_every_form_and_before_the_answer_is_cut() {
    let headers = json!({
        "Authorization": "Bearer abc/def+ghi\"jkl=",
        "Cookie": "sid=S3SSION; theme=x",
        "X-Route": "a-long-internal-name",
        "X-Team": "growth",
    });
    // `/` and what is not ASCII is escaped by PHP, `+` by .NET, quotes by all.
    for (said, wanted) in [
        (r"Bearer abc/def+ghi\u0022jkl=", "Bearer ********"),
        (r#"{"a":"Bearer abc\/def\u002Bghi\"jkl="}"#, r#"{"a":"Bearer ********"}"#),
        ("token=abc%2Fdef%2Bghi%22jkl%3D&x", "token=********&x"),
        ("<b>abc&#x2F;def&#43;ghi&quot;jkl=</b>", "<b>********</b>"),
        ("no session S3SSION for growth", "no session ******** for growth"),
        ("via a-long-internal-name", "via ********"),
    ] {
        for before in [0, 1000] {
            let answer = format!("{}{said}", "x".repeat(before));
            let receiver = Receiver::start(move |_, _| Reply::with_body(400, &answer));
            let urls = json!([{ "url": receiver.url("/hook"), "headers": headers }]);
            let app =
                serving(json!({ "key": "crm", "kind": "webhook", "events": "all", "urls": urls })).await;
            for shown in attempt_and_trial(&app, "crm").await {
                let whole = format!("{}{wanted}", "x".repeat(before));
                let cut = &whole[..whole.len().min(1024)];
                assert_eq!(shown["responseSnippet"], cut, "{said}");
            }
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_in_the_middle_of_a_secret_shows_no_part_of_it() {
    let text = "HTTP/1.1 500 -\r\nContent-Length: 100\r\n\r\nyou said abcdefghijkl";
    let receiver = Receiver::start(move |_, _| Reply::Raw(text.to_owned()));
    let headers = json!({ "X-Token": "abcdefghijklmnopqrstuvwxyz" });
    let urls = json!([{ "url": receiver.url("/hook"), "headers": headers }]);
    let app = serving(json!({ "key": "crm", "kind": "webhook", "events": "all", "urls": urls })).await;
    for shown in attempt_and_trial(&app, "crm").await {
        assert_eq!(shown["responseSnippet"], "you said ********");
    }
    app.finish().await;
}
