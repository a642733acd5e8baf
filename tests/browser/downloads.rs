//! What is downloaded is what is on the page, and no spreadsheet takes it for formulas.

use std::time::Duration;

use serde_json::json;

use crate::scene::Scene;
use crate::support::wait::eventually;

/// What a spreadsheet would compute, or ask others about.
const FORMULAS: [&str; 6] =
    ["=1+1", "+1+1", "-2+3", "@SUM(A1:A9)", "\t=1+1", "=HYPERLINK(\"http://evil.example\",\"more, here\")"];

#[tokio::test(flavor = "multi_thread")]
async fn members_are_downloaded_and_none_is_a_formula() {
    let scene = Scene::start().await;
    scene.mend_shop();
    for user in ["ada", "eve"].into_iter().chain(FORMULAS) {
        scene.order(user, 20.0).await;
    }
    let refund = json!({ "userId": "bob", "event": "Order Completed", "properties": { "total": -5.5 } });
    scene.call("track", refund).await;
    let browser = scene.browser_of("marketer").await;
    let folder = tempfile::tempdir().expect("a folder");
    let allowed = json!({ "behavior": "allow", "downloadPath": folder.path() });
    browser.devtools("Browser.setDownloadBehavior", allowed).await;
    for (page, name) in [("audiences/buyers", "buyers.csv"), ("traits/total_spend", "total_spend.csv")] {
        browser.go(&format!("/console/{page}")).await;
        browser.press("Download CSV").await;
        let file = folder.path().join(name);
        let limit = Duration::from_secs(20);
        let whole = async || std::fs::read_to_string(&file).ok().filter(|text| !text.is_empty());
        let text = eventually("the file is there", limit, whole).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 2 + FORMULAS.len() + 1, "{text}");
        for line in &lines {
            let first = line.trim_start_matches('"');
            assert!(!first.starts_with(['=', '+', '-', '@', '\t']), "a formula: {line}");
        }
        for who in ["ada", "eve", "'=1+1", "'@SUM(A1:A9)"] {
            assert!(lines.iter().any(|line| line.starts_with(&format!("{who},"))), "{who} in {text}");
        }
        // A number that is less than nothing stays one.
        assert!(name == "buyers.csv" || text.contains("bob,-5.5,"), "{text}");
    }
    scene.finish([browser]).await;
}
