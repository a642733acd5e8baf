//! Access tokens by client credentials.

use std::time::Duration;

use serde_json::{Value, json};

use super::{action, send_all, send_by, track};
use crate::delivery::destinations::Network;
use crate::delivery::http_client::HttpClient;
use crate::delivery::sender::Sent;
use crate::delivery::test_deliveries::{NOW, network};
use crate::delivery::test_server::{Asked, Reply, TestServer};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::{Action, Auth};
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::health::Signal;
use crate::domain::time::{Span, Timestamp};

/// Hands out `token-0`, `token-1`, … for an hour each.
async fn issuer() -> TestServer {
    TestServer::scripted(|_, n| {
        token(&json!({ "access_token": format!("token-{n}"), "token_type": "Bearer", "expires_in": 3600 }))
    })
    .await
}

fn token(fields: &Value) -> Reply {
    Reply::with(200, "content-type: application/json\r\n", &fields.to_string())
}

fn oauth2(token_url: &str, scope: Option<&str>) -> Auth {
    Auth::OAuth2 {
        token_url: token_url.to_owned(),
        client_id: "client: 1".to_owned(),
        client_secret: "s3cr3t/ü".to_owned(),
        scope: scope.map(str::to_owned),
        audience: scope.map(|_| "https://erp.example.com".to_owned()),
    }
}

fn authorized(url: &str, issuer: &TestServer) -> Action {
    Action { auth: Some(oauth2(&issuer.url, None)), ..action(url) }
}

fn calls(count: usize) -> Vec<Delivery> {
    (0..count).map(|n| track(&format!("u{n}"), json!({}))).collect()
}

fn tokens(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|asked| asked.header("authorization")).collect()
}

fn later(network: &Network, seconds: i64) {
    network.clock.set(Timestamp::from_millis(NOW).plus(Span::from_secs(seconds)));
}

fn error(sent: &Sent) -> &str {
    sent.attempt.as_ref().unwrap().error.as_deref().unwrap()
}

#[tokio::test]
async fn a_token_is_asked_for_as_the_standard_says() {
    let (issuer, receiver) = (issuer().await, TestServer::start(Reply::status(200)).await);
    let action =
        Action { auth: Some(oauth2(&issuer.url, Some("orders:write a b"))), ..action(&receiver.url) };
    let sent = send_all(action, &calls(1)).await;
    assert_eq!(sent[0].outcome, Outcome::Delivered);
    let asked = &issuer.asked()[0];
    assert_eq!(asked.line, "POST /hook HTTP/1.1");
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked.header("accept"), "application/json");
    // `client%3A+1:s3cr3t%2F%C3%BC`
    assert_eq!(asked.header("authorization"), "Basic Y2xpZW50JTNBKzE6czNjcjN0JTJGJUMzJUJD");
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&scope=orders%3Awrite+a+b&audience=https%3A%2F%2Ferp.example.com"
    );
    assert_eq!(tokens(&receiver.asked()), ["Bearer token-0"]);
}

#[tokio::test]
async fn one_token_serves_all_until_shortly_before_its_end() {
    let (issuer, receiver) = (issuer().await, TestServer::start(Reply::status(200)).await);
    let network = network();
    let action = authorized(&receiver.url, &issuer);
    send_by(&network, action.clone(), &calls(8)).await;
    assert_eq!(issuer.asked().len(), 1, "the others waited for it");
    assert_eq!(tokens(&receiver.asked()), ["Bearer token-0"; 8]);
    later(&network, 3600 - 61);
    send_by(&network, action.clone(), &calls(1)).await;
    assert_eq!(issuer.asked().len(), 1);
    later(&network, 3600 - 60);
    send_by(&network, action.clone(), &calls(1)).await;
    assert_eq!((issuer.asked().len(), receiver.asked()[9].header("authorization")), (2, "Bearer token-1"));
    // Other settings, another token.
    let other = Action { auth: Some(oauth2(&issuer.url, Some("more"))), ..action };
    send_by(&network, other, &calls(1)).await;
    assert_eq!(issuer.asked().len(), 3);
}

