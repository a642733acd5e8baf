use serde_json::json;

use super::super::tests_support::{NOW, source};
use super::*;
use crate::domain::ids::IdSource;

fn read(call_type: CallType, call: Value) -> Result<Event, IngestError> {
    let Value::Object(call) = call else { panic!("an object") };
    let source = source();
    event(call, call_type, &mut Arrival { source: &source, now: *NOW, ids: &mut IdSource::new([1; 32]) })
}

fn track(call: Value) -> Result<Event, IngestError> {
    read(CallType::Track, call)
}

#[test]
fn a_whole_track_call() {
    let event = track(json!({
        "type": "identify", "userId": "u1", "anonymousId": "a1", "event": "Order Completed",
        "properties": {"total": 9.5}, "messageId": "m1", "timestamp": "2026-11-21T09:00:00Z",
        "sentAt": "2026-11-21T09:00:05Z", "context": {"ip": "1.1.1.1"}, "integrations": {"All": false},
        "writeKey": "wk_x", "email": "a@b.c", "receivedAt": "1999-01-01T00:00:00Z", "version": 7, "groupId": "g"
    }))
    .unwrap();
    assert_eq!(event.call.type_name(), "track", "the route wins over the body");
    assert_eq!((event.message_id.as_str(), event.dedupe), ("m1", true));
    assert_eq!(event.timestamp.millis(), NOW.millis() - 5000);
    assert_eq!(event.original_timestamp.to_rfc3339(), "2026-11-21T09:00:00.000Z");
    assert_eq!(event.received_at, *NOW);
    assert_eq!(Value::Object(event.extra), json!({"email": "a@b.c", "groupId": "g"}));
    assert_eq!(
        Value::Object(event.context),
        json!({"ip": "1.1.1.1", "library": {"name": "unknown", "version": "unknown"}})
    );
    assert_eq!(event.channel, "server");
}

#[test]
fn nulls_are_absent() {
    let event = track(json!({
        "userId": "u", "anonymousId": null, "event": "E", "properties": null, "name": null, "category": null,
        "traits": null, "messageId": null, "timestamp": null, "sentAt": null, "context": null,
        "integrations": null, "channel": null, "groupId": null, "previousId": null
    }))
    .unwrap();
    assert_eq!((event.anonymous_id, event.sent_at), (None, None));
    assert!(event.extra.is_empty() && !event.dedupe && event.message_id.starts_with("api-"));
    assert_eq!(event.message_id.len(), 4 + 27);
    assert_eq!((event.timestamp, event.original_timestamp), (*NOW, *NOW));
    assert_eq!(event.call, Call::Track { event: "E".into(), properties: Map::new() });
}

#[test]
fn every_type_and_what_it_requires() {
    let ok = |call_type, call| read(call_type, call).unwrap().call;
    assert_eq!(ok(CallType::Identify, json!({"userId": 42})), Call::Identify { traits: Map::new() });
    assert_eq!(
        ok(CallType::Page, json!({"anonymousId": "a", "name": "", "category": 1})),
        Call::Page { name: Some(String::new()), category: Some("1".into()), properties: Map::new() }
    );
    assert_eq!(
        ok(CallType::Screen, json!({"userId": "u"})),
        Call::Screen { name: None, category: None, properties: Map::new() }
    );
    assert_eq!(
        ok(CallType::Group, json!({"userId": "u", "groupId": 7})),
        Call::Group { group_id: "7".into(), traits: Map::new() }
    );
    assert_eq!(
        ok(CallType::Alias, json!({"anonymousId": "u", "previousId": "p"})),
        Call::Alias { previous_id: "p".into() }
    );
    for (call_type, call, code, field) in [
        (CallType::Track, json!({"event": "E"}), Code::NoUserAnonId, "userId"),
        (
            CallType::Track,
            json!({"event": "E", "userId": "", "anonymousId": " "}),
            Code::NoUserAnonId,
            "userId",
        ),
        (CallType::Track, json!({"userId": "u"}), Code::NoEvent, "event"),
        (CallType::Track, json!({"userId": "u", "event": ""}), Code::NoEvent, "event"),
        (CallType::Track, json!({"userId": "u", "event": {}}), Code::InvalidField, "event"),
        (CallType::Track, json!({"userId": true, "event": "E"}), Code::InvalidField, "userId"),
        (CallType::Track, json!({"userId": {}, "event": "E"}), Code::InvalidField, "userId"),
        (
            CallType::Track,
            json!({"userId": "u", "event": "E", "properties": []}),
            Code::InvalidField,
            "properties",
        ),
        (
            CallType::Track,
            json!({"userId": "u", "event": "E", "context": "x"}),
            Code::InvalidField,
            "context",
        ),
        (
            CallType::Track,
            json!({"userId": "u", "event": "E", "integrations": 1}),
            Code::InvalidField,
            "integrations",
        ),
        (CallType::Track, json!({"userId": "u", "event": "x".repeat(501)}), Code::InvalidField, "event"),
        (
            CallType::Track,
            json!({"userId": "u", "event": "E", "messageId": "x".repeat(101)}),
            Code::MessageIdTooLong,
            "messageId",
        ),
        (CallType::Identify, json!({"userId": "u", "traits": "x"}), Code::InvalidField, "traits"),
        (CallType::Group, json!({"userId": "u"}), Code::MissingField, "groupId"),
        (CallType::Group, json!({"userId": "u", "groupId": ""}), Code::MissingField, "groupId"),
        (CallType::Alias, json!({"userId": "u"}), Code::MissingField, "previousId"),
        (CallType::Alias, json!({"previousId": "u"}), Code::NoUserAnonId, "userId"),
    ] {
        let error = read(call_type, call.clone()).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (code, Some(field)), "{call}");
    }
}

