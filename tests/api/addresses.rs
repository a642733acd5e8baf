//! Destinations that would call the inside of our own network: refused when they are defined, and never dialled.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::http::column;
use crate::support::receiver::Receiver;

const SETTING: &str = "STAGEPOST_ALLOW_PRIVATE_DESTINATIONS";

/// A webhook `crm` at those addresses that gets every event.
fn definitions(urls: &[&str]) -> Value {
    let urls: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
    json!({
        "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }],
        "destination": [{ "key": "crm", "kind": "webhook", "urls": urls, "events": "all" }],
    })
}

async fn refused(app: &TestApp, method: &str, path: &str, body: &Value, field: &str) {
    let problem = app.call(method, path, Some(body)).await.expect(400).json();
    assert_eq!(problem["code"], "invalid_definition", "{problem}");
    assert_eq!(column(&problem["errors"], "field"), [field], "{problem}");
    let message = problem["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains(SETTING), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_and_ports_of_other_protocols_are_refused_with_the_field() {
    let app = Setup::new().public_destinations_only().start().await;
    for url in [
        "http://127.0.0.1:9000/hook",
        "http://10.0.0.1/hook",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost:9000/hook",
        "https://crm.localhost./hook",
        "https://crm.example.com:6667/hook",
    ] {
        let document = definitions(&["https://crm.example.com/hook", url]);
        refused(&app, "POST", "/api/apply", &document, "destination[0].urls[1].url").await;
        refused(&app, "POST", "/api/apply?dry_run=true", &document, "destination[0].urls[1].url").await;
        let one = &document["destination"][0];
        refused(&app, "PUT", "/api/destinations/crm", one, "urls[1].url").await;
    }
    assert_eq!(app.get("/api/destinations").await["destinations"], json!([]), "nothing was stored");
    app.apply(&definitions(&["https://crm.example.com/hook", "http://intranet:9000/hook"])).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_once_stays_defined_and_is_dialled_no_more() {
    let receiver = Receiver::taking_all();
    let mut app = Setup::new().on_disk().start().await;
    let document = definitions(&[&receiver.url("/hook")]);
    app.apply(&document).await;
    app.restart_with_public_destinations_only().await;
    app.allow_pending();
    app.apply(&document).await;
    let mut changed = document.clone();
    changed["destination"][0]["events"] = "computed".into();
    refused(&app, "POST", "/api/apply", &changed, "destination[0].urls[0].url").await;

    let body = json!({ "writeKey": "wk_website", "userId": "u1", "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    let list = app.get("/api/deliveries?userId=u1").await;
    let delivery =
        app.get(&format!("/api/deliveries/{}", list["deliveries"][0]["id"].as_str().unwrap())).await;
    assert_eq!(delivery["status"], "pending", "{delivery}");
    let error = delivery["attempts"][0]["error"].as_str().unwrap();
    assert!(error.contains(SETTING), "{error}");
    assert!(receiver.requests().is_empty());
    // A start with the wrong setting costs nothing.
    app.restart_with_private_destinations().await;
    app.advance(20_000).await;
    let id = list["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/deliveries/{id}")).await["status"], "delivered");
    assert_eq!(receiver.requests().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_never_be_dialled_is_given_up_in_the_end() {
    let receiver = Receiver::taking_all();
    let mut app = Setup::new().on_disk().start().await;
    app.apply(&definitions(&[&receiver.url("/hook")])).await;
    app.restart_with_public_destinations_only().await;
    let body = json!({ "writeKey": "wk_website", "userId": "u1", "event": "Bought" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
    app.advance(4 * 3_600_000).await;
    app.rest().await;
    let list = app.get("/api/deliveries?status=dead").await;
    let reason = list["deliveries"][0]["reason"].as_str().expect("a dead letter and its reason");
    assert!(reason.contains("given up") && reason.contains(SETTING), "{reason}");
    let shown = app.get("/api/destinations/crm").await;
    assert_eq!(shown["health"]["state"], "healthy", "it was never asked: {shown}");
    assert!(receiver.requests().is_empty());
    app.finish().await;
}
