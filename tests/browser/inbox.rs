//! A stalled journey is found, looked at, and seen to.

use crate::check::check_page;
use crate::scene::{MINUTE, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_journey_is_found_in_the_inbox_and_resolved() {
    let scene = Scene::start().await;
    let id = scene.stalled("ada").await;
    scene.stalled("bob").await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console").await;
    browser.press("Inbox").await;
    browser.sees("ada").await;
    browser.sees("bob").await;
    // The oldest is the first.
    browser.press("no_reply in appointment_confirmation").await;
    browser.sees("ada: no_reply").await;
    assert_eq!(browser.path().await, format!("/console/journeys/{id}"));
    browser.fill("Note", "I called her").await;
    browser.press("Resolve").await;
    browser.sees("I called her").await;
    check_page(&browser, "journeys-resolved").await;
    let journey = scene.app.get(&format!("/api/journeys/{id}")).await;
    assert_eq!(journey["status"], "resolved");
    assert_eq!(
        (journey["resolved"]["by"].as_str(), journey["resolved"]["reason"].as_str()),
        (Some("operator@example.com"), Some("I called her"))
    );
    browser.press("Inbox").await;
    browser.sees("bob").await;
    assert!(!browser.text().await.contains("ada"), "resolved, it waits for nobody");
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acknowledges_stops_the_alarms_and_the_list_says_so() {
    let scene = Scene::start().await;
    scene.stalled("ada").await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console/inbox").await;
    browser.fill("Note", "I look into it").await;
    browser.press("Acknowledge").await;
    browser.sees("Nobody waits").await;
    browser.press("Acknowledged").await;
    browser.sees("I look into it").await;
    browser.sees("operator@example.com").await;
    // The user goes on: nothing is left to see to.
    scene.stage("ada", "confirmed").await;
    browser.go("/console/inbox?tab=acknowledged").await;
    browser.sees("Nothing is acknowledged").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_snoozed_comes_back_when_the_time_is_over() {
    let scene = Scene::start().await;
    scene.stalled("ada").await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console/inbox").await;
    browser.press("no_reply in appointment_confirmation").await;
    browser.sees("ada: no_reply").await;
    browser.fill("Note", "she asked to be called later").await;
    browser.press("1 hour").await;
    browser.sees("You are reminded then").await;
    browser.sees("she asked to be called later").await;
    check_page(&browser, "journeys-snoozed").await;
    browser.press("Inbox").await;
    browser.sees("Nobody waits").await;
    browser.press("Snoozed").await;
    browser.sees("she asked to be called later").await;
    browser.sees("operator@example.com").await;
    scene.app.advance(59 * MINUTE).await;
    browser.go("/console/inbox").await;
    browser.sees("Nobody waits").await;
    scene.app.advance(MINUTE).await;
    browser.go("/console/inbox").await;
    browser.sees("ada").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_on_since_the_page_was_loaded_is_not_acknowledged() {
    let scene = Scene::start().await;
    let id = scene.stalled("ada").await;
    let browser = scene.browser_of("operator").await;
    browser.go(&format!("/console/journeys/{id}")).await;
    scene.stage("ada", "reminded").await;
    scene.stage("ada", "no_reply").await;
    scene.app.advance(30 * MINUTE).await;
    browser.fill("Note", "too late").await;
    browser.press("Acknowledge").await;
    browser.sees("Nothing was done").await;
    let journey = scene.app.get(&format!("/api/journeys/{id}")).await;
    assert!(journey["acknowledged"].is_null(), "{journey:#}");
    scene.finish([browser]).await;
}
