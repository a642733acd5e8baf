//! Whatever arrives, the parsers answer with events or an error, and what they make is bounded.

use proptest::prelude::*;

use super::batch::Batch;
use super::segment::{CallType, event};
use super::studio::{BodyKind, Post};
use super::tests_support::{NOW, source};
use super::twilio_signature::{Base, SignedBody, SignedRequest, verify};
use super::{Arrival, form, json, pixel, segment, studio};
use crate::domain::ids::IdSource;

/// Runs every parser over `body`; none may panic.
fn feed(body: &[u8]) {
    let source = source();
    let mut ids = IdSource::new([9; 32]);
    let mut arrival = Arrival { source: &source, now: *NOW, ids: &mut ids };
    for call_type in [CallType::Track, CallType::Identify, CallType::Page, CallType::Group, CallType::Alias] {
        if let Ok(mut object) = json::text(body).and_then(json::object) {
            segment::take_write_key(&mut object);
            if let Ok(event) = event(object, call_type, &mut arrival) {
                assert!(event.user_id.is_some() || event.anonymous_id.is_some());
                assert!(event.message_id.chars().count() <= 100);
            }
        }
    }
    if let Ok(batch) = json::text(body).and_then(Batch::parse) {
        batch.write_key();
        let items = batch.len();
        let outcome = batch.read(&mut arrival);
        assert_eq!(outcome.events.len() + outcome.rejected.len(), items);
    }
    let text = String::from_utf8_lossy(body);
    for kind in [BodyKind::Empty, BodyKind::Form, BodyKind::Json] {
        for query in ["", &text] {
            let post = Post { query, body, kind, idempotency_token: Some(&text) };
            if let Err(error) = studio::event(&post, &mut arrival) {
                assert!(error.message.len() < 2000, "{}", error.message.len());
            }
        }
    }
    let _ = (BodyKind::of(Some(&text), body), pixel::call(&text), form::pairs(body));
    let bases: Vec<Base> = Base::from_host("https", &text).into_iter().collect();
    let request = SignedRequest {
        bases: &bases,
        path: &text,
        query: Some(&text),
        userinfo: Some(&text),
        body: SignedBody::Raw(body),
    };
    assert!(!verify(&["token".to_owned()], &text, &request));
}

const VALID: [&str; 4] = [
    r#"{"userId":"u1","event":"E","properties":{"a":[1,{"b":null}],"t":"é\n\u00e9"},"timestamp":"2026-11-21T09:00:00Z","context":{"library":{"name":"analytics.js"}}}"#,
    r#"{"batch":[{"type":"track","userId":"u","event":"E"},{"type":"identify","userId":5,"traits":{}}],"context":{"a":{"b":1}},"sentAt":1700000000}"#,
    r#"{"userID":"u1","phoneNumber":"+14155550100","flow":"f","stage":"s","reply":"she said \"yes\""}"#,
    "userID=u1&phoneNumber=+14155550100&flow=f&stage=s&reply=a%20b",
];

#[test]
fn nested_and_long_bodies() {
    for body in [
        "[".repeat(32_000),
        "{\"a\":".repeat(6_000),
        format!("{{\"batch\":{}", "[".repeat(400_000)),
        format!("{{\"batch\":[{}]}}", "{\"a\":[".repeat(50_000)),
        "\"".repeat(32_000),
        "a.".repeat(15_000),
        "&".repeat(32_000),
        "=".repeat(32_000),
        "%".repeat(32_000),
        format!("{{\"userId\":{}}}", "9".repeat(30_000)),
        format!("{{\"userId\":\"u\",\"timestamp\":{}}}", "9".repeat(300)),
    ] {
        feed(body.as_bytes());
    }
}

proptest! {
    #[test]
    fn random_bytes(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        feed(&body);
    }

    #[test]
    fn json_like_text(body in r#"[\{\}\[\]":,\\ntfe0-9.+ -]{0,80}"#) {
        feed(body.as_bytes());
        feed(format!("{{\"batch\":[{body}]}}").as_bytes());
        feed(format!("{{\"userId\":\"{body}\"}}").as_bytes());
    }

    #[test]
    fn mutated_bodies(which in 0..VALID.len(), at in any::<proptest::sample::Index>(), cut in 0..6_usize, put in proptest::collection::vec(any::<u8>(), 0..6)) {
        let mut body = VALID[which].as_bytes().to_vec();
        let from = at.index(body.len());
        let to = (from + cut).min(body.len());
        body.splice(from..to, put);
        feed(&body);
    }

    #[test]
    fn an_unescaped_quote_in_prose_is_always_said(before in "[a-z ]{0,12}[a-z]", said in "[a-z]{1,8}", after in "[a-z ]{0,12}") {
        let body = format!(r#"{{"userID":"u1","reply":"{before} "{said}" {after}","stage":"x"}}"#);
        let error = json::object(&body).unwrap_err();
        prop_assert!(error.message.contains("unescaped quote"), "{body}: {}", error.message);
        prop_assert_eq!(error.field.as_deref(), Some("reply"));
    }
}
