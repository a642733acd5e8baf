//! What becomes of one call.

use std::io::Read as _;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{action, attempt, mapping, send_all, track};
use crate::delivery::destinations::action::mapped::Mapped;
use crate::delivery::http_client::USER_AGENT;
use crate::delivery::standard_webhooks;
use crate::delivery::test_deliveries::{NOW, delivery};
use crate::delivery::test_server::{Asked, Reply, TestServer};
use crate::domain::definition::{Action, Auth, Signing};
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::health::Signal;
use crate::domain::limits::{MAX_CALL_BYTES, MAX_URL_BYTES};

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn bought() -> Delivery {
    track("u1", json!({ "total": 42.50, "team": "growth", "flag": true, "nul": null }))
}

/// What a receiver gets of `bought`, with the action changed.
async fn received(change: impl FnOnce(&mut Action)) -> Asked {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = action(&server.url);
    change(&mut action);
    let attempt = attempt(action, &bought()).await;
    assert_eq!(attempt.status, "delivered", "{attempt:?}");
    server.asked().remove(0)
}

/// Why nothing is sent, with the action changed.
async fn refused(change: impl FnOnce(&mut Action)) -> String {
    let server = TestServer::start(Reply::status(200)).await;
    let mut action = action(&server.url);
    change(&mut action);
    let sent = send_all(action, &[bought()]).await.remove(0);
    assert_eq!((&sent.outcome, sent.signal), (&Outcome::Failed, Signal::None), "{sent:?}");
    assert!(server.asked().is_empty());
    sent.attempt.unwrap().error.unwrap()
}

#[tokio::test]
async fn the_whole_event_is_posted_unless_told_otherwise() {
    let asked = received(|_| {}).await;
    assert_eq!(asked.line, "POST /hook HTTP/1.1");
    assert_eq!(
        asked.body,
        r#"{"type":"track","event":"Bought","userId":"u1","properties":{"total":42.5,"team":"growth","flag":true,"nul":null}}"#
    );
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("user-agent"), USER_AGENT);
    for absent in ["x-signature", "webhook-signature", "authorization", "content-encoding"] {
        assert_eq!(asked.header(absent), "-", "{absent}");
    }
    assert!(asked.header("webhook-id").starts_with("dlv_"));
    assert_eq!(asked.header("webhook-timestamp"), (NOW / 1000).to_string());
}

