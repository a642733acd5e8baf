//! A flow's ladder is changed, its mail is seen before it is saved, and it is what people get.

use std::collections::BTreeSet;

use crate::check::check_page;
use crate::scene::{MINUTE, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_is_changed_and_its_mail_is_seen_before_it_is_saved() {
    let scene = Scene::start().await;
    let browser = scene.browser_of("admin").await;
    browser.go("/console").await;
    browser.press("Flows").await;
    browser.press("appointment_confirmation").await;
    browser.press("Edit").await;
    browser.fill("for", "soon").await;
    browser.press_within("main", "Save").await;
    browser.sees("Not saved.").await;
    browser.fill("for", "45m").await;
    browser.fill("Template", "stalled").await;
    browser.press("Show its fields").await;
    let previewed = "return document.querySelector('iframe.mail')?.src.includes('template=stalled')";
    browser.holds("the other mail is shown", previewed).await;
    browser.press("Add a level").await;
    browser.sees("Level 2").await;
    let offered =
        "return [...document.querySelectorAll('select[name$=\".template\"] option')].map(it => it.value)";
    let offered: BTreeSet<String> =
        serde_json::from_value(browser.script(offered, vec![]).await).expect("names");
    assert_eq!(offered.iter().collect::<Vec<_>>(), ["no_reply", "stalled"], "mails about stalls");
    browser.press("What it says").await;
    browser.sees("has been in the stage no_reply for 45 minutes").await;
    check_page(&browser, "flows-ladder").await;
    browser.press("Remove this level Level 2").await;
    browser.sees_no("Level 2").await;
    browser.press("Save").await;
    browser.sees("It holds from now on").await;
    browser.sees("for 45 minutes:").await;
    browser.press("Level 1 of no_reply").await;
    browser.press("Open the mail alone").await;
    browser.sees("appointment_confirmation").await;
    scene.stage("ada", "no_reply").await;
    scene.app.advance(30 * MINUTE).await;
    assert!(scene.app.mails().is_empty(), "it waits for longer now");
    scene.app.advance(15 * MINUTE).await;
    let (_, mail) = scene.app.mails().pop().expect("a mail");
    assert!(mail.contains("level 1 of 1, after 45 minutes"), "{mail}");
    scene.finish([browser]).await;
}
