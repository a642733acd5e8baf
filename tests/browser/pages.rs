//! Every page that links lead to, looked at.

use crate::browser::Browser;
use crate::check::faults;
use crate::scene::Scene;
use crate::walk::{kind, walk};

/// What the page was answered with.
const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";

/// The headers that the page comes with.
const HEADERS: &str = "const done = arguments[0];
    fetch(location.href).then(answer => done(Object.fromEntries(answer.headers)), error => done(String(error)))";

/// What every page's headers have to say.
const TOLD: [(&str, &str); 12] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("content-security-policy", "default-src 'none';"),
    ("content-security-policy", "script-src 'self';"),
    ("content-security-policy", "style-src 'self';"),
    ("content-security-policy", "connect-src 'self';"),
    ("content-security-policy", "form-action 'self';"),
    ("content-security-policy", "base-uri 'none';"),
    ("content-security-policy", "frame-ancestors 'none'"),
];

/// What the headers of the page that is shown do not say, and should.
async fn untold(browser: &Browser) -> Vec<String> {
    let headers = browser.slow_script(HEADERS, vec![]).await;
    let says = |name: &str, words: &str| headers[name].as_str().is_some_and(|value| value.contains(words));
    let missing = TOLD.iter().filter(|(name, words)| !says(name, words));
    missing.map(|(name, words)| format!("{name} is {}, without `{words}`", headers[*name])).collect()
}

/// Fails with everything that is wrong with any page; their pictures' names begin with `prefix`.
async fn look_at_all(browser: &Browser, prefix: &str) {
    let mut wrong = Vec::new();
    walk(browser, 1, async |path| {
        if browser.script(STATUS, vec![]).await != 200 {
            wrong.push(format!("{path}: a link leads there, and there is no page"));
        }
        let mut found = faults(browser, &format!("{prefix}{}", kind(path))).await;
        found.extend(untold(browser).await);
        wrong.extend(found.into_iter().map(|it| format!("{path}: {it}")));
    })
    .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_something_to_show_are_fit_for_everybody() {
    let scene = Scene::start().await;
    for user in ["ada", "bob", "eve"] {
        scene.stalled(user).await;
        scene.dead_letter(user).await;
    }
    scene.stage("ada", "confirmed").await;
    scene.stage("joe", "initiation").await;
    let browser = scene.browser_of("admin").await;
    look_at_all(&browser, "").await;
    scene.finish([browser]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_nothing_to_show_teach_the_first_step() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    look_at_all(&browser, "empty-").await;
    scene.finish([browser]).await;
}
