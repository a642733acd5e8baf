//! A whole ladder through the real binary: a mail, a call, a task, and the link in the mail that ends it.

use std::time::Duration;

use serde_json::{Value, json};

use stagepost::clock::Clock;

use crate::mails::{Browser, links, mail, post};
use crate::support::api::Api;
use crate::support::server::Server;
use crate::support::smtp::Smtp;
use crate::support::twilio::FakeTwilio;
use crate::support::wait::eventually;

/// Four levels, a few seconds apart.
const BY_THEN: Duration = Duration::from_secs(60);

const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[flow]]
name = "reminder"

[[flow.escalation]]
stage = "no_reply"
after = "1s"
channel = "email"
to = ["ops@example.com"]
template = "no_reply"

[[flow.escalation]]
stage = "no_reply"
after = "3s"
channel = "call"
to = ["+15551230001"]

[[flow.escalation]]
stage = "no_reply"
after = "5s"
channel = "task"
attributes = { skill = "scheduling" }

[[flow.escalation]]
stage = "no_reply"
after = "15s"
channel = "call"
to = ["+15551230002"]

[twilio]
"#;

/// The channels of a journey's levels that fired, in their order.
async fn fired(api: &Api, journey: &str) -> Vec<String> {
    let shown = api.get(&format!("/api/journeys/{journey}")).await;
    let levels = shown["escalations"].as_array().expect("escalations").iter();
    levels.map(|it| it["channel"].as_str().expect("a channel").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_of_mail_call_and_task_ends_where_the_mails_link_is_followed() {
    let (smtp, twilio) = (Smtp::start(&[]), FakeTwilio::start(Clock::system()));
    let table = twilio.table();
    let lines = table.as_object().expect("a table").iter().map(|(key, value)| format!("{key} = {value}\n"));
    let server = Server::new(&format!("{DEFINITIONS}{}", lines.collect::<String>()))
        .with("STAGEPOST_SMTP_URL", &format!("smtp://127.0.0.1:{}", smtp.port()))
        .with("STAGEPOST_MAIL_FROM", "stagepost@example.com")
        .with("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "true")
        .started()
        .await;
    let api = server.api();
    let ada = post(api, "ada", "reminder", "no_reply").await;
    // Of him nobody takes notice.
    let bob = post(api, "bob", "reminder", "no_reply").await;
    eventually("the task of ada", BY_THEN, async || {
        (fired(api, &ada).await.len() == 3 && twilio.made().len() >= 4).then_some(())
    })
    .await;
    let kinds: Vec<_> = twilio.made().iter().map(|made| made.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "call").count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "task").count(), 2, "{kinds:?}");

    let mails = smtp.wait_for_mails(2, BY_THEN).await;
    let link = links(api, mail(&mails, "ada is stuck in reminder")).remove(0);
    let browser = Browser::new();
    let page = browser.open(&link).await;
    assert!(page.contains("task") && page.contains("ada"), "what happened so far: {page}");
    browser.press(&link, "name=Ann").await;

    eventually("the last level of bob", BY_THEN, async || (fired(api, &bob).await.len() == 4).then_some(()))
        .await;
    assert_eq!(fired(api, &bob).await, ["email", "call", "task", "call"]);
    assert_eq!(fired(api, &ada).await, ["email", "call", "task"], "acknowledged, it climbs no further");
    let shown: Value = api.get(&format!("/api/journeys/{ada}")).await;
    assert_eq!(
        (&shown["acknowledged"]["by"], &shown["acknowledged"]["via"]),
        (&json!("Ann"), &json!("mail")),
        "{shown:#}"
    );
    assert_eq!(twilio.violations(), [""; 0]);
}
