use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::clock::Clock;
use crate::delivery::email::{MailSettings, Mailer};
use crate::delivery::http_client::HttpClient;
use crate::delivery::sample;
use crate::delivery::templates::Templates;
use crate::delivery::test_deliveries::NOW;
use crate::delivery::test_server::{Reply, TestServer};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::{
    Action, Auth, Batch, Definition, Definitions, DestinationKind, Signing, WebhookUrl,
};
use crate::domain::ingest::segment::CallType;
use crate::domain::mapping::Mapping;
use crate::domain::time::Span;

fn sender(kind: DestinationKind) -> RealSender {
    let mut definitions = Definitions::default();
    definitions.put(Definition::Destination(Destination::new("crm".to_owned(), kind)));
    let mails = MailSettings {
        smtp: None,
        from: "stagepost@example.com".to_owned(),
        folder: std::env::temp_dir().join("stagepost-no-mails"),
        links: None,
    };
    let mailer = Mailer::new(mails, Arc::new(Templates::new(None))).unwrap();
    let http = HttpClient::new(AddressPolicy::allow_all()).unwrap();
    let clock = Clock::manual(Timestamp::from_millis(NOW));
    RealSender::new(watch::Sender::new(Arc::new(definitions)).subscribe(), http, Arc::new(mailer), clock)
}

fn track() -> Sample {
    sample::call(CallType::Track, "crm", &mut IdSource::new([7; 32]), Timestamp::from_millis(NOW))
}

fn mapping(definition: Value) -> Mapping {
    Mapping::parse(&definition).unwrap()
}

fn action(url: &str) -> Action {
    Action {
        url: mapping(json!(url)),
        method: mapping(json!("PUT")),
        headers: mapping(json!({ "X-Api-Key": "s3cr3t-of-erp", "X-Team": "growth" })),
        data: mapping(json!({ "user": { "@path": "$.userId" }, "total": { "@path": "$.properties.total" } })),
        signing: Signing { shared_secret: Some("shared-s3cr3t".to_owned()), signing_secrets: Vec::new() },
        gzip: true,
        auth: None,
        batch: None,
        required: Vec::new(),
        expected: Vec::new(),
    }
}

