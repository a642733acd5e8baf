//! A source is made, its key is shown once, and another one takes its place.

use serde_json::json;

use crate::browser::Browser;
use crate::check::check_page;
use crate::curl;
use crate::scene::Scene;

/// What the page shows, with what stands in its attributes and fields.
const WHOLE: &str = "return document.documentElement.outerHTML";

/// What a post with that key is answered with.
async fn post_with(scene: &Scene, key: &str) -> u16 {
    let call = json!({ "writeKey": key, "userId": "u1", "event": "Order Completed" });
    scene.app.post_json("/v1/track", &call).await.status
}

async fn shows(browser: &Browser, words: &str) -> bool {
    browser.script(WHOLE, vec![]).await.as_str().expect("a page").contains(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_another_takes_its_place() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console").await;
    browser.press("Sources").await;
    browser.press("New source").await;
    browser.press_within("main", "Segment SDKs, HTTP").await;
    browser.holds("its form is there", "return location.search === '?kind=http'").await;
    browser.fill("Key", "till").await;
    check_page(&browser, "sources-new-http").await;
    browser.press("Save").await;
    browser.sees("Copy the write key now").await;
    let first = curl::line(&browser, "write-key").await;
    check_page(&browser, "sources-made").await;
    curl::run_from(&browser, "line-curl").await.expect(200);
    browser.go("/console/sources/till").await;
    browser.sees("events in the last hour").await;
    assert!(!shows(&browser, &first).await, "it is shown again");
    browser
        .holds("its event is counted", "return document.querySelector('.tile b').textContent === '1'")
        .await;

    browser.press("Make another key").await;
    browser.sees("The key before works until").await;
    let second = curl::line(&browser, "write-key").await;
    assert_ne!(first, second);
    check_page(&browser, "sources-two-keys").await;
    for key in [&first, &second] {
        assert_eq!(post_with(&scene, key).await, 200, "both keys work");
    }
    browser.go("/console/sources").await;
    browser.sees("two keys until").await;
    browser.press("till").await;
    browser.press("End it now").await;
    assert!(browser.agree().await.contains("is refused from now on"));
    browser.sees("The key before does not work any more.").await;
    assert_eq!((post_with(&scene, &first).await, post_with(&scene, &second).await), (401, 200));
    for key in [&first, &second] {
        assert!(!shows(&browser, key).await, "a key is shown again");
    }
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_typed_into_studio_is_ready_to_copy() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console/sources/new?kind=studio").await;
    browser.fill("Key", "reception").await;
    browser.press("Save").await;
    browser.sees("Make HTTP Request").await;
    let url = curl::line(&browser, "widget-url").await;
    let key = curl::line(&browser, "write-key").await;
    assert_eq!(url, format!("{}/studio/{key}", scene.app.base()));
    curl::run_from(&browser, "line-curl").await.expect(200);
    browser.press("Journeys").await;
    browser.sees("order_confirmation").await;
    scene.finish([browser]).await;
}
