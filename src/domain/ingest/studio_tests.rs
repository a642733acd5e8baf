use serde_json::json;

use super::super::tests_support::{NOW, source};
use super::*;
use crate::domain::definition::Source;
use crate::domain::ids::IdSource;

const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";
const JSON: &str = "application/json;charset=utf-8";

fn read_for(source: &Source, query: &str, kind: Option<&str>, body: &[u8]) -> Result<Event, IngestError> {
    let post = Post { query, body, kind: BodyKind::of(kind, body)?, idempotency_token: None };
    event(&post, &mut Arrival { source, now: *NOW, ids: &mut IdSource::new([3; 32]) })
}

fn read(query: &str, kind: Option<&str>, body: &str) -> Result<Event, IngestError> {
    read_for(&source(), query, kind, body.as_bytes())
}

fn form(body: &str) -> Result<Event, IngestError> {
    read("", Some(FORM), body)
}

fn posted(body: Value) -> Result<Event, IngestError> {
    read("", Some(JSON), &body.to_string())
}

fn properties(event: &Event) -> Value {
    match &event.call {
        Call::Track { properties, .. } => Value::Object(properties.clone()),
        other => panic!("{other:?}"),
    }
}

/// A whole post with some fields replaced; null leaves one out.
fn with(changes: Value) -> Value {
    let mut body = json!({"userID": "u1", "phoneNumber": "+14155550100", "flow": "f", "stage": "no_reply"});
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn form_json_and_query_say_the_same() {
    let encoded =
        "userID=u1&phoneNumber=%2B14155550100&flow=appointment_confirmation&stage=no_reply&appointment=7";
    let json = json!({"userID": "u1", "phoneNumber": "+14155550100", "flow": "appointment_confirmation",
        "stage": "no_reply", "appointment": "7"})
    .to_string();
    let events = [
        form(encoded).unwrap(),
        read("", None, encoded).unwrap(),
        read(encoded, None, "").unwrap(),
        read(encoded, Some(FORM), "").unwrap(),
        read("", Some(JSON), &json).unwrap(),
        read("", Some("APPLICATION/JSON"), &json).unwrap(),
        read("", Some("text/plain"), &json).unwrap(),
        read("", Some(FORM), &json).unwrap(),
        read("", None, &format!("\u{feff} {json}")).unwrap(),
        read("userID=other&stage=no_reply", Some(JSON), &json).unwrap(),
    ];
    for event in &events {
        assert_eq!(event, &events[0]);
    }
    let event = &events[0];
    assert_eq!(event.user_id.as_deref(), Some("u1"));
    assert_eq!(
        serde_json::to_string(&properties(event)).unwrap(),
        r#"{"phoneNumber":"+14155550100","flow":"appointment_confirmation","stage":"no_reply","appointment":"7"}"#
    );
    assert_eq!((event.timestamp, event.received_at), (*NOW, *NOW));
    assert!(!event.dedupe && event.message_id.starts_with("api-"));
    assert_eq!(event.studio_step().unwrap().stage, "no_reply");
}

#[test]
fn each_required_field_is_asked_for_by_name() {
    for (field, spellings) in [("userID", 3), ("phoneNumber", 2), ("flow", 1), ("stage", 1)] {
        for empty in [json!(null), json!(""), json!("  ")] {
            let error = posted(with(json!({field: empty}))).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (Code::MissingField, Some(field)),
                "{spellings}"
            );
        }
        for wrong in [json!(true), json!([]), json!({}), json!("a\u{1}b"), json!("x".repeat(600))] {
            let error = posted(with(json!({field: wrong}))).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (Code::InvalidField, Some(field)));
        }
    }
    assert_eq!(form("").unwrap_err().field.as_deref(), Some("userID"));
    assert_eq!(form("userID=u&phoneNumber=1&flow=f").unwrap_err().field.as_deref(), Some("stage"));
}

#[test]
fn other_spellings_and_numbers() {
    for user in ["userID", "userId", "user_id"] {
        let event = form(&format!("{user}=u1&phone_number=%2B1&flow=f&stage=s&userID=")).unwrap();
        assert_eq!(event.user_id.as_deref(), Some("u1"), "{user}");
        assert_eq!(properties(&event), json!({"phoneNumber": "+1", "flow": "f", "stage": "s"}));
    }
    let event =
        posted(with(json!({"userID": 42, "phoneNumber": 15_551_234_567_u64, "score": 5, "vip": true})))
            .unwrap();
    assert_eq!(event.user_id.as_deref(), Some("42"));
    assert_eq!(
        properties(&event),
        json!({"phoneNumber": "15551234567", "flow": "f", "stage": "no_reply", "score": 5, "vip": true})
    );
    // The body wins over the query, but nothing is no value.
    let event = read("userId=query&flow=f&stage=s&phoneNumber=1", Some(FORM), "userID=body&flow=").unwrap();
    assert_eq!((event.user_id.as_deref(), event.studio_step().unwrap().flow), (Some("body"), "f"));
}

#[test]
fn a_plus_that_became_a_space_is_mended() {
    let event = form("userID=u1&phoneNumber=+14155550100&flow=f&stage=s").unwrap();
    assert_eq!(properties(&event)["phoneNumber"], "+14155550100");
    let event = read("userID=u1&phoneNumber=%252B14155550100&flow=f&stage=s", None, "").unwrap();
    assert_eq!(properties(&event)["phoneNumber"], "+14155550100");
}

