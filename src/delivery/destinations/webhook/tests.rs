use std::io::Read as _;
use std::time::Instant;

use flate2::read::GzDecoder;
use serde_json::json;

use super::*;
use crate::delivery::http_client::USER_AGENT;
use crate::delivery::test_deliveries::{NOW, delivery, network};
use crate::delivery::test_server::{Asked, Reply, TestServer};
use crate::domain::limits::RESPONSE_SNIPPET_BYTES;

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn call() -> Delivery {
    delivery(
        "u1",
        &serde_json::from_str(
            r#"{"type":"track","event":"Café","userId":"u1","properties":{"total":10.0,"rate":0.1}}"#,
        )
        .unwrap(),
    )
}

fn target(url: &str) -> WebhookUrl {
    WebhookUrl { url: url.to_owned(), headers: [("X-Team".to_owned(), "growth".to_owned())].into() }
}

fn signing(shared_secret: Option<&str>, signing_secrets: &[&str]) -> Signing {
    Signing {
        shared_secret: shared_secret.map(str::to_owned),
        signing_secrets: signing_secrets.iter().map(|&secret| secret.to_owned()).collect(),
    }
}

async fn send_with(urls: &[WebhookUrl], signing: &Signing, gzip: bool, delivery: &Delivery) -> Verdict {
    let network = network();
    let secrets = Secrets::default();
    let webhook = Webhook { urls, signing, gzip, timeout: Duration::from_millis(400), secrets: &secrets };
    webhook.requests_of(&network, std::slice::from_ref(delivery)).make(&[0]).await
}

async fn send_to(urls: &[WebhookUrl]) -> Verdict {
    send_with(urls, &signing(Some("s3cr3t"), &[]), false, &call()).await
}

/// What a receiver gets.
async fn received(signing: &Signing, gzip: bool, delivery: &Delivery) -> Asked {
    let server = TestServer::start(Reply::status(200)).await;
    let verdict = send_with(&[target(&server.url)], signing, gzip, delivery).await;
    assert_eq!(verdict.outcome, Outcome::Delivered, "{verdict:?}");
    server.asked().remove(0)
}

async fn answered(reply: Reply) -> Verdict {
    let server = TestServer::start(reply).await;
    send_to(&[target(&server.url)]).await
}

