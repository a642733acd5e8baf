//! The pages behind the links of mails.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::browser::Browser;
use crate::check::check_page;

const MINUTE: i64 = 60_000;

fn definitions() -> Value {
    let level = json!({ "stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply" });
    json!({
        "source": [{ "key": "studio", "kind": "studio", "write_key": "wk_studio" }],
        "flow": [{ "name": "reminder", "initial": "initiation", "terminal": ["confirmed"], "escalation": [level] }],
    })
}

/// The links of the mail that tells of this user's stall, from their paths on.
async fn links_of_stall(app: &TestApp, user: &str) -> Vec<String> {
    let body =
        json!({ "userID": user, "phoneNumber": "+14155550100", "flow": "reminder", "stage": "no_reply" });
    app.post_json("/studio/wk_studio", &body).await.expect(200);
    app.advance(30 * MINUTE).await;
    let (_, mail) = app.mails().pop().expect("a mail");
    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
    let begin = format!("{}/act/", app.base());
    let links = mail.lines().filter(|line| line.starts_with(&begin));
    links.map(|line| line.trim_end()[app.base().len()..].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_acknowledged_from_a_mail() {
    let app = app().await;
    app.apply(&definitions()).await;
    let links = links_of_stall(&app, "u1").await;
    let browser = Browser::at(app.base()).await;
    browser.go(&links[0]).await;
    check_page(&browser, "act").await;
    browser.fill("Your name", "Ann Lee").await;
    browser.fill("Note", "I call him").await;
    browser.press("Acknowledge").await;
    browser.sees("Acknowledged. This stall raises no further alarms.").await;
    browser.sees("I call him").await;
    check_page(&browser, "act-acknowledged").await;
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_resolved_from_a_mail_without_scripts() {
    let app = app().await;
    app.apply(&definitions()).await;
    let hostile = format!("<img src=x onerror=\"window.__owned=1\">{}", "W".repeat(150));
    let links = links_of_stall(&app, &hostile).await;
    let browser = Browser::without_scripts(app.base()).await;
    browser.go(&links[0]).await;
    browser.sees(&hostile).await;
    browser.press("Resolve").await;
    browser.sees("Resolved. The journey is closed.").await;
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_does_not_work_says_so() {
    let app = app().await;
    let browser = Browser::at(app.base()).await;
    browser.go("/act/nonsense").await;
    browser.sees("This link does not work").await;
    check_page(&browser, "act-refused").await;
    browser.close().await;
    app.finish().await;
}
