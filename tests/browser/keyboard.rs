//! A person without a mouse gets everywhere, and sees where he is.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::scene::{Scene, sign_in};

/// Parts of a date and time, and the button that opens a calendar.
const MOST_PARTS: usize = 8;

/// Everything that the tabulator has to reach, numbered in its order. Of the buttons that share a choice, it stops at one.
const NUMBER: &str = r"
const tabbable = [...document.querySelectorAll(
    'a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex]')]
    .filter(it => it.tabIndex >= 0 && !it.disabled && (it.checkVisibility() || it.matches('.skip')))
    .filter(it => it.type !== 'radio' || it.checked);
tabbable.forEach((it, at) => it.dataset.stop = at);
// From the top, wherever the page put the focus.
document.body.tabIndex = -1;
document.body.focus();
document.body.removeAttribute('tabindex');
return tabbable.map(it => it.outerHTML.slice(0, 120));";

/// The number of what has the focus, and whether that shows.
const FOCUS: &str = r"
const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
const inside = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
return [it.dataset.stop === undefined ? -1 : Number(it.dataset.stop), shown && inside];";

/// Walks through the page that is shown by the tabulator alone.
async fn walk(browser: &Browser) {
    // What changes by itself would lose its numbers.
    browser.script("document.querySelector('#hold:not([hidden])')?.click()", vec![]).await;
    let all: Vec<String> = serde_json::from_value(browser.script(NUMBER, vec![]).await).expect("a list");
    for (stop, it) in all.iter().enumerate() {
        let mut focus = next(browser).await;
        // A date has a stop for each of its parts.
        for _ in 0..MOST_PARTS {
            if focus[0] != json!(stop) && stop > 0 && focus[0] == json!(stop - 1) {
                focus = next(browser).await;
            }
        }
        assert_eq!(
            focus,
            json!([stop, true]),
            "{}: the tabulator's stop, and that it shows, at {it}",
            browser.path().await
        );
    }
}

/// Presses the tabulator; answers what has the focus now.
async fn next(browser: &Browser) -> Value {
    browser.key(Key::Tab).await;
    browser.script(FOCUS, vec![]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tabulator_reaches_everything_and_shows_where_it_is() {
    let scene = Scene::start().await;
    let journey = scene.stalled("u1").await;
    scene.order("u2", 10.0).await;
    scene.admit("admin").await;
    let browser = Browser::at(scene.app.base()).await;
    browser.go("/console/sign-in").await;
    walk(&browser).await;
    sign_in(&browser, "admin").await;
    let journey = format!("/console/journeys/{journey}");
    for path in
        ["/console", "/console/inbox", &journey, "/console/audiences/new", "/console/destinations/shop"]
    {
        browser.go(path).await;
        walk(&browser).await;
    }
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_stop_skips_the_navigation() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("viewer").await;
    browser.go("/console/inbox").await;
    browser.key(Key::Tab).await;
    let first = browser.script("return document.activeElement.textContent", vec![]).await;
    assert_eq!(first, json!("Skip to the content"));
    browser.key(Key::Enter).await;
    browser.holds("the focus is in the content", "return document.activeElement.id === 'main'").await;
    browser.key(Key::Tab).await;
    let inside =
        "return document.activeElement.closest('main') !== null || document.activeElement === document.body";
    assert_eq!(browser.script(inside, vec![]).await, Value::Bool(true), "the next stop is in the content");
    scene.finish([browser]).await;
}
