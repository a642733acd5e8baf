//! Somebody who lets no scripts run can read, and send simple forms.

use crate::browser::Browser;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_pages_are_read_and_simple_forms_are_sent() {
    let scene = Scene::start().await;
    let id = scene.stalled("ada").await;
    scene.stage("bob", "initiation").await;
    scene.order("eve", 10.0).await;
    let browser = Browser::without_scripts(scene.app.base()).await;
    scene.let_in(&browser, "operator").await;
    for (path, text) in [
        ("/console", "stalled journeys"),
        ("/console/inbox", "ada"),
        ("/console/journeys", "bob"),
        ("/console/flows", "appointment_confirmation"),
        ("/console/live", "Order Completed"),
        ("/console/audiences", "Buyers"),
        ("/console/audiences/buyers", "eve"),
        ("/console/users/eve", "Buyers"),
        ("/console/deliveries", "shop"),
    ] {
        browser.go(path).await;
        browser.sees(text).await;
    }
    browser.go("/console/journeys").await;
    browser.fill("Status", "stalled").await;
    browser.press("Filter").await;
    browser.sees("ada").await;
    assert!(!browser.text().await.contains("bob"), "only what is stalled");
    browser.go(&format!("/console/journeys/{id}")).await;
    browser.fill("Note", "seen to").await;
    browser.press("Resolve").await;
    browser.sees("seen to").await;
    assert_eq!(scene.app.get(&format!("/api/journeys/{id}")).await["status"], "resolved");
    // The theme is chosen by a form, too.
    browser.press("Dark").await;
    browser.sees("Light").await;
    assert_eq!(browser.script("return document.documentElement.dataset.theme", vec![]).await, "dark");
    scene.finish([browser]).await;
}