#[tokio::test]
async fn every_part_is_mapped() {
    let server = TestServer::start(Reply::status(201)).await;
    let mut action = action("");
    let template = format!("{}/{{{{userId}}}}?team={{{{properties.team}}}}", server.url);
    action.url = mapping(json!({ "@template": template }));
    action.method =
        mapping(json!({ "@if": { "exists": { "@path": "$.userId" }, "then": "PUT", "else": "POST" } }));
    action.headers = mapping(json!({
        "X-Team": { "@path": "$.properties.team" },
        "X-Total": { "@path": "$.properties.total" },
        "X-Flag": { "@path": "$.properties.flag" },
        "X-Null": { "@path": "$.properties.nul" },
        "X-Missing": { "@path": "$.properties.missing" },
        "User-Agent": "erp",
        "Content-Type": "application/vnd.erp+json",
    }));
    action.data = mapping(json!({ "user": { "@path": "$.userId" }, "10": 1.0, "2": 2 }));
    assert_eq!(attempt(action, &bought()).await.http_status, Some(201));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "PUT /hook/u1?team=growth HTTP/1.1");
    assert_eq!(asked.body, r#"{"2":2,"10":1,"user":"u1"}"#, "as JavaScript writes it");
    for (name, value) in [
        ("x-team", "growth"),
        ("x-total", "42.5"),
        ("x-flag", "true"),
        ("x-null", "-"),
        ("x-missing", "-"),
        ("user-agent", "erp"),
        ("content-type", "application/vnd.erp+json"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn data_need_be_no_object_and_may_be_missing() {
    let asked = received(|action| action.data = mapping(json!({ "@path": "$.event" }))).await;
    assert_eq!(asked.body, r#""Bought""#);
    let asked = received(|action| {
        action.data = mapping(json!({ "@path": "$.nothing" }));
        action.signing = Signing {
            shared_secret: Some("s".to_owned()),
            signing_secrets: vec![STANDARD_SECRET.to_owned()],
        };
        action.gzip = true;
    })
    .await;
    assert_eq!(asked.body, "");
    for absent in ["content-type", "x-signature", "content-encoding"] {
        assert_eq!(asked.header(absent), "-", "{absent}");
    }
    let id = asked.header("webhook-id");
    assert!(id.starts_with("dlv_"));
    let wanted = standard_webhooks::sign(&[STANDARD_SECRET.to_owned()], id, NOW / 1000, "").unwrap();
    assert_eq!(asked.header("webhook-signature"), wanted, "it vouches for name and time");
}

#[tokio::test]
async fn data_that_are_empty_have_no_signature_of_segments() {
    for (data, body) in [(json!({ "@path": "$.properties.nul" }), "null"), (json!(""), "\"\"")] {
        let asked = received(|action| {
            action.data = mapping(data);
            action.signing = Signing {
                shared_secret: Some("s".to_owned()),
                signing_secrets: vec![STANDARD_SECRET.to_owned()],
            };
        })
        .await;
        assert_eq!((asked.body.as_str(), asked.header("x-signature")), (body, "-"));
        assert!(asked.header("webhook-signature").starts_with("v1,"));
    }
    let asked = received(|action| {
        action.data = mapping(json!({}));
        action.signing.shared_secret = Some("key".to_owned());
    })
    .await;
    assert_eq!(asked.header("x-signature"), "c9963b837183dc667106461b3de91d0885f539b3");
}

#[tokio::test]
async fn the_data_are_signed() {
    let sign = |action: &mut Action| {
        action.data = mapping(json!({ "cool": true }));
        action.signing = Signing {
            shared_secret: Some("abc123".to_owned()),
            signing_secrets: vec![STANDARD_SECRET.to_owned()],
        };
    };
    let asked = received(sign).await;
    assert_eq!(asked.header("x-signature"), "5099cab379b3be52908387457007040cc934ef86");
    let secrets = [STANDARD_SECRET.to_owned()];
    let id = asked.header("webhook-id");
    let wanted = standard_webhooks::sign(&secrets, id, NOW / 1000, r#"{"cool":true}"#).unwrap();
    assert_eq!(asked.header("webhook-signature"), wanted);
    let packed = received(|action| {
        sign(action);
        action.gzip = true;
    })
    .await;
    let mut text = String::new();
    GzDecoder::new(packed.bytes.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), packed.header("content-encoding")), (r#"{"cool":true}"#, "gzip"));
    assert_eq!(packed.header("x-signature"), asked.header("x-signature"));
}

#[tokio::test]
async fn fixed_credentials() {
    let asked = received(|action| action.auth = Some(Auth::Bearer { token: "t0ken".to_owned() })).await;
    assert_eq!(asked.header("authorization"), "Bearer t0ken");
    let auth = Auth::Basic { user: "Aladdin".to_owned(), password: "open sesame".to_owned() };
    let asked = received(|action| action.auth = Some(auth)).await;
    assert_eq!(asked.header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let asked = received(|action| action.headers = mapping(json!({ "Authorization": "basic token" }))).await;
    assert_eq!(asked.header("authorization"), "basic token");
}

#[tokio::test]
async fn a_receiver_that_shows_what_it_was_sent_shows_no_secrets() {
    let server = TestServer::scripted(|asked, _| {
        let said = ["authorization", "x-api-key", "x-team"].map(|name| asked.header(name)).join("|");
        Reply::with(400, "", &said)
    })
    .await;
    let mut action = action(&server.url);
    action.auth = Some(Auth::Bearer { token: "t0ken-of-ours".to_owned() });
    action.headers = mapping(json!({ "X-Api-Key": "k3y-of-ours", "X-Team": "growth" }));
    let snippet = attempt(action, &bought()).await.response_snippet;
    assert_eq!(snippet.as_deref(), Some("Bearer ********|********|growth"));
}

#[tokio::test]
async fn what_no_request_can_be_made_of_fails_with_the_field() {
    type Change = Box<dyn FnOnce(&mut Action)>;
    fn url(definition: Value) -> Change {
        Box::new(move |action| action.url = mapping(definition))
    }
    fn method(definition: Value) -> Change {
        Box::new(move |action| action.method = mapping(definition))
    }
    fn headers(definition: Value) -> Change {
        Box::new(move |action| action.headers = mapping(definition))
    }
    let long = format!("https://example.com/{}", "x".repeat(MAX_URL_BYTES));
    let missing = json!({ "@path": "$.nothing" });
    for (change, wanted) in [
        (url(missing.clone()), "`url` has to be a text, and the mapping made none"),
        (url(json!(7)), "`url` has to be a text, and the mapping made a number"),
        (
            url(json!("ftp://example.com/")),
            "`url`, as the mapping made it, must begin with http:// or https://",
        ),
        (url(json!("s3cr3t")), "`url`, as the mapping made it, is not a URL: relative URL without a base"),
        (url(json!(long)), "`url`, as the mapping made it, is longer than 2048 bytes"),
        (
            url(json!({ "@template": missing.clone() })),
            "the mapping of `url` failed at /@template: expected string, got undefined",
        ),
        (method(json!("GET")), "`method` has to be POST, PUT or PATCH, and the mapping made another text"),
        (method(missing.clone()), "`method` has to be POST, PUT or PATCH, and the mapping made none"),
        (headers(json!("X: y")), "`headers` has to be an object, and the mapping made a text"),
        (
            headers(json!({ "X": [1] })),
            "`headers`: the header `X` has to be a text, and the mapping made an array",
        ),
        (
            headers(json!({ "X": "Café" })),
            "`headers`: the header `X` can't be sent: its value has to be of printable ASCII characters",
        ),
        (
            headers(json!({ "X": "a\r\nY: b" })),
            "`headers`: the header `X` can't be sent: its value has to be of printable ASCII characters",
        ),
        (
            headers(json!({ "X y": "a" })),
            "`headers`: the header `X y` can't be sent: it is not the name of a header",
        ),
        (
            headers(json!({ "X-Signature": "a" })),
            "`headers`: the header `X-Signature` is set by stagepost itself",
        ),
        (
            headers(json!({ "Content-Length": 3 })),
            "`headers`: the header `Content-Length` is set by stagepost itself",
        ),
        (
            Box::new(|action| {
                action.headers = mapping(json!({ "authorization": "a" }));
                action.auth = Some(Auth::Bearer { token: "t".to_owned() });
            }),
            "`headers`: the destination's `auth` sets `authorization`; take one of them away",
        ),
        (
            Box::new(|action| action.data = mapping(json!({ "@template": { "@path": "$.nothing" } }))),
            "the mapping of `data` failed at /@template: expected string, got undefined",
        ),
        (
            Box::new(|action| action.required = vec!["email".to_owned()]),
            "`email` is required, and the mapping made none",
        ),
        (
            Box::new(|action| {
                action.data =
                    mapping(json!({ "email": "  \t", "tags": [], "person": {}, "total": 0, "is": false }));
                action.required = ["email", "tags", "person", "total", "is"].map(str::to_owned).into();
            }),
            "`email`, `tags`, `person` are required, and the mapping made none",
        ),
        (
            Box::new(|action| {
                action.required = ["userId", "properties.nul", "properties.team.x"].map(str::to_owned).into();
            }),
            "`properties.nul`, `properties.team.x` are required, and the mapping made none",
        ),
    ] {
        assert_eq!(refused(change).await, wanted);
    }
}

#[tokio::test]
async fn data_beyond_the_bound_are_not_sent() {
    // Escapes make the text longer than what the mapping made.
    let quotes = "\"".repeat(MAX_CALL_BYTES * 2 / 3);
    let server = TestServer::start(Reply::status(200)).await;
    let attempt = attempt(action(&server.url), &track("u1", json!({ "text": quotes }))).await;
    assert_eq!(attempt.status, "failed");
    let error = attempt.error.unwrap();
    assert!(error.contains("`data` comes to") && error.contains("1048576"), "{error}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_is_only_expected_is_said_with_the_attempt() {
    let server = TestServer::start(Reply::status(200)).await;
    let expecting =
        |url: &str| Action { expected: vec!["userId".to_owned(), "groupId".to_owned()], ..action(url) };
    let taken = attempt(expecting(&server.url), &bought()).await;
    assert_eq!(taken.status, "delivered");
    assert_eq!(taken.error.as_deref(), Some("sent without what the receiver expects: `groupId`"));
    let angry = TestServer::start(Reply::status(500)).await;
    let error = attempt(expecting(&angry.url), &bought()).await.error.unwrap();
    assert!(
        error.starts_with("http://127.0.0.1:") && error.contains("/…: answered 500; sent without"),
        "{error}"
    );
}

#[tokio::test]
async fn delete_notices_are_for_classic_webhooks() {
    let server = TestServer::start(Reply::status(200)).await;
    let notice = json!({ "type": "delete", "userId": "u1", "timestamp": "2012-12-02T00:30:08.276Z" });
    let attempt = attempt(action(&server.url), &delivery("u1", &notice)).await;
    assert_eq!(attempt.status, "failed");
    assert!(attempt.error.unwrap().contains("takes no delete notices"));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn answers_mean_the_same_as_everywhere() {
    for (reply, outcome, signal) in [
        (Reply::status(204), Outcome::Delivered, Signal::Good),
        (Reply::status(400), Outcome::Failed, Signal::None),
        (Reply::status(401), Outcome::Failed, Signal::Bad),
        (Reply::status(501), Outcome::Failed, Signal::Bad),
        (Reply::status(423), Outcome::Retry { after: None }, Signal::Bad),
        (Reply::status(503), Outcome::Retry { after: None }, Signal::Bad),
    ] {
        let server = TestServer::start(reply.clone()).await;
        let sent = send_all(action(&server.url), &[bought()]).await.remove(0);
        assert_eq!(sent.outcome, outcome, "{reply:?}");
        assert_eq!(sent.signal, signal, "{reply:?}");
    }
}

#[tokio::test]
async fn a_wrong_setting_costs_no_call() {
    let server = TestServer::start(Reply::status(200)).await;
    for change in [
        Box::new(|action: &mut Action| action.signing.signing_secrets = vec!["whsec_*".to_owned()])
            as Box<dyn Fn(&mut Action)>,
        Box::new(|action| action.auth = Some(Auth::Bearer { token: "a\nb".to_owned() })),
    ] {
        let mut action = action(&server.url);
        change(&mut action);
        let sent = send_all(action, &[bought()]).await.remove(0);
        assert_eq!((sent.outcome, sent.signal), (Outcome::Retry { after: None }, Signal::None));
    }
    assert!(server.asked().is_empty());
}

/// Any small JSON; texts have every character, line breaks too.
fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-zA-Z-]{1,8}", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(text.clone(), inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

/// Mostly one of these.
fn mostly(usual: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![4 => prop::sample::select(usual).prop_map(Value::from), 1 => value()]
}

proptest! {
    /// Whatever mappings make: a request is whole and can be sent, or it is refused in one line of words.
    #[test]
    fn only_what_can_be_sent_becomes_a_request(
        url in mostly(&["https://example.com/a?b=c", "http://[::1]:1/", "http://", "ws://example.com"]),
        method in mostly(&["POST", "PUT", "PATCH"]),
        headers in value(),
        data in value(),
    ) {
        let made = |name: &str| mapping(json!({ "@path": format!("$.{name}") }));
        let (url_from, method_from, headers_from, data_from) = (made("url"), made("method"), made("headers"), made("data"));
        let action = Action {
            url: url_from, method: method_from, headers: headers_from, data: data_from, ..action("https://example.com/")
        };
        let event = json!({ "url": url, "method": method, "headers": headers, "data": data });
        match Mapped::of(&action, &event) {
            Ok(mapped) => {
                prop_assert!(matches!(mapped.url.scheme(), "http" | "https") && mapped.url.has_host());
                prop_assert!(matches!(mapped.method.as_str(), "POST" | "PUT" | "PATCH"));
                prop_assert!(mapped.headers.values().all(|value| value.is_sensitive() && value.to_str().is_ok()));
                prop_assert!(serde_json::from_str::<Value>(&mapped.text.unwrap()).is_ok());
            }
            Err(error) => prop_assert!(!error.is_empty() && !error.contains(char::is_control), "{:?}", error),
        }
    }
}
