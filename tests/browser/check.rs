//! What every page has to be: readable by everybody, whole on a phone, and made of nothing from elsewhere.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::peers;

/// Width and height of a laptop's window and of a phone's, in CSS pixels.
const LAPTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
/// The longest picture of a page, in CSS pixels.
const TALLEST: u32 = 4000;

/// Runs axe-core, which is there already; answers what is serious, with where it is. Frames hold mails, which are not ours to judge.
const AXE: &str = r"
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'], iframes: false }).then(
    found => done(found.violations.filter(it => ['serious', 'critical'].includes(it.impact)).flatMap(it =>
        it.nodes.map(node => `${it.id} (${it.impact}): ${it.help}: ${node.html}: ${node.failureSummary}`))),
    error => done([String(error)]));";

/// What is wrong with how the page is built.
const STRUCTURE: &str = r"
const wrong = [], count = css => document.querySelectorAll(css).length;
if (!document.title.trim()) wrong.push('no title');
if (!document.documentElement.lang) wrong.push('no language');
for (const one of ['h1', 'main'])
    if (count(one) !== 1) wrong.push(`${count(one)} of <${one}>`);
for (const field of document.querySelectorAll('input:not([type=hidden]),select,textarea'))
    if (!field.labels.length && !field.ariaLabel && !field.getAttribute('aria-labelledby'))
        wrong.push(`no label: ${field.outerHTML}`);
const ids = [...document.querySelectorAll('[id]')].map(it => it.id);
for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`twice: #${id}`);
for (const it of performance.getEntriesByType('resource'))
    if (!it.name.startsWith(location.origin + '/') && !it.name.startsWith('data:')) wrong.push(`from elsewhere: ${it.name}`);
return wrong;";

/// What reaches out of a phone's window.
const OVERFLOW: &str = r"
const width = arguments[0];
if (document.scrollingElement.scrollWidth <= width) return [];
return [`the page is ${document.scrollingElement.scrollWidth} wide`].concat(
    [...document.querySelectorAll('body *')].filter(it => it.getBoundingClientRect().left + it.scrollWidth > width + 1
        && !it.parentElement.closest('.scroll,.nav,pre'))
        .slice(-5).map(it => it.outerHTML.slice(0, 200)));";

/// Looks at the page that is shown in both themes and at a phone's width, leaves pictures of it as `name`, and fails with
/// everything that is wrong with it.
pub async fn check_page(browser: &Browser, name: &str) {
    let wrong = faults(browser, name).await;
    assert!(wrong.is_empty(), "{name}, {}:\n  {}", browser.path().await, wrong.join("\n  "));
}

/// Everything that is wrong with the page that is shown; pictures of it are left as `name`.
pub async fn faults(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = texts(browser.script(STRUCTURE, vec![]).await);
    for theme in ["light", "dark"] {
        dress(browser, theme, LAPTOP).await;
        let found = judge(browser).await;
        wrong.extend(found.into_iter().map(|it| format!("{theme}: {it}")));
        picture(browser, &format!("{name}-{theme}"), LAPTOP.0).await;
    }
    dress(browser, "light", PHONE).await;
    wrong.extend(too_wide(browser).await);
    picture(browser, &format!("{name}-phone"), PHONE.0).await;
    undress(browser).await;
    wrong.extend(browser.complaints().await);
    wrong
}

/// What of the page reaches out of a phone's window; nothing changes but the window.
pub async fn overflow(browser: &Browser) -> Vec<String> {
    dress(browser, "light", PHONE).await;
    let found = too_wide(browser).await;
    undress(browser).await;
    found
}

async fn too_wide(browser: &Browser) -> Vec<String> {
    let found = texts(browser.script(OVERFLOW, vec![json!(PHONE.0)]).await);
    found.into_iter().map(|it| format!("phone: {it}")).collect()
}

/// What axe-core finds.
async fn judge(browser: &Browser) -> Vec<String> {
    if browser.script("return typeof axe === 'undefined'", vec![]).await == json!(true) {
        browser.script(&peers::axe(), vec![]).await;
    }
    texts(browser.slow_script(AXE, vec![]).await)
}

/// A window of that size, and a person who likes that theme and nothing that moves.
async fn dress(browser: &Browser, theme: &str, (width, height): (u32, u32)) {
    let features = json!([
        { "name": "prefers-color-scheme", "value": theme },
        { "name": "prefers-reduced-motion", "value": "reduce" },
    ]);
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    let phone = width == PHONE.0;
    let window = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
    browser.devtools("Emulation.setDeviceMetricsOverride", window).await;
}

async fn undress(browser: &Browser) {
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
}

/// Leaves a picture of the whole page.
async fn picture(browser: &Browser, name: &str, width: u32) {
    // What stays in sight while somebody scrolls is where the page begins.
    browser.script("scrollTo(0, 0)", vec![]).await;
    let height = browser.script("return document.scrollingElement.scrollHeight", vec![]).await;
    let height = height.as_f64().expect("a height").min(f64::from(TALLEST));
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
    let taken = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
    let taken = browser.devtools("Page.captureScreenshot", taken).await;
    let bytes = STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).expect("the pictures' folder");
    std::fs::write(folder.join(format!("{name}.png")), bytes).expect("a picture's file");
}

fn texts(list: Value) -> Vec<String> {
    serde_json::from_value(list).expect("a list of texts")
}