#[tokio::test]
async fn the_request_is_shown_as_it_was_sent_but_for_secrets() {
    let server = TestServer::start(Reply::with(201, "", "made")).await;
    let mut webhook_action = action(&server.url);
    webhook_action.batch = Some(Batch { size: 10, wait: Span::from_secs(10), keys: Vec::new() });
    let trial = sender(DestinationKind::WebhookAction(Arc::new(webhook_action)))
        .test("crm", track(), false)
        .await
        .unwrap();
    assert!(trial.sent && trial.reason.is_none());
    let attempt = trial.attempt.unwrap();
    assert_eq!((attempt.status.as_str(), attempt.http_status), ("delivered", Some(201)));
    assert_eq!(attempt.response_snippet.as_deref(), Some("made"));
    let [shown] = trial.requests.as_slice() else { panic!("{:?}", trial.requests) };
    let asked = &server.asked()[0];
    assert_eq!((shown.method.as_str(), &shown.url), ("PUT", &server.url));
    assert_eq!(shown.body, r#"[{"user":"stagepost-test","total":42.5}]"#);
    for (name, value) in &shown.headers {
        let wanted =
            if ["x-api-key", "x-signature"].contains(&name.as_str()) { REDACTED } else { asked.header(name) };
        assert_eq!(value, wanted, "{name}");
    }
    let names: Vec<_> = shown.headers.keys().map(String::as_str).collect();
    for name in ["content-type", "content-encoding", "user-agent", "webhook-id", "x-signature", "x-team"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn a_dry_run_asks_nobody() {
    let server = TestServer::start(Reply::status(200)).await;
    let auth = Auth::OAuth2 {
        token_url: server.url.clone(),
        client_id: "c".to_owned(),
        client_secret: "client-s3cr3t".to_owned(),
        scope: None,
        audience: None,
    };
    let kind = DestinationKind::WebhookAction(Arc::new(Action { auth: Some(auth), ..action(&server.url) }));
    let trial = sender(kind).test("crm", track(), true).await.unwrap();
    assert!(!trial.sent && trial.attempt.is_none() && trial.reason.is_some());
    assert_eq!(trial.requests[0].headers["authorization"], REDACTED);
    assert_eq!(trial.requests[0].body, r#"{"user":"stagepost-test","total":42.5}"#);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn where_a_token_was_renewed_the_request_with_the_new_one_is_shown() {
    let issuer = TestServer::scripted(|_, n| {
        Reply::with(200, "", &json!({ "access_token": format!("token-{n}"), "expires_in": 3600 }).to_string())
    })
    .await;
    let server = TestServer::scripted(|asked, _| match asked.header("authorization") {
        "Bearer token-1" => Reply::with(200, "", "you are token-1"),
        _ => Reply::status(401),
    })
    .await;
    let auth = Auth::OAuth2 {
        token_url: issuer.url.clone(),
        client_id: "c".to_owned(),
        client_secret: "client-s3cr3t".to_owned(),
        scope: None,
        audience: None,
    };
    let kind = DestinationKind::WebhookAction(Arc::new(Action { auth: Some(auth), ..action(&server.url) }));
    let sender = sender(kind);
    let refused = sender.test("crm", track(), false).await.unwrap();
    assert_eq!((refused.sent, refused.requests.len()), (true, 1));
    assert_eq!(refused.attempt.unwrap().http_status, Some(401));
    let taken = sender.test("crm", track(), false).await.unwrap();
    assert_eq!((taken.sent, taken.requests.len(), server.asked().len()), (true, 1, 3));
    assert_eq!(taken.attempt.unwrap().response_snippet.as_deref(), Some("you are ********"));
    assert_eq!(taken.requests[0].headers["authorization"], REDACTED);
    assert_eq!(taken.requests[0].headers["webhook-id"], server.asked()[2].header("webhook-id"));
}

#[tokio::test]
async fn what_can_not_be_mapped_says_why() {
    let server = TestServer::start(Reply::status(200)).await;
    let needing = Action { required: vec!["email".to_owned()], ..action(&server.url) };
    let sender = sender(DestinationKind::WebhookAction(Arc::new(needing)));
    let why = Some("`email` is required, and the mapping made none".to_owned());
    let dry = sender.test("crm", track(), true).await.unwrap();
    assert_eq!((dry.sent, &dry.reason, dry.attempt), (false, &why, None));
    let trial = sender.test("crm", track(), false).await.unwrap();
    assert_eq!((trial.sent, &trial.reason), (false, &why));
    assert_eq!(trial.attempt.unwrap().status, "failed");
    assert!(trial.requests.is_empty() && server.asked().is_empty());
    assert!(sender.test("nowhere", track(), true).await.unwrap_err().contains("`nowhere`"));
}

#[tokio::test]
async fn the_secrets_of_a_preset_are_masked_wherever_they_stand() {
    let settings = json!({ "api_key": "0123456789abcdef0123456789abcdef", "region": "eu" });
    let url = "https://data.eu.pendo.io/data/segmentio/0123456789abcdef0123456789abcdef";
    let mut pendo = action(url);
    pendo.data = mapping(json!({ "key": "0123456789abcdef0123456789abcdef", "region": "eu" }));
    pendo.signing.shared_secret = None;
    let kind = DestinationKind::Preset {
        preset: "pendo".to_owned(),
        settings: settings.as_object().unwrap().clone(),
        only: None,
        action: Arc::new(pendo),
    };
    let trial = sender(kind).test("crm", track(), true).await.unwrap();
    assert_eq!(trial.requests[0].url, format!("https://data.eu.pendo.io/data/segmentio/{REDACTED}"));
    assert_eq!(trial.requests[0].body, format!(r#"{{"key":"{REDACTED}","region":"eu"}}"#));
}

#[tokio::test]
async fn every_address_of_a_webhook_has_its_request() {
    let server = TestServer::start(Reply::status(200)).await;
    let target = |url: String, name: &str| WebhookUrl {
        url,
        headers: BTreeMap::from([(name.to_owned(), "value".to_owned())]),
    };
    let kind = DestinationKind::Webhook {
        urls: vec![target(server.url.clone(), "X-Team"), target(format!("{}/2", server.url), "X-Token")],
        signing: Signing::default(),
        gzip: false,
    };
    let trial = sender(kind).test("crm", track(), false).await.unwrap();
    assert_eq!(trial.requests.len(), 2);
    assert_eq!(trial.requests[0].headers["x-team"], "value");
    assert_eq!(trial.requests[1].headers["x-token"], REDACTED);
    assert!(trial.requests[1].url.ends_with("/hook/2"));
    assert_eq!(server.asked().len(), 2);
    assert_eq!(trial.requests[0].body, server.asked()[0].body);
}
