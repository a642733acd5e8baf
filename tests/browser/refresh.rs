//! Parts of pages that change by themselves: nobody who is at work in them is disturbed, and they can be made to wait.

use serde_json::json;

use crate::browser::Browser;
use crate::scene::Scene;

/// How many users there are, as the overview says it.
const PROFILES: &str = "document.querySelector('a.tile[href=\"/console/users\"] b').textContent";

/// Makes the parts of the page that is shown change twenty times a second.
async fn hurry(browser: &Browser) {
    let quick = "document.querySelectorAll('[data-refresh]').forEach(it => it.dataset.refresh = 50)";
    browser.script(quick, vec![]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_opened_and_focused_stays_so_while_numbers_change() {
    let scene = Scene::start().await;
    scene.order("ada", 5.0).await;
    let browser = scene.browser_of("viewer").await;
    browser.go("/console").await;
    browser.press("As a table").await;
    browser.script("document.querySelector('#figures').dataset.old = 'yes'", vec![]).await;
    scene.order("bob", 5.0).await;
    browser.holds("the number changes", &format!("return {PROFILES} === '2'")).await;
    browser.holds("it is another part", "return !document.querySelector('#figures').dataset.old").await;
    let stays =
        "return [!!document.activeElement.closest('#figures details[open]'), document.activeElement.tagName]";
    assert_eq!(browser.script(stays, vec![]).await, json!([true, "SUMMARY"]));
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_paused_and_resumed() {
    let scene = Scene::start().await;
    scene.order("ada", 5.0).await;
    let browser = scene.browser_of("viewer").await;
    browser.go("/console").await;
    hurry(&browser).await;
    browser.press("Pause updates").await;
    scene.order("bob", 5.0).await;
    let asked =
        "return performance.getEntriesByType('resource').filter(it => it.initiatorType === 'fetch').length";
    let before = browser.script(asked, vec![]).await;
    // Longer than the turn that was due before anybody hurried.
    browser.slow_script("setTimeout(arguments[arguments.length - 1], 6000)", vec![]).await;
    assert_eq!(browser.script(asked, vec![]).await, before, "it asks nobody");
    assert_eq!(browser.script(&format!("return {PROFILES}"), vec![]).await, "1");
    browser.press("Resume updates").await;
    browser.holds("it goes on", &format!("return {PROFILES} === '2'")).await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_being_typed_is_not_lost_when_the_inbox_changes() {
    let scene = Scene::start().await;
    scene.stalled("ada").await;
    let browser = scene.browser_of("operator").await;
    browser.go("/console/inbox").await;
    browser.fill("Note", "she calls back").await;
    scene.stalled("bob").await;
    browser.sees("The list has changed meanwhile.").await;
    assert_eq!(browser.value("Note").await, "she calls back");
    assert!(!browser.text().await.contains("bob"), "nothing is moved under the pointer");
    browser.press("Look anew").await;
    browser.sees("bob").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_is_seen_without_loading_the_page_anew() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console").await;
    browser.sees("Nothing has arrived yet").await;
    scene.order("ada", 5.0).await;
    browser.sees_no("Nothing has arrived yet").await;
    scene.finish([browser]).await;
}
