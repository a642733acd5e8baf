use serde_json::json;

use super::super::tests_support::{NOW, source};
use super::*;
use crate::domain::event::Call;
use crate::domain::ids::IdSource;

fn read(text: &str) -> Result<Outcome, IngestError> {
    let source = source();
    let mut ids = IdSource::new([2; 32]);
    Ok(Batch::parse(text)?.read(&mut Arrival { source: &source, now: *NOW, ids: &mut ids }))
}

fn codes(outcome: &Outcome) -> Vec<(usize, Code)> {
    outcome.rejected.iter().map(|item| (item.index, item.error.code)).collect()
}

#[test]
fn bad_items_never_lose_good_ones() {
    let good = r#"{"type":"track","userId":"u","event":"E"}"#;
    let long = format!(
        r#"{{"type":"track","userId":"u","event":"E","properties":{{"a":"{}"}}}}"#,
        "x".repeat(33_000)
    );
    let deep =
        format!(r#"{{"type":"track","userId":"u","event":"E","a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let items = [
        good,
        r#"{"type":"track","event":"E"}"#,
        r#"{"userId":"u","event":"E"}"#,
        r#"{"type":"explode","userId":"u"}"#,
        r#"{"type":5,"userId":"u"}"#,
        "7",
        "null",
        "[]",
        r#"{"type":"track","userId":"u","event":"E","properties":{"n":1e400}}"#,
        &long,
        &deep,
        r#"{"type":"track","userId":"u"}"#,
        r#"{"type":"alias","userId":"u","previousId":"p"}"#,
    ];
    let outcome = read(&format!(r#"{{"batch":[{}]}}"#, items.join(","))).unwrap();
    assert_eq!(outcome.events.len(), 2);
    assert_eq!(
        codes(&outcome),
        [
            (1, Code::NoUserAnonId),
            (2, Code::MissingField),
            (3, Code::UnknownType),
            (4, Code::UnknownType),
            (5, Code::NotAnObject),
            (6, Code::NotAnObject),
            (7, Code::NotAnObject),
            (8, Code::MalformedJson),
            (9, Code::EventTooLarge),
            (10, Code::TooDeep),
            (11, Code::NoEvent),
        ]
    );
}

#[test]
fn the_root_is_merged_into_each_item() {
    let text = json!({
        "context": {"library": {"name": "analytics-go", "version": "3.0.0"}, "app": {"v": 1}},
        "integrations": {"All": false},
        "sentAt": "2026-11-21T10:00:05Z",
        "messageId": "of the request",
        "timestamp": "1999-01-01T00:00:00Z",
        "batch": [
            {"type": "track", "userId": "u", "event": "E", "context": {"app": {"v": 2}, "ip": "1.1.1.1"},
             "integrations": {"crm": true}, "timestamp": "2026-11-21T10:00:00Z"},
            {"type": "identify", "userId": "u", "sentAt": "2026-11-21T10:00:01Z", "timestamp": "2026-11-21T10:00:00Z"},
        ]
    });
    let outcome = read(&text.to_string()).unwrap();
    let [first, second] = &outcome.events[..] else { panic!("two events") };
    assert_eq!(
        Value::Object(first.context.clone()),
        json!({"library": {"name": "analytics-go", "version": "3.0.0"}, "app": {"v": 2}, "ip": "1.1.1.1"})
    );
    assert_eq!(Value::Object(first.integrations.clone()), json!({"All": false, "crm": true}));
    assert_eq!(first.timestamp.millis(), NOW.millis() - 5000);
    assert_eq!(second.timestamp.millis(), NOW.millis() - 1000);
    assert!(!first.dedupe && first.message_id.starts_with("api-") && first.message_id != second.message_id);
    assert_eq!(second.call, Call::Identify { traits: Map::new() });
    assert!(first.extra.is_empty());
}

#[test]
fn the_envelope() {
    assert!(read(r#"{"batch":[]}"#).unwrap().events.is_empty());
    assert!(read(r#"{"batch":[{}],"context":null,"integrations":null,"sentAt":"soon","batch":[]}"#).is_ok());
    for (text, code, field) in [
        ("", Code::MalformedJson, None),
        ("{", Code::MalformedJson, None),
        ("[]", Code::NotAnObject, None),
        ("5", Code::NotAnObject, None),
        ("{}", Code::MissingField, Some("batch")),
        (r#"{"batch":null}"#, Code::MissingField, Some("batch")),
        (r#"{"batch":{}}"#, Code::InvalidField, Some("batch")),
        (r#"{"batch":"x"}"#, Code::InvalidField, Some("batch")),
        (r#"{"batch":[],"context":[]}"#, Code::InvalidField, Some("context")),
        (r#"{"batch":[],"integrations":5}"#, Code::InvalidField, Some("integrations")),
        (r#"{"batch":[],"context":{"a":1e400}}"#, Code::MalformedJson, None),
        (r#"{"batch":[{"a":"b"c"}]}"#, Code::MalformedJson, Some("a")),
        (r#"{"batch":[{]}"#, Code::MalformedJson, None),
        (r#"{"batch":[]} []"#, Code::MalformedJson, None),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (code, field), "{text}");
    }
}

#[test]
fn counts_and_growth_are_bounded() {
    let of = |count: usize| format!(r#"{{"batch":[{}]}}"#, vec!["0"; count].join(","));
    assert_eq!(read(&of(2500)).unwrap().rejected.len(), 2500);
    let error = read(&of(2501)).unwrap_err();
    assert_eq!(error.code, Code::BatchTooMany);
    assert!(error.message.contains("2501"));
    // A small root in many items, and a large one in few, are fine; a large one in many is not.
    let with_root = |bytes: usize, count: usize| {
        format!(r#"{{"context":{{"a":"{}"}},"batch":[{}]}}"#, "x".repeat(bytes), vec!["0"; count].join(","))
    };
    assert!(read(&with_root(1000, 2500)).is_ok() && read(&with_root(30_000, 100)).is_ok());
    for (bytes, count) in [(30_000, 2500), (40_000, 1)] {
        assert_eq!(read(&with_root(bytes, count)).unwrap_err().code, Code::BodyTooLarge);
    }
}

#[test]
fn the_write_key_is_at_the_root_or_in_an_item() {
    for (text, key) in [
        (r#"{"batch":[{"writeKey":"wk_item"}],"writeKey":"wk_root"}"#, Some("wk_root")),
        (
            r#"{"batch":[5,{},{"writeKey":""},{"writeKey":7},{"writeKey":"wk_item"},{"writeKey":"x"}]}"#,
            Some("wk_item"),
        ),
        (r#"{"batch":[{"writeKey":"wk\u005fitem"}],"writeKey":null}"#, Some("wk_item")),
        (r#"{"batch":[{}]}"#, None),
    ] {
        assert_eq!(Batch::parse(text).unwrap().write_key().as_deref(), key, "{text}");
    }
    let outcome =
        read(r#"{"batch":[{"type":"track","userId":"u","event":"E","writeKey":"wk_item"}]}"#).unwrap();
    assert!(outcome.events[0].extra.is_empty(), "the key is never kept");
}