#[tokio::test]
async fn short_lives_and_unknown_ones() {
    for (fields, good_until, over_at) in [
        (json!({ "access_token": "t", "token_type": "bearer", "expires_in": "100" }), 89, 90),
        (json!({ "access_token": "t" }), 599, 600),
        (json!({ "access_token": "t", "expires_in": 1e30 }), 24 * 3600 - 61, 24 * 3600 - 60),
        (json!({ "access_token": "t", "expires_in": -5 }), 0, 0),
    ] {
        let issuer = TestServer::scripted(move |_, _| token(&fields)).await;
        let receiver = TestServer::start(Reply::status(200)).await;
        let network = network();
        for (at, asked) in [
            (0, 1),
            (good_until, if over_at == 0 { 2 } else { 1 }),
            (over_at, if over_at == 0 { 3 } else { 2 }),
        ] {
            later(&network, at);
            send_by(&network, authorized(&receiver.url, &issuer), &calls(1)).await;
            assert_eq!(issuer.asked().len(), asked, "at {at} of {over_at}");
        }
    }
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_replaced_once() {
    let issuer = issuer().await;
    let receiver = TestServer::scripted(|asked, _| {
        Reply::status(if asked.header("authorization") == "Bearer token-1" { 200 } else { 401 })
    })
    .await;
    let network = network();
    let action = authorized(&receiver.url, &issuer);
    // A new token that is not taken is no matter of age.
    let sent = send_by(&network, action.clone(), &calls(1)).await;
    assert_eq!((&sent[0].outcome, sent[0].signal), (&Outcome::Failed, Signal::Bad));
    assert_eq!((issuer.asked().len(), receiver.asked().len()), (1, 1));
    let sent = send_by(&network, action.clone(), &calls(1)).await;
    assert_eq!(
        (&sent[0].outcome, sent[0].attempt.as_ref().unwrap().http_status),
        (&Outcome::Delivered, Some(200))
    );
    assert_eq!(tokens(&receiver.asked()), ["Bearer token-0", "Bearer token-0", "Bearer token-1"]);
    let sent = send_by(&network, action, &calls(1)).await;
    assert_eq!((&sent[0].outcome, issuer.asked().len()), (&Outcome::Delivered, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_all_is_tried_again() {
    let receiver = TestServer::start(Reply::status(200)).await;
    for (reply, wanted) in [
        (
            Reply::with(401, "", r#"{"error":"invalid_client","error_description":"s3cr3t"}"#),
            "answered 401, invalid_client",
        ),
        (Reply::with(400, "", r#"{"error":"<b>!"}"#), "answered 400"),
        (Reply::status(302), "answered 302"),
        (Reply::with(200, "", "<html>"), "answered 200, but not with the JSON of a token"),
        (token(&json!({ "token_type": "bearer" })), "answered 200 without `access_token`"),
        (
            token(&json!({ "access_token": "t", "token_type": "mac" })),
            "the token is of the type `mac`, and only `bearer` can be used",
        ),
        (token(&json!({ "access_token": "a\nb" })), "the token holds characters that no header can carry"),
        (Reply::Raw(String::new()), "the connection broke before an answer came"),
    ] {
        let issuer = TestServer::start(reply).await;
        let sent = send_all(authorized(&receiver.url, &issuer), &calls(1)).await;
        assert_eq!((&sent[0].outcome, sent[0].signal), (&Outcome::Retry { after: None }, Signal::Bad));
        let error = error(&sent[0]);
        assert!(
            error.starts_with("http://127.0.0.1:") && error.contains("/… handed out no access token: "),
            "{error}"
        );
        assert!(error.contains(wanted) && !error.contains("s3cr3t"), "{error}");
    }
    assert!(receiver.asked().is_empty());
    let busy = TestServer::start(Reply::with(429, "retry-after: 30\r\n", "")).await;
    let sent = send_all(authorized(&receiver.url, &busy), &calls(1)).await;
    assert_eq!(sent[0].outcome, Outcome::Retry { after: Some(Span::from_secs(30)) });
}

#[tokio::test]
async fn a_token_url_that_may_not_be_dialled_is_no_fault_of_the_destinations() {
    let (issuer, receiver) = (issuer().await, TestServer::start(Reply::status(200)).await);
    let http = HttpClient::new(AddressPolicy::public_only()).unwrap();
    let network = Network::new(http, network().clock);
    let sent = send_by(&network, authorized(&receiver.url, &issuer), &calls(1)).await;
    assert_eq!((&sent[0].outcome, sent[0].signal), (&Outcome::Retry { after: None }, Signal::None));
    assert!(issuer.asked().is_empty() && receiver.asked().is_empty());
}

#[tokio::test]
async fn those_who_waited_for_a_token_in_vain_do_not_ask_again() {
    let issuer = TestServer::start(Reply::Slow(
        Duration::from_millis(200),
        "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ))
    .await;
    let receiver = TestServer::start(Reply::status(200)).await;
    let sent = send_all(authorized(&receiver.url, &issuer), &calls(6)).await;
    assert!(sent.iter().all(|sent| error(sent).contains("answered 500")));
    assert_eq!(issuer.asked().len(), 1);
}

#[tokio::test]
async fn an_issuer_that_never_answers_costs_the_time_of_one_attempt() {
    let (issuer, receiver) =
        (TestServer::start(Reply::Never).await, TestServer::start(Reply::status(200)).await);
    let begun = std::time::Instant::now();
    let sent = send_all(authorized(&receiver.url, &issuer), &calls(3)).await;
    assert!(sent.iter().all(|sent| matches!(sent.outcome, Outcome::Retry { .. })));
    assert!(begun.elapsed() < Duration::from_secs(4), "two seconds, and some");
    assert!(receiver.asked().is_empty());
}
