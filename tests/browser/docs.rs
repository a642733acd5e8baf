//! The API's documentation, which a script makes.

use crate::browser::Browser;
use crate::check::overflow;
use crate::scene::Scene;

/// How many operations are shown.
const SHOWN: &str = "return document.querySelectorAll('.opblock').length";

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_shown_and_can_be_tried() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("viewer").await;
    browser.go("/console").await;
    browser.press("API docs").await;
    let document = scene.app.get("/api/openapi.json").await;
    let calls = document["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object());
    let calls = calls.flatten().filter(|(method, _)| *method != "parameters").count();
    browser.holds("all operations are there", &format!("{SHOWN} === {calls}")).await;
    assert_eq!(overflow(&browser).await, [""; 0]);
    // One of them is opened, tried, and answered.
    browser
        .script("document.querySelector('.opblock-summary-path[data-path=\"/healthz\"]').click()", vec![])
        .await;
    browser.press("Try it out").await;
    browser.press("Execute").await;
    browser.holds(
        "its answer is there",
        "return document.querySelector('.live-responses-table tbody .response-col_status')?.textContent.includes('200')",
    )
    .await;
    assert_eq!(browser.complaints().await, [""; 0]);
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_it_leads_to_the_document() {
    let scene = Scene::start().await;
    let browser = Browser::without_scripts(scene.app.base()).await;
    browser.go("/api/docs").await;
    browser.press("openapi.json").await;
    browser.sees("\"openapi\":").await;
    browser.go("/api/docs").await;
    browser.sees("invalid_definition").await;
    scene.finish([browser]).await;
}
