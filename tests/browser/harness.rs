//! The tests' own eyes: a page with every fault is found to have them, and scripts that are not to run don't.

use crate::browser::Browser;
use crate::check::faults;
use crate::support::receiver::{Receiver, Reply};

const FAULTY: &str = r#"<!doctype html><meta charset="utf-8"><title> </title>
<style>.pale { color: #ccc } @media (prefers-color-scheme: dark) { .pale { color: #000 } .night { color: #eee } }</style>
<script>console.error("said the script")</script>
<h1>One</h1><h1>Two</h1><p id="a" class="pale">By day</p><p id="a" class="night">By night</p>
<input name="nameless"><img src="https://elsewhere.example/x.png" alt="">
<div style="width: 800px">Wide</div>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_page_is_found_out() {
    let server = Receiver::start(|_, _| Reply::with_body(200, FAULTY));
    let browser = Browser::at(&server.url("")).await;
    browser.go("/").await;
    let found = faults(&browser, "harness").await;
    for fault in [
        "no title",
        "no language",
        "2 of <h1>",
        "0 of <main>",
        "no label: <input name=\"nameless\">",
        "twice: #a",
        "from elsewhere: https://elsewhere.example/x.png",
        "light: color-contrast (serious)",
        "dark: color-contrast (serious)",
        "phone: the page is ",
        "said the script",
        "Failed to load resource",
    ] {
        assert!(found.iter().any(|it| it.contains(fault)), "{fault} in:\n  {}", found.join("\n  "));
    }
    let night = |theme: &str| found.iter().any(|it| it.starts_with(theme) && it.contains("By night"));
    assert!(night("dark") && !night("light"), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_run_unless_somebody_lets_none_run() {
    let page = r#"<title>Script</title><p>plain</p><script>document.querySelector("p").textContent = "ran"</script>"#;
    let server = Receiver::start(move |_, _| Reply::with_body(200, page));
    for (browser, text) in [
        (Browser::at(&server.url("")).await, "ran"),
        (Browser::without_scripts(&server.url("")).await, "plain"),
    ] {
        browser.go("/").await;
        assert_eq!(browser.text().await, text);
        browser.close().await;
    }
}
