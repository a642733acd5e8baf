use std::time::Instant;

use super::*;
use crate::delivery::http_client::USER_AGENT;
use crate::delivery::test_server::{Reply, TestServer};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::limits::RESPONSE_SNIPPET_BYTES;

fn call() -> Map<String, Value> {
    serde_json::from_str(
        r#"{"type":"track","event":"Café","userId":"u1","properties":{"total":10.0,"rate":0.1}}"#,
    )
    .unwrap()
}

fn target(url: &str) -> WebhookUrl {
    WebhookUrl { url: url.to_owned(), headers: [("X-Team".to_owned(), "growth".to_owned())].into() }
}

async fn send_to(urls: &[WebhookUrl]) -> Verdict {
    let client = HttpClient::new(AddressPolicy::allow_all()).unwrap();
    let now = Timestamp::parse_lenient("2026-11-21T10:00:00Z").unwrap();
    send(&client, urls, Some("s3cr3t"), &call(), Duration::from_millis(400), now).await
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
            status: Some(200),
            snippet: Some("thanks".to_owned()),
            error: None
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
async fn only_the_beginning_of_a_long_answer_is_read() {
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
async fn what_no_request_can_be_made_of_is_final() {
    let mut odd = target("http://127.0.0.1:1/");
    odd.headers = [("X-Signature".to_owned(), "mine".to_owned())].into();
    assert_eq!(send_to(&[odd]).await.outcome, Outcome::Failed);
    let mut illegal = target("http://127.0.0.1:1/");
    illegal.headers = [("X-Team".to_owned(), "a\r\nb".to_owned())].into();
    assert_eq!(send_to(&[illegal]).await.outcome, Outcome::Failed);
    assert_eq!(send_to(&[target("ftp://127.0.0.1/")]).await.outcome, Outcome::Failed);
    assert_eq!(send_to(&[]).await.outcome, Outcome::Failed);
}