#[test]
fn times_that_are_not_understood_are_absent() {
    for odd in [json!("yesterday"), json!({}), json!(true), json!("")] {
        let event = track(json!({"userId": "u", "event": "E", "timestamp": odd, "sentAt": odd})).unwrap();
        assert_eq!((event.timestamp, event.sent_at), (*NOW, None));
    }
    let event = track(json!({"userId": "u", "event": "E", "timestamp": 1_700_000_000})).unwrap();
    assert_eq!(event.timestamp.to_rfc3339(), "2023-11-14T22:13:20.000Z");
}

#[test]
fn the_channel_is_that_of_the_library() {
    let channel = |call: Value| track(call).unwrap().channel;
    let by = |library: &str| json!({"userId": "u", "event": "E", "context": {"library": {"name": library}}});
    assert_eq!(channel(by("analytics.js")), "browser");
    assert_eq!(channel(by("analytics-kotlin")), "mobile");
    assert_eq!(channel(by("analytics-ios")), "mobile");
    assert_eq!(channel(by("analytics-go")), "server");
    let mut given = by("analytics.js");
    given["channel"] = json!("server");
    assert_eq!(channel(given), "server");
    assert_eq!(channel(json!({"userId": "u", "event": "E", "context": {"library": 5}})), "server");
}

#[test]
fn objects_merge_and_arrays_do_not() {
    let merge = |root: Value, item: Value| {
        let (Value::Object(root), Value::Object(item)) = (root, item) else { panic!("objects") };
        Value::Object(merged(&root, Some(item)))
    };
    let root = json!({"library": {"name": "analytics-go", "version": "3.0.0"}, "app": {"v": 1}});
    assert_eq!(
        merge(root, json!({"app": {"v": 2}, "ip": "1.1.1.1"})),
        json!({"library": {"name": "analytics-go", "version": "3.0.0"}, "app": {"v": 2}, "ip": "1.1.1.1"})
    );
    assert_eq!(
        merge(json!({"a": [1, 2], "b": {"c": 1}}), json!({"a": [3], "b": 4})),
        json!({"a": [3], "b": 4})
    );
    assert_eq!(
        merge(json!({"a": {"b": {"c": 1, "d": 2}}}), json!({"a": {"b": {"c": null}}})),
        json!({"a": {"b": {"c": null, "d": 2}}})
    );
}

#[test]
fn the_write_key_is_taken_out() {
    let Value::Object(mut call) = json!({"a": 1, "writeKey": "wk_1", "b": 2}) else { panic!("an object") };
    assert_eq!(take_write_key(&mut call).as_deref(), Some("wk_1"));
    assert_eq!(call.keys().collect::<Vec<_>>(), ["a", "b"]);
    for odd in [json!({"writeKey": 5}), json!({"writeKey": ""}), json!({"writeKey": null}), json!({})] {
        let Value::Object(mut call) = odd else { panic!("an object") };
        assert_eq!(take_write_key(&mut call), None);
    }
}

#[test]
fn only_the_two_short_tables_are_types() {
    for name in ["track", "identify", "page", "screen", "group", "alias"] {
        let call_type = CallType::by_name(name).unwrap();
        assert_eq!(CallType::by_letter(&name[..1]), Some(call_type));
    }
    assert_eq!((CallType::by_name("Track"), CallType::by_letter("b")), (None, None));
}
