//! The editor of destinations: what would be sent is seen before it is saved, and a secret stays where it is not seen.

use stagepost::delivery::signature;

use crate::check::check_page;
use crate::scene::Scene;

const SECRET: &str = "what only the two of us know";
const BODY: &str = r#"{"id": {"@path": "$.userId"}, "buyer": {"@path": "$.traits.buyers"}}"#;
const EVENT: &str = r#"{"type": "identify", "userId": "eve", "traits": {"buyers": true}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_tried_before_it_is_saved_and_its_secret_stays() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console/destinations").await;
    browser.press("New destination").await;
    browser.press_within("main", "Webhook with mapping").await;
    browser.fill("Key", "growth").await;
    browser.fill("Address", &scene.crm.url("/mapped")).await;
    browser.fill("Body", "{\"id\": ").await;
    browser.fill("Shared secret", SECRET).await;
    browser.press("Show what would be sent").await;
    browser.sees("This is no JSON").await;
    browser.fill("Body", BODY).await;
    browser.fill("Or an event of yours", EVENT).await;
    browser.press("Show what would be sent").await;
    browser.sees("\"id\": \"eve\",").await;
    assert_eq!(browser.value("Body").await, BODY, "what was typed stays");
    check_page(&browser, "destinations-preview").await;
    assert!(scene.crm.requests().is_empty(), "a preview sends nothing");
    assert_eq!(scene.app.call("GET", "/api/destinations/growth", None).await.status, 404);
    browser.press("Save").await;
    browser.sees("Saved.").await;

    browser.press("Edit").await;
    assert_eq!(browser.value("Shared secret").await, "********");
    let page = browser.script("return document.documentElement.outerHTML", vec![]).await;
    assert!(!page.as_str().expect("a page").contains(SECRET), "the secret is shown");
    browser.fill("Timeout of an attempt", "7s").await;
    browser.press("Save").await;
    browser.sees("Saved.").await;
    assert_eq!(scene.app.get("/api/destinations/growth").await["timeout"], "7s");
    browser.press("Try it").await;
    browser.sees("HTTP 200").await;
    let requests = scene.crm.requests();
    let body = std::str::from_utf8(&requests[0].body).expect("text");
    assert_eq!(requests[0].header("x-signature"), Some(signature::sign(SECRET, body).as_str()));
    scene.finish([browser]).await;
}