#[tokio::test]
async fn a_call_arrives_signed_and_whole() {
    let server = TestServer::start(Reply::with(200, "", "thanks")).await;
    let verdict = send_to(&[target(&server.url)]).await;
    assert_eq!(
        verdict,
        Verdict {
            outcome: Outcome::Delivered,
            signal: Signal::Good,
            status: Some(200),
            snippet: Some("thanks".to_owned()),
            error: None,
            receipt: None,
        }
    );
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /hook HTTP/1.1");
    assert_eq!(
        asked.body,
        r#"{"type":"track","event":"Café","userId":"u1","properties":{"total":10,"rate":0.1}}"#
    );
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", USER_AGENT),
        ("x-team", "growth"),
        ("x-signature", "9351369eefb7173a1b79cf5a149569d27894dfff"),
    ] {
        assert_eq!(asked.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let retry = Outcome::Retry { after: None };
    assert_eq!(answered(Reply::status(500)).await.outcome, retry);
    assert_eq!(answered(Reply::status(404)).await.outcome, Outcome::Failed);
    let busy = answered(Reply::with(429, "retry-after: 7\r\n", "slow down")).await;
    assert_eq!(busy.outcome, Outcome::Retry { after: Some(Span::from_secs(7)) });
    assert_eq!((busy.status, busy.snippet.as_deref()), (Some(429), Some("slow down")));
    let redirect = answered(Reply::with(302, "location: http://169.254.169.254/\r\n", "")).await;
    assert_eq!((redirect.outcome, redirect.status), (Outcome::Failed, Some(302)));
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let begun = Instant::now();
    for reply in [Reply::Never, Reply::Slow(Duration::from_secs(5), "HTTP/1.1 200 X\r\n\r\n".to_owned())] {
        let verdict = answered(reply).await;
        assert_eq!(verdict.outcome, Outcome::Retry { after: None });
        assert!(verdict.error.unwrap().contains("no complete answer within 400ms"));
    }
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_stalls_is_no_success() {
    let half = "HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nhalf".to_owned();
    for reply in [Reply::Raw(half.clone()), Reply::Stall(half)] {
        let verdict = answered(reply).await;
        assert_eq!(verdict.outcome, Outcome::Retry { after: None });
        assert_eq!((verdict.status, verdict.snippet.as_deref()), (Some(200), Some("half")));
    }
    let nothing = answered(Reply::Raw(String::new())).await;
    assert_eq!((nothing.outcome, nothing.status), (Outcome::Retry { after: None }, None));
}

#[tokio::test]
async fn only_the_beginning_of_a_long_answer_is_kept_and_read() {
    let half = format!("HTTP/1.1 200 X\r\ncontent-length: 60000\r\n\r\n{}", "x".repeat(2000));
    let verdict = answered(Reply::Raw(half)).await;
    assert_eq!(verdict.outcome, Outcome::Retry { after: None }, "it broke off after what is kept");
    assert_eq!(verdict.snippet.unwrap().len(), RESPONSE_SNIPPET_BYTES);
    let verdict = answered(Reply::with(200, "", &"x".repeat(1024 * 1024))).await;
    assert_eq!(verdict.outcome, Outcome::Delivered);
    assert_eq!(verdict.snippet.unwrap().len(), RESPONSE_SNIPPET_BYTES);
}

#[tokio::test]
async fn any_url_that_takes_it_is_enough() {
    let good = TestServer::start(Reply::status(204)).await;
    let bad = TestServer::start(Reply::status(500)).await;
    let verdict = send_to(&[target(&bad.url), target(&good.url)]).await;
    assert_eq!((verdict.outcome, verdict.status), (Outcome::Delivered, Some(204)));
    assert!(verdict.error.unwrap().contains("answered 500"));
    assert_eq!((good.asked().len(), bad.asked().len()), (1, 1));
}

#[tokio::test]
async fn one_failure_worth_a_retry_makes_all_try_again() {
    let gone = TestServer::start(Reply::status(410)).await;
    let busy = TestServer::start(Reply::with(503, "retry-after: 30\r\n", "")).await;
    let verdict = send_to(&[target(&gone.url), target(&busy.url)]).await;
    assert_eq!(verdict.outcome, Outcome::Retry { after: Some(Span::from_secs(30)) });
    assert_eq!(verdict.status, Some(503));
    let error = verdict.error.unwrap();
    assert!(error.contains("URL 1, http://") && error.contains("URL 2, http://"), "{error}");
    let verdict = send_to(&[target(&gone.url), target(&gone.url)]).await;
    assert_eq!(verdict.outcome, Outcome::Failed);
}

#[tokio::test]
async fn errors_show_no_secrets() {
    let verdict = send_to(&[target("http://user:pass@127.0.0.1:1/hook/h00k?token=t0ken")]).await;
    assert_eq!(verdict.outcome, Outcome::Retry { after: None });
    let error = verdict.error.unwrap();
    assert!(error.starts_with("http://127.0.0.1:1/…: could not connect:"), "{error}");
    for secret in ["pass", "t0ken", "h00k"] {
        assert!(!error.contains(secret), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_setting_of_an_address_costs_no_call() {
    let waits = async |targets: &[WebhookUrl]| {
        let verdict = send_to(targets).await;
        assert_eq!((verdict.outcome, verdict.signal), (Outcome::Retry { after: None }, Signal::None));
    };
    let mut odd = target("http://127.0.0.1:1/");
    odd.headers = [("X-Signature".to_owned(), "mine".to_owned())].into();
    waits(&[odd]).await;
    let mut illegal = target("http://127.0.0.1:1/");
    illegal.headers = [("X-Team".to_owned(), "a\r\nb".to_owned())].into();
    waits(&[illegal]).await;
    waits(&[target("ftp://127.0.0.1/")]).await;
    waits(&[]).await;
}

#[tokio::test]
async fn calls_are_named_and_timed_and_every_secret_signs() {
    let call = call();
    let asked = received(&signing(None, &[STANDARD_SECRET, "whsec_c2Vjb25k"]), false, &call).await;
    assert_eq!(asked.header("webhook-id"), call.id.to_string());
    assert_eq!(asked.header("webhook-timestamp"), (NOW / 1000).to_string());
    let seconds = NOW / 1000;
    let secrets = [STANDARD_SECRET.to_owned(), "whsec_c2Vjb25k".to_owned()];
    let wanted =
        crate::delivery::standard_webhooks::sign(&secrets, &call.id.to_string(), seconds, &asked.body)
            .unwrap();
    assert_eq!(asked.header("webhook-signature"), wanted);
    assert_eq!(wanted.split(' ').count(), 2);
    assert_eq!((asked.header("x-signature"), asked.header("x-stagepost-replay")), ("-", "-"));
    let asked = received(&Signing::default(), false, &call).await;
    assert_eq!(asked.header("webhook-id"), call.id.to_string());
    assert_eq!((asked.header("webhook-signature"), asked.header("x-signature")), ("-", "-"));
}

#[tokio::test]
async fn a_replay_says_so_and_is_the_same_otherwise() {
    let first = received(&signing(Some("s3cr3t"), &[]), false, &call()).await;
    let again = received(&signing(Some("s3cr3t"), &[]), false, &Delivery { replays: 2, ..call() }).await;
    assert_eq!(again.header("x-stagepost-replay"), "2");
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(again.header("x-signature"), first.header("x-signature"));
}

#[tokio::test]
async fn compressed_bodies_are_signed_as_what_they_unpack_to() {
    let signing = signing(Some("s3cr3t"), &[STANDARD_SECRET]);
    let plain = received(&signing, false, &call()).await;
    let packed = received(&signing, true, &call()).await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("-", "gzip"));
    let mut text = String::new();
    GzDecoder::new(packed.bytes.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.body);
    for name in ["x-signature", "content-type"] {
        assert_eq!(packed.header(name), plain.header(name), "{name}");
    }
    assert_eq!(packed.header("x-signature"), "9351369eefb7173a1b79cf5a149569d27894dfff");
    let twice = received(&signing, true, &call()).await;
    assert_eq!(twice.bytes, packed.bytes, "the same bytes on every try");
}

#[tokio::test]
async fn a_delete_notice_goes_out_byte_for_byte() {
    let notice = json!({ "type": "delete", "userId": "019mr8mf4r", "timestamp": "2012-12-02T00:30:08.276Z" });
    let asked = received(&signing(Some("s3cr3t"), &[]), false, &delivery("019mr8mf4r", &notice)).await;
    assert_eq!(
        asked.body,
        r#"{"type":"delete","userId":"019mr8mf4r","timestamp":"2012-12-02T00:30:08.276Z"}"#
    );
    assert_eq!(asked.header("x-signature"), "ce8a59eb51054286f0df3eb0c27b1a1be7a96e59");
}

#[tokio::test]
async fn what_was_not_sent_says_nothing_about_the_receiver() {
    let server = TestServer::start(Reply::status(410)).await;
    let mut odd = target(&server.url);
    odd.headers = [("webhook-id".to_owned(), "mine".to_owned())].into();
    let verdict = send_to(&[odd.clone()]).await;
    assert_eq!((verdict.outcome, verdict.signal), (Outcome::Retry { after: None }, Signal::None));
    let verdict = send_to(&[odd, target(&server.url)]).await;
    assert_eq!((verdict.outcome, verdict.signal), (Outcome::Retry { after: None }, Signal::Bad));
    assert_eq!(answered(Reply::Never).await.signal, Signal::Bad);
    // A setting that can be put right costs no call.
    let wrong = signing(None, &["whsec_***"]);
    let verdict = send_with(&[target(&server.url)], &wrong, false, &call()).await;
    assert_eq!((verdict.outcome, verdict.signal), (Outcome::Retry { after: None }, Signal::None));
    assert_eq!(verdict.error.as_deref(), Some("signing secret 1 is not base64 after `whsec_`"));
}
