//! Escalation mails through a real SMTP server, in good days and bad.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::smtp::Smtp;
use crate::support::wait::eventually;

/// A mail that is due at once has arrived by then.
const SOON: Duration = Duration::from_secs(15);
/// The same after one retry, which waits ten seconds and some.
const AFTER_A_RETRY: Duration = Duration::from_secs(45);
/// The same after a conversation of thirty seconds that led nowhere.
const AFTER_A_TIMEOUT: Duration = Duration::from_secs(90);

const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[flow]]
name = "appointment_confirmation"
initial = "initiation"
terminal = ["confirmed", "cancelled"]

[[flow.escalation]]
stage = "no_reply"
after = "1s"
channel = "email"
to = ["ops@example.com", "desk@example.com"]
template = "no_reply"
"#;

/// A server that mails through `url`.
async fn server(url: &str, more: &str) -> Server {
    Server::new(&format!("{DEFINITIONS}{more}"))
        .with("STAGEPOST_SMTP_URL", url)
        .with("STAGEPOST_MAIL_FROM", "stagepost@example.com")
        .started()
        .await
}

async fn plain(smtp: &Smtp) -> Server {
    server(&format!("smtp://127.0.0.1:{}", smtp.port()), "").await
}

async fn post(api: &Api, user: &str, stage: &str) -> String {
    let body = json!({"userID": user, "phoneNumber": "+15550002222", "flow": "appointment_confirmation", "stage": stage});
    let answer = api.post("/studio/wk_studio", &body).await;
    answer.body["journeyId"].as_str().expect("a journeyId").to_owned()
}

