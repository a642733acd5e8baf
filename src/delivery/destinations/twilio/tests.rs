use std::time::Duration;

use serde_json::{Map, json};

use super::*;
use crate::delivery::destinations::Network;
use crate::delivery::secrets::Secrets;
use crate::delivery::test_deliveries::{delivery, network};
use crate::delivery::test_server::{Reply, TestServer};
use crate::domain::definition::{ApiKey, TwilioUrls};
use crate::domain::delivery::{Cause, DeliveryStatus};
use crate::domain::health::Signal;
use crate::domain::ids::IdSource;
use crate::domain::link::LinkKey;
use crate::domain::time::Span;

const SECRET: &str = "s3cr3t-s3cr3t-s3cr3t";

fn account(url: &str) -> Twilio {
    Twilio {
        account_sid: format!("AC{:032x}", 1),
        auth_token: Some("an-auth-token".to_owned()),
        auth_tokens: Vec::new(),
        api_key: Some(ApiKey { sid: format!("SK{:032x}", 1), secret: SECRET.to_owned() }),
        from: Some("+15005550006".to_owned()),
        messaging_service_sid: None,
        workspace_sid: None,
        reconcile: None,
        urls: TwilioUrls { api: url.to_owned(), studio: url.to_owned(), taskrouter: url.to_owned() },
    }
}

fn asking(request: TwilioRequest) -> Delivery {
    let made = delivery("u1", &json!({}));
    let journey = IdSource::new([1; 32]).journey(made.created_at);
    let payload = Payload::Twilio { request, context: Map::new() };
    Delivery { cause: Cause::Stall(journey), payload, status: DeliveryStatus::Pending, ..made }
}

fn call() -> Delivery {
    asking(TwilioRequest::Call { to: "+15551230001".to_owned(), text: Some("u1 & u2 wait".to_owned()) })
}

async fn attempt_with(network: &Network, url: &str, delivery: &Delivery) -> Verdict {
    let secrets = Secrets::from(vec![SECRET.to_owned()]);
    let account = account(url);
    let client =
        Client { account: &account, network, timeout: Duration::from_millis(400), secrets: &secrets };
    let deliveries = std::slice::from_ref(delivery);
    TwilioRequests { client, deliveries }.make(&[0]).await
}

async fn answered(reply: Reply) -> Verdict {
    let server = TestServer::start(reply).await;
    attempt_with(&network(), server.url.trim_end_matches("/hook"), &call()).await
}

fn refusal(status: u16, code: u32) -> Reply {
    Reply::with(
        status,
        "",
        &json!({ "code": code, "message": format!("no, {SECRET}"), "status": status }).to_string(),
    )
}

#[tokio::test]
async fn a_call_is_asked_for_as_twilio_wants_it() {
    let taken = json!({ "sid": format!("CA{:032x}", 7), "status": "queued" }).to_string();
    let server = TestServer::start(Reply::with(201, "", &taken)).await;
    let links = Links { key: LinkKey::new("a key"), base_url: "https://stagepost.example.com".to_owned() };
    let network = network().with(Default::default(), Some(links));
    let verdict = attempt_with(&network, server.url.trim_end_matches("/hook"), &call()).await;
    assert_eq!((&verdict.outcome, verdict.signal, verdict.error), (&Outcome::Delivered, Signal::Good, None));
    let receipt = verdict.receipt.unwrap();
    assert_eq!(
        (receipt.sid.unwrap().as_str(), receipt.status.as_str()),
        (&*format!("CA{:032x}", 7), "queued")
    );
    let asked = &server.asked()[0];
    assert_eq!(asked.line, format!("POST /2010-04-01/Accounts/AC{:032x}/Calls.json HTTP/1.1", 1));
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert!(asked.header("authorization").starts_with("Basic U0sw"), "the API key goes before the token");
    let form: Vec<(String, String)> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..5], ["To", "From", "Twiml", "StatusCallback", "StatusCallbackMethod"]);
    assert!(form[2].1.contains("u1 &amp; u2 wait") && form[2].1.contains("<Gather"), "{}", form[2].1);
    assert!(form[3].1.starts_with("https://stagepost.example.com/twilio/"), "{}", form[3].1);
    let events: Vec<&str> = form[5..].iter().map(|(_, event)| event.as_str()).collect();
    assert_eq!(events, ["initiated", "ringing", "answered", "completed"]);
}