#[test]
fn sids_are_known_by_their_prefix() {
    let sids = |execution: &str, flow: &str| {
        let event = posted(with(json!({"executionSid": execution, "flowSid": flow}))).unwrap();
        let properties = properties(&event);
        let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        (text("executionSid"), text("flowSid"))
    };
    for (execution, flow, wanted) in [
        ("FN1", "FW1", ("FN1", "FW1")),
        ("FW1", "FN1", ("FN1", "FW1")),
        ("", "FN1", ("FN1", "-")),
        ("FW1", "", ("-", "FW1")),
        ("FN1", "FN1", ("FN1", "-")),
        ("FW1", "FW1", ("-", "FW1")),
        ("run-7", "", ("run-7", "-")),
        ("run-7", "my-flow", ("run-7", "my-flow")),
        ("", "", ("-", "-")),
    ] {
        assert_eq!(sids(execution, flow), (wanted.0.to_owned(), wanted.1.to_owned()), "{execution} {flow}");
    }
}

#[test]
fn templates_that_were_not_replaced_are_refused() {
    for field in [
        "userID",
        "phoneNumber",
        "flow",
        "stage",
        "executionSid",
        "flowSid",
        "timestamp",
        "messageId",
        "reply",
    ] {
        let error = posted(with(json!({field: "{{flow.data.oops}}"}))).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (Code::UnresolvedTemplate, Some(field)));
        assert!(error.message.contains("{{flow.data.oops}}") && error.message.contains("{{flow.sid}}"));
    }
    assert_eq!(posted(with(json!({"userID": "u-{{x}}"}))).unwrap_err().code, Code::UnresolvedTemplate);
    // What people write is theirs.
    assert!(posted(with(json!({"reply": "yes {{please}} :)"}))).is_ok());
    assert!(posted(with(json!({"userID": "a{{b", "reply": "}} {{"}))).is_ok());
}

#[test]
fn times_and_message_ids() {
    let event = posted(with(json!({"timestamp": "2026-11-21T09:00:00+01:00", "messageId": "m-1"}))).unwrap();
    assert_eq!(event.timestamp.to_rfc3339(), "2026-11-21T08:00:00.000Z");
    assert_eq!((event.message_id.as_str(), event.dedupe), ("m-1", true));
    for epoch in [json!(1_700_000_000), json!("1700000000"), json!("1700000000000"), json!("1700000000.0")] {
        let event = posted(with(json!({"timestamp": epoch}))).unwrap();
        assert_eq!(event.timestamp.to_rfc3339(), "2023-11-14T22:13:20.000Z");
    }
    for wrong in [json!("soon"), json!([]), json!(true), json!("NaN"), json!("1e400")] {
        let error = posted(with(json!({"timestamp": wrong}))).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (Code::InvalidField, Some("timestamp")), "{wrong}");
    }
    assert_eq!(posted(with(json!({"timestamp": "", "messageId": ""}))).unwrap().timestamp, *NOW);
    assert_eq!(posted(with(json!({"messageId": "x".repeat(101)}))).unwrap_err().code, Code::MessageIdTooLong);
}

#[test]
fn the_idempotency_token_names_the_message() {
    let body = with(json!({})).to_string();
    let source = source();
    let id = |token: &str, body: &str| {
        let kind = BodyKind::Json;
        let post = Post { query: "", body: body.as_bytes(), kind, idempotency_token: Some(token) };
        let event =
            event(&post, &mut Arrival { source: &source, now: *NOW, ids: &mut IdSource::new([3; 32]) })
                .unwrap();
        (event.message_id, event.dedupe)
    };
    assert_eq!(id("abc-1", &body), ("twilio:abc-1".to_owned(), true));
    assert_eq!(id("abc-1", &with(json!({"messageId": "m"})).to_string()), ("m".to_owned(), true));
    assert!(!id("", &body).1 && !id(&"x".repeat(200), &body).1);
}

#[test]
fn a_source_can_name_the_properties_it_keeps() {
    let mut source = source();
    source.properties = Some(vec!["appointment".to_owned()]);
    let body = b"userID=u&phoneNumber=1&flow=f&stage=s&appointment=7&secret=x&executionSid=FN1";
    let event = read_for(&source, "", Some(FORM), body).unwrap();
    assert_eq!(
        properties(&event),
        json!({"phoneNumber": "1", "flow": "f", "stage": "s", "executionSid": "FN1", "appointment": "7"})
    );
}

#[test]
fn broken_bodies_are_named() {
    let broken = r#"{"userID":"u1","flow":"f","stage":"confirmed","reply":"she said "yes" to me"}"#;
    let error = read("", Some(JSON), broken).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (Code::MalformedJson, Some("reply")));
    assert!(error.message.contains("unescaped quote"), "{}", error.message);
    for (kind, body, code) in [
        (Some("multipart/form-data; boundary=x"), &b"--x"[..], Code::UnsupportedEncoding),
        (Some(JSON), b"[1]", Code::NotAnObject),
        (None, b"[1]", Code::NotAnObject),
        (Some(JSON), b"userID=u1", Code::MalformedJson),
        (Some(JSON), b"{\"userID\":\"\xff\"}", Code::InvalidUtf8),
        (Some(FORM), b"userID=\xff", Code::InvalidUtf8),
        (Some(FORM), b"userID=%", Code::MalformedForm),
        (None, b"\x00\x01\x02\xfe", Code::InvalidUtf8),
        (Some(FORM), &[b'a'; 40_000], Code::EventTooLarge),
    ] {
        assert_eq!(read_for(&source(), "", kind, body).unwrap_err().code, code, "{kind:?}");
    }
}