/// Waits until the user's mail has this status; gives back the delivery with its attempts.
async fn settled(api: &Api, user: &str, status: &str, limit: Duration) -> Value {
    let path = format!("/api/deliveries?destination=email&userId={user}&status={status}");
    let found = eventually(&format!("the mail for {user} is {status}"), limit, async || {
        api.get(&path).await["deliveries"].as_array()?.first().cloned()
    })
    .await;
    api.get(&format!("/api/deliveries/{}", found["id"].as_str().expect("an id"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_journey_is_mailed_once_and_a_confirmed_one_never() {
    let smtp = Smtp::start(&[]);
    let mut server = plain(&smtp).await;
    let api = server.api();
    post(api, "ada", "initiation").await;
    post(api, "bob", "initiation").await;
    post(api, "bob", "no_reply").await;
    post(api, "bob", "confirmed").await;
    let journey = post(api, "ada", "no_reply").await;

    let mails = smtp.wait_for_mails(1, SOON).await;
    let mail = &mails[0];
    assert_eq!(mail["mailFrom"], "stagepost@example.com");
    assert_eq!(mail["rcptTos"], json!(["ops@example.com", "desk@example.com"]));
    let header = |name: &str| mail["headers"][name].as_str().unwrap_or_default();
    assert!(header("From").contains("stagepost@example.com"), "{mail:#}");
    assert!(header("To").contains("ops@example.com"), "{mail:#}");
    assert!(!header("Subject").is_empty() && !header("Date").is_empty(), "{mail:#}");
    let types: Vec<&str> =
        mail["parts"].as_array().expect("parts").iter().filter_map(|part| part["type"].as_str()).collect();
    assert_eq!(types, ["text/plain", "text/html"], "{mail:#}");
    for part in mail["parts"].as_array().expect("parts") {
        let text = part["text"].as_str().expect("text");
        assert!(text.contains("ada") && text.contains("appointment_confirmation"), "{text}");
    }

    let delivery = settled(api, "ada", "delivered", SOON).await;
    let id = delivery["id"].as_str().expect("an id");
    assert!(header("Message-ID").contains(id), "{} for {id}", header("Message-ID"));
    let journey = api.get(&format!("/api/journeys/{journey}")).await;
    assert_eq!(journey["status"], "stalled");
    assert_eq!(journey["escalations"].as_array().map(Vec::len), Some(1), "{journey:#}");
    assert_eq!(journey["escalations"][0]["deliveryId"], delivery["id"]);

    // Bob's was due before Ada's: had it been sent, it would be there. A restart sends nothing again either.
    server.restart().await;
    post(server.api(), "cyd", "no_reply").await;
    let mails = smtp.wait_for_mails(2, SOON).await;
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert_eq!(smtp.tries().len(), 2);
    assert_eq!(server.api().rows("/api/deliveries?userId=bob", "deliveries").await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_4xx_is_tried_again_and_arrives_once() {
    for at in ["rcpt", "data"] {
        let smtp = Smtp::start(&["--at", at, "--answer", "451 4.3.0 try again later", "--answer", "250 OK"]);
        let server = plain(&smtp).await;
        post(server.api(), "ada", "no_reply").await;
        let delivery = settled(server.api(), "ada", "delivered", AFTER_A_RETRY).await;
        let attempts = delivery["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 2, "{at}: {delivery:#}");
        assert_eq!(attempts[0]["status"], "retry", "{at}: {delivery:#}");
        assert!(attempts[0].to_string().contains("451"), "{at}: {delivery:#}");

        // Where one address was put off, the other need not wait; each gets the mail once, and it is the same mail.
        let mails = smtp.mails();
        let mut signal: Vec<&str> = mails
            .iter()
            .flat_map(|mail| mail["rcptTos"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        signal.sort_unstable();
        assert_eq!(signal, ["desk@example.com", "ops@example.com"], "{at}");
        assert!(
            mails.iter().all(|mail| mail["headers"]["Message-ID"] == mails[0]["headers"]["Message-ID"]),
            "{at}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_5xx_is_final_and_says_why() {
    for at in ["rcpt", "data"] {
        let smtp = Smtp::start(&["--at", at, "--answer", "550 5.1.1 no such mailbox"]);
        let server = plain(&smtp).await;
        post(server.api(), "ada", "no_reply").await;
        let delivery = settled(server.api(), "ada", "failed", SOON).await;
        let attempts = delivery["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 1, "{at}: {delivery:#}");
        assert!(attempts[0].to_string().contains("550"), "{at}: {delivery:#}");
        assert!(attempts[0].to_string().contains("no such mailbox"), "{at}: {delivery:#}");
        assert!(
            smtp.mails().is_empty() && smtp.tries().len() <= 2,
            "{at}: each address once: {:#?}",
            smtp.tries()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_gets_its_mail_once() {
    let smtp = Smtp::start(&["--delay", "5"]);
    let server = plain(&smtp).await;
    post(server.api(), "ada", "no_reply").await;
    let delivery = settled(server.api(), "ada", "delivered", SOON).await;
    assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(1), "{delivery:#}");
    assert_eq!(smtp.tries().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_tried_again_and_holds_up_nobody() {
    tokio::join!(hangs_at("connect"), hangs_at("data"), hangs_up());
}

/// The first conversation falls silent: before its greeting, or after the mail's last line.
async fn hangs_at(at: &str) {
    let smtp = Smtp::start(&["--at", at, "--answer", "hang", "--answer", "250 OK"]);
    let receiver = Receiver::taking_all();
    let server = server(
        &format!("smtp://127.0.0.1:{}", smtp.port()),
        &format!(
            r#"
            [[destination]]
            key = "crm"
            kind = "webhook"
            urls = [{{ url = "{}" }}]

            [[audience]]
            name = "Buyers"
            query = "event('Order Completed').within(30 days).count() >= 1"
            destinations = ["crm"]

            [[source]]
            key = "shop"
            kind = "http"
            write_key = "wk_webshop"
            "#,
            receiver.url("/hook")
        ),
    )
    .await;
    post(server.api(), "ada", "no_reply").await;
    smtp.wait_for_tries(1, SOON).await;

    // The mail hangs; posts are answered and other calls leave, those of the same user too.
    for user in ["ada", "bob"] {
        let order = json!({"userId": user, "event": "Order Completed", "properties": {"total": 1}, "writeKey": "wk_webshop"});
        server.api().post("/v1/track", &order).await;
    }
    receiver.wait_until("both calls left", Duration::from_secs(10), |requests| requests.len() >= 2).await;
    assert!(smtp.mails().is_empty(), "{at}: the mail should still hang");

    smtp.wait_for_mails(1, AFTER_A_TIMEOUT).await;
    let delivery = settled(server.api(), "ada", "delivered", SOON).await;
    assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(2), "{at}: {delivery:#}");
    assert_eq!(smtp.mails().len(), 1, "{at}");
    // What may have arrived twice came under one id.
    let mut ids: Vec<Value> =
        smtp.tries().iter().map(|entry| entry["headers"]["Message-ID"].clone()).collect();
    ids.retain(|id| !id.is_null());
    ids.dedup();
    assert_eq!(ids.len(), 1, "{at}: {ids:?}");
}

/// The first conversation is cut after the mail's last line.
async fn hangs_up() {
    let smtp = Smtp::start(&["--answer", "close", "--answer", "250 OK"]);
    let server = plain(&smtp).await;
    post(server.api(), "ada", "no_reply").await;
    smtp.wait_for_mails(1, AFTER_A_RETRY).await;
    let tries = smtp.tries();
    assert_eq!(tries.len(), 2, "{tries:#?}");
    assert_eq!(tries[0]["headers"]["Message-ID"], tries[1]["headers"]["Message-ID"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_with_a_private_authority_and_a_password() {
    let smtp = Smtp::start(&["--tls", "starttls", "--auth", "mailer:s3cret/word"]);
    let url = format!(
        "smtp://mailer:s3cret%2Fword@localhost:{}?tls=required&ca={}",
        smtp.port(),
        smtp.authority().display()
    );
    let server = server(&url, "").await;
    post(server.api(), "ada", "no_reply").await;
    let mails = smtp.wait_for_mails(1, SOON).await;
    assert_eq!(mails[0]["tls"], true);
    assert_eq!(mails[0]["user"], "mailer");
    settled(server.api(), "ada", "delivered", SOON).await;
    assert!(!server.log().contains("s3cret"), "the log tells the password:\n{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte() {
    let smtp = Smtp::start(&["--tls", "implicit", "--auth", "mailer:secret"]);
    let url = format!("smtps://mailer:secret@localhost:{}?ca={}", smtp.port(), smtp.authority().display());
    let server = server(&url, "").await;
    post(server.api(), "ada", "no_reply").await;
    let mails = smtp.wait_for_mails(1, SOON).await;
    assert_eq!(mails[0]["tls"], true);
    assert_eq!(mails[0]["user"], "mailer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_encrypted_is_not_sent_in_the_clear_or_to_a_stranger() {
    // One server offers no TLS; the other's authority is unknown to us.
    for tls in ["none", "starttls"] {
        let smtp = Smtp::start(&["--tls", tls]);
        let server = server(&format!("smtp://localhost:{}?tls=required", smtp.port()), "").await;
        post(server.api(), "ada", "no_reply").await;
        let path = "/api/deliveries?destination=email&userId=ada";
        let attempt = eventually("an attempt was made", SOON, async || {
            let id = server.api().get(path).await["deliveries"][0]["id"].as_str()?.to_owned();
            let delivery = server.api().get(&format!("/api/deliveries/{id}")).await;
            delivery["attempts"].as_array()?.first().cloned()
        })
        .await;
        assert_ne!(attempt["status"], "delivered", "{tls}: {attempt:#}");
        assert!(attempt["error"].is_string(), "{tls}: {attempt:#}");
        assert!(smtp.tries().is_empty(), "{tls}: {:#?}", smtp.tries());
    }
}
