//! Every page that links lead to, looked at.

use crate::browser::Browser;
use crate::check::faults;
use crate::scene::Scene;
use crate::walk::{kind, walk};

/// What the page was answered with.
const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";

/// Fails with everything that is wrong with any page; their pictures' names begin with `prefix`.
async fn look_at_all(browser: &Browser, prefix: &str) {
    let mut wrong = Vec::new();
    walk(browser, 1, async |path| {
        if browser.script(STATUS, vec![]).await != 200 {
            wrong.push(format!("{path}: a link leads there, and there is no page"));
        }
        let found = faults(browser, &format!("{prefix}{}", kind(path))).await;
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