#[tokio::test]
async fn every_answer_means_what_the_table_says() {
    let retry = Outcome::Retry { after: None };
    for (reply, outcome, signal) in [
        (refusal(429, 20429), retry.clone(), Signal::Bad),
        (
            Reply::with(429, "retry-after: 7\r\n", "{}"),
            Outcome::Retry { after: Some(Span::from_secs(7)) },
            Signal::Bad,
        ),
        (refusal(500, 20500), Outcome::Unsure, Signal::Bad),
        (refusal(503, 20503), Outcome::Unsure, Signal::Bad),
        (Reply::with(201, "", "<html>"), Outcome::Unsure, Signal::Bad),
        (Reply::with(201, "", "{\"status\":\"queued\"}"), Outcome::Unsure, Signal::Bad),
        (Reply::Never, Outcome::Unsure, Signal::Bad),
        (Reply::Raw(String::new()), Outcome::Unsure, Signal::Bad),
        (refusal(401, 20003), retry.clone(), Signal::Barred),
        (refusal(403, 20003), retry.clone(), Signal::Barred),
        (refusal(402, 20005), retry, Signal::Barred),
        (refusal(400, 21211), Outcome::Failed, Signal::None),
        (refusal(403, 21408), Outcome::Failed, Signal::None),
        (refusal(404, 20404), Outcome::Failed, Signal::None),
    ] {
        let shown = format!("{reply:?}");
        let verdict = answered(reply).await;
        assert_eq!((&verdict.outcome, verdict.signal), (&outcome, signal), "{shown}: {verdict:?}");
        assert!(!format!("{verdict:?}").contains(SECRET), "{verdict:?}");
    }
}

#[tokio::test]
async fn what_a_process_died_over_just_now_is_neither_sent_nor_given_up() {
    let server = TestServer::start(Reply::with(200, "", "{\"calls\":[]}")).await;
    let network = network();
    let begun = Verdict { outcome: Outcome::Begun, ..Verdict::delivered() }.into_sent(network.clock.now(), 0);
    let delivery = Delivery { attempts: begun.attempt.into_iter().collect(), tries: 1, ..call() };
    let verdict = attempt_with(&network, server.url.trim_end_matches("/hook"), &delivery).await;
    assert_eq!((verdict.outcome, verdict.signal), (Outcome::Sought, Signal::None));
    assert!(server.asked().is_empty(), "Twilio's lists show it later");
}

#[tokio::test]
async fn where_nothing_was_sent_nothing_is_in_doubt() {
    let verdict = attempt_with(&network(), "http://127.0.0.1:1", &call()).await;
    assert_eq!((&verdict.outcome, verdict.signal), (&Outcome::Retry { after: None }, Signal::Bad));
}

#[tokio::test]
async fn refusals_are_said_in_words() {
    for (code, words) in [
        (21211, "not valid"),
        (21408, "Geo permissions"),
        (21610, "opted out"),
        (21614, "no mobile number"),
        (21608, "trial account"),
        (99999, "Twilio answered 400, code 99999: no, "),
    ] {
        let verdict = answered(refusal(400, code)).await;
        let error = verdict.error.unwrap();
        assert!(error.contains(words), "{code}: {error}");
        assert_eq!(verdict.receipt.unwrap().error_code, Some(code));
    }
}

#[tokio::test]
async fn what_is_not_set_is_said() {
    let without = |mut account: Twilio| {
        account.from = None;
        account
    };
    let (network, secrets) = (network(), Secrets::default());
    let account = without(account("http://127.0.0.1:1"));
    let client = Client {
        account: &account,
        network: &network,
        timeout: Duration::from_millis(400),
        secrets: &secrets,
    };
    let task = TwilioRequest::Task {
        workspace_sid: None,
        workflow_sid: None,
        attributes: Map::new(),
        priority: None,
    };
    for (delivery, missing) in [(call(), "`from`"), (asking(task), "`workspace_sid`")] {
        let deliveries = [delivery];
        let verdict = TwilioRequests { client, deliveries: &deliveries }.make(&[0]).await;
        assert_eq!(verdict.outcome, Outcome::Failed);
        assert!(verdict.error.unwrap().contains(missing));
    }
}

#[tokio::test]
async fn without_a_way_back_the_attempt_says_so_and_no_key_is_asked_for() {
    let taken = json!({ "sid": format!("CA{:032x}", 7), "status": "queued" }).to_string();
    let server = TestServer::start(Reply::with(201, "", &taken)).await;
    let verdict = attempt_with(&network(), server.url.trim_end_matches("/hook"), &call()).await;
    assert!(verdict.error.unwrap().contains("STAGEPOST_PUBLIC_URL"));
    assert!(!server.asked()[0].body.contains("Gather"));
}
