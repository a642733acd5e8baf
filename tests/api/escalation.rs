//! Who does not answer is told of by mail, once per level.

use serde_json::{Value, json};

use crate::app::{Setup, TestApp, app};
use crate::studio::{FLOW, definitions, post_stage};

const MINUTE: i64 = 60_000;

/// The flow with two levels: after 30 minutes, and after an hour.
fn with_levels() -> Value {
    let level = |after: &str, to: &str| json!({ "stage": "no_reply", "after": after, "channel": "email", "to": [to], "template": "no_reply" });
    let mut document = definitions();
    document["flow"][0]["escalation"] =
        json!([level("30m", "ops@example.com"), level("1h", "boss@example.com")]);
    document
}

async fn started() -> TestApp {
    let app = app().await;
    app.apply(&with_levels()).await;
    app
}

/// The value of a mail's header, its folded lines joined.
fn header(mail: &str, name: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    let prefix = format!("{}:", name.to_ascii_lowercase());
    let line = head.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with(&prefix));
    line.map_or("-", |line| line[prefix.len()..].trim()).to_owned()
}

async fn journey(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/journeys/{id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reply_for_half_an_hour_becomes_one_mail() {
    let app = started().await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE - 1).await;
    assert!(app.mails().is_empty(), "not a millisecond early");
    app.advance(1).await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0].1;
    assert_eq!(header(mail, "to"), "ops@example.com");
    assert_eq!(header(mail, "from"), "stagepost@example.com");
    let subject = header(mail, "subject");
    assert!(subject.contains("u1") && subject.contains(FLOW), "{subject}");
    assert!(mail.contains("30 minutes"), "{mail}");
    assert_eq!(header(mail, "x-stagepost-journey"), id);
    assert_eq!(header(mail, "auto-submitted"), "auto-generated");

    let shown = journey(&app, &id).await;
    assert_eq!(shown["status"], "stalled");
    let escalation = &shown["escalations"][0];
    assert_eq!(
        (&escalation["level"], &escalation["channel"], &escalation["at"], &escalation["status"]),
        (&json!(1), &json!("email"), &json!("2026-11-21T10:30:00.000Z"), &json!("delivered"))
    );
    let delivery = escalation["deliveryId"].as_str().unwrap();
    assert_eq!(header(mail, "message-id"), format!("<{delivery}@example.com>"));
    let delivery = app.get(&format!("/api/deliveries/{delivery}")).await;
    assert_eq!((&delivery["destination"], &delivery["status"]), (&json!("email"), &json!("delivered")));

    for _ in 0..3 {
        app.advance(1000).await;
    }
    assert_eq!(app.mails(), mails, "once");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_not_repeated_after_a_restart() {
    let mut app = Setup::new().on_disk().start().await;
    app.apply(&with_levels()).await;
    post_stage(&app, "u1", "no_reply").await;
    app.restart().await;
    app.advance(31 * MINUTE).await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    std::fs::remove_file(app.mail_folder().join(&mails[0].0)).unwrap();
    app.restart().await;
    app.apply(&with_levels()).await;
    app.advance(MINUTE).await;
    assert!(app.mails().is_empty(), "it was sent before");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_due_while_the_server_was_down_is_sent_at_the_start() {
    let mut app = Setup::new().on_disk().start().await;
    app.apply(&with_levels()).await;
    post_stage(&app, "u1", "no_reply").await;
    app.set_clock(stagepost::domain::time::Timestamp::from_millis(app.now().millis() + 40 * MINUTE));
    app.restart().await;
    assert_eq!(app.mails().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_time_means_no_mail() {
    let app = started().await;
    for (user, end) in [("u1", "confirmed"), ("u2", "cancelled")] {
        post_stage(&app, user, "no_reply").await;
        app.advance(10 * MINUTE).await;
        let id = post_stage(&app, user, end).await;
        assert_eq!(journey(&app, &id).await["status"], "completed");
    }
    app.advance(120 * MINUTE).await;
    assert!(app.mails().is_empty());
    assert_eq!(app.get("/api/deliveries").await["deliveries"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_level_follows_unless_the_first_is_acknowledged() {
    let app = started().await;
    let seen = post_stage(&app, "seen", "no_reply").await;
    post_stage(&app, "unseen", "no_reply").await;
    app.advance(30 * MINUTE).await;
    assert_eq!(app.mails().len(), 2);
    let note = json!({ "by": "ada", "reason": "I call him" });
    let path = format!("/api/journeys/{seen}/acknowledge");
    let shown = app.call("POST", &path, Some(&note)).await.expect(200).json();
    assert_eq!(
        (&shown["acknowledged"]["by"], &shown["acknowledged"]["reason"]),
        (&json!("ada"), &json!("I call him"))
    );
    app.advance(30 * MINUTE).await;
    let to: Vec<_> = app.mails().iter().map(|(_, mail)| header(mail, "to")).collect();
    assert_eq!(to, ["ops@example.com", "ops@example.com", "boss@example.com"]);
    let (_, last) = app.mails().pop().unwrap();
    assert!(header(&last, "subject").contains("unseen"), "{last}");
    assert_eq!(journey(&app, &seen).await["escalations"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolved_journey_is_closed() {
    let app = started().await;
    let id = post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let path = format!("/api/journeys/{id}/resolve");
    let note = json!({ "by": "ada", "reason": "he came by" });
    let shown = app.call("POST", &path, Some(&note)).await.expect(200).json();
    assert_eq!((&shown["status"], &shown["resolved"]["by"]), (&json!("resolved"), &json!("ada")));
    app.advance(60 * MINUTE).await;
    assert_eq!(app.mails().len(), 1, "level 2 is not sent");
    assert_eq!(app.call("POST", &path, Some(&note)).await.expect(409).code(), "conflict");
    assert_eq!(app.call("POST", "/api/journeys/jny_x/resolve", None).await.expect(404).code(), "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_run_sends_nothing_more() {
    let app = started().await;
    post_stage(&app, "u1", "initiation").await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(10 * MINUTE).await;
    post_stage(&app, "u1", "initiation").await;
    app.advance(120 * MINUTE).await;
    assert!(app.mails().is_empty());
    app.finish().await;
}
