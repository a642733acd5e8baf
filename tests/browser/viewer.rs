//! Pages suit who looks at them: his theme, his clock.

use serde_json::json;

use crate::browser::Browser;
use crate::scene::Scene;

const BACKGROUND: &str = "return getComputedStyle(document.body).backgroundColor";

/// Every time on the page that is about that instant, as it is read and as it is told on hover.
const TIMES: &str = "return [...document.querySelectorAll('time')].filter(it => it.dateTime === arguments[0])
    .map(it => [it.textContent, it.title])";

async fn background(browser: &Browser) -> serde_json::Value {
    browser.script(BACKGROUND, vec![]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_theme_that_is_chosen_stays_until_another_is() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("viewer").await;
    browser.go("/console/journeys?status=stalled").await;
    let light = background(&browser).await;
    browser.press("Dark").await;
    browser.holds("it is dark", "return document.documentElement.dataset.theme === 'dark'").await;
    assert_eq!(browser.path().await, "/console/journeys?status=stalled", "he stays where he was");
    let dark = background(&browser).await;
    assert_ne!(light, dark);
    browser.press("Inbox").await;
    browser.sees("Nobody waits").await;
    assert_eq!(background(&browser).await, dark);
    browser.press("Light").await;
    browser.holds("it is light", "return document.documentElement.dataset.theme === 'light'").await;
    assert_eq!(background(&browser).await, light);
    browser.go("/console/me").await;
    browser.press("As the system").await;
    browser.holds("it is the system's", "return document.documentElement.dataset.theme === ''").await;
    let night = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", night).await;
    assert_eq!(background(&browser).await, dark, "the system's theme is dark now");
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_viewers_zone_with_utc_on_hover() {
    let scene = Scene::start().await;
    let id = scene.stage("ada", "initiation").await;
    let browser = scene.browser_of("viewer").await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Tokyo" })).await;
    // At ten in the morning of UTC it is seven in the evening there.
    for path in
        [format!("/console/journeys/{id}"), "/console/live".to_owned(), "/console/users/ada".to_owned()]
    {
        browser.go(&path).await;
        browser
            .holds("times are put into the zone", "return !document.querySelector('time[data-zone]')")
            .await;
        let times = browser.script(TIMES, vec![json!(crate::app::START)]).await;
        let times: Vec<(String, String)> = serde_json::from_value(times).expect("pairs of texts");
        assert!(!times.is_empty(), "{path}: no time is shown");
        for (shown, title) in times {
            assert!(
                shown.contains("07:00") && shown.contains("PM") || shown.contains("19:00"),
                "{path}: {shown}"
            );
            assert_eq!(title, "2026-11-21 10:00:00.000 UTC", "{path}");
        }
    }
    scene.finish([browser]).await;
}
