use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::definition::document::read_one;
use crate::domain::definition::{Definition, Kind};

fn destination(more: Value) -> Destination {
    let mut body = json!({ "kind": "webhook", "urls": [{ "url": "https://x.example/" }] });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    if body["kind"] != "webhook" {
        body.as_object_mut().unwrap().remove("urls");
    }
    match read_one(Kind::Destination, Some("crm"), &body).unwrap() {
        Definition::Destination(destination) => destination,
        other => panic!("{other:?}"),
    }
}

fn event() -> Value {
    json!({
        "type": "track", "event": "Bought", "userId": "u1", "messageId": "m1",
        "properties": {
            "total": 5, "card": { "number": "4111", "brand": "visa" },
            "products": [{ "sku": "a", "price": 1 }, { "sku": "b", "price": 2 }],
        },
        "context": { "ip": "1.2.3.4", "traits": { "email": "a@b.io" } },
    })
}

/// Traits that the profile has; one of them was removed.
fn trait_of(name: &str) -> Option<Value> {
    match name {
        "email" => Some(json!("p@b.io")),
        "plan" => Some(json!({ "name": "pro" })),
        "gone" => Some(Value::Null),
        _ => None,
    }
}

fn sent(more: Value) -> Result<Value, NotSent> {
    select(&destination(more), Cow::Owned(event()), trait_of).map(Cow::into_owned)
}

#[test]
fn who_is_admitted() {
    let action = json!({ "kind": "webhook_action", "mapping": { "url": "https://x.example/" } });
    let pendo = json!({ "kind": "pendo", "api_key": "0123456789abcdef0123456789abcdef" });
    let survey =
        json!({ "kind": "hello_customer", "api_key": "x", "touchpoint_id": "t", "language_id": "l" });
    let webhook = json!({});
    let named = json!({ "integration_names": ["CRM"] });
    for (more, integrations, admitted) in [
        (&webhook, json!({}), true),
        (&webhook, json!({ "All": true }), true),
        (&webhook, json!({ "All": false }), false),
        (&webhook, json!({ "All": false, "crm": true }), true),
        (&webhook, json!({ "All": false, "crm": { "option": 1 } }), true),
        (&webhook, json!({ "All": false, "Webhooks": true }), true),
        (&webhook, json!({ "Webhooks": false }), false),
        (&webhook, json!({ "Webhooks": false, "crm": true }), true),
        (&webhook, json!({ "Webhooks": true, "crm": false }), false),
        (&webhook, json!({ "Webhooks (Actions)": false, "Pendo": false }), true),
        (&webhook, json!({ "All": { "session": 1 } }), true),
        (&action, json!({ "All": false, "Webhooks (Actions)": true }), true),
        (&action, json!({ "All": false, "Actions Webhook": true }), true),
        (&action, json!({ "All": false, "Webhooks": true }), false),
        (&pendo, json!({ "Pendo": false }), false),
        (&pendo, json!({ "All": false, "Pendo": true }), true),
        (&pendo, json!({ "Webhooks (Actions)": false }), true),
        (&survey, json!({ "Hello Customer": false }), false),
        (&named, json!({ "CRM": false }), false),
        (&named, json!({ "CRM": true, "All": false }), true),
        (&named, json!({ "Webhooks": false }), true),
    ] {
        let expected = if admitted { Ok(()) } else { Err(NotSent::Integrations) };
        let answer = admit(&destination(more.clone()), Some("web"), integrations.as_object().unwrap());
        assert_eq!(answer, expected, "{more} {integrations}");
    }
    let connected = destination(json!({ "sources": ["web", "shop"] }));
    let none = Map::new();
    assert_eq!(admit(&connected, Some("shop"), &none), Ok(()));
    assert_eq!(admit(&connected, Some("app"), &none), Err(NotSent::NotConnected));
    assert_eq!(admit(&connected, None, &none), Ok(()), "what is computed has no source");
}

#[test]
fn filters_and_triggers() {
    let drop = |condition: &str| json!({ "filter": [{ "if": condition, "drop_event": true }] });
    for (more, expected) in [
        (json!({}), None),
        (drop("event = 'Bought'"), Some(NotSent::Filter)),
        (drop("event = 'Other'"), None),
        (json!({ "filter": [{ "drop_event": true }] }), Some(NotSent::Filter)),
        (json!({ "trigger": "type = 'track' and properties.total >= 5" }), None),
        (json!({ "trigger": "type = 'page'" }), Some(NotSent::Trigger)),
        // A trigger can't say no to what is not there; a filter can.
        (json!({ "trigger": "!contains(properties.missing, 'x')" }), Some(NotSent::Trigger)),
        (drop("!contains(properties.missing, 'x')"), Some(NotSent::Filter)),
        // What can't be judged is not sent.
        (json!({ "trigger": "number(event) = 1" }), Some(NotSent::Fault)),
        (drop("lowercase(properties.total) = 'x'"), Some(NotSent::Fault)),
        // What was left out is seen by nobody after it.
        (
            json!({ "filter": [{ "drop": ["properties.total"] }], "trigger": "properties.total = 5" }),
            Some(NotSent::Trigger),
        ),
        (
            json!({ "filter": [{ "drop": ["properties"] }, { "if": "properties.total = 5", "drop_event": true }] }),
            None,
        ),
        // A profile is not part of the event.
        (json!({ "profile_traits": ["email"], "trigger": "profile.traits.email = null" }), None),
    ] {
        assert_eq!(sent(more.clone()).err(), expected, "{more}");
    }
}

#[test]
fn fields_that_are_left_out() {
    let properties = |filter: Value| sent(json!({ "filter": [filter] })).unwrap()["properties"].to_string();
    for (drop, left) in [
        (
            json!(["properties.card.number"]),
            r#"{"total":5,"card":{"brand":"visa"},"products":[{"sku":"a","price":1},{"sku":"b","price":2}]}"#,
        ),
        (
            json!(["properties.card", "properties.products.price"]),
            r#"{"total":5,"products":[{"sku":"a"},{"sku":"b"}]}"#,
        ),
        (
            json!(["properties.card", "properties.products.1.sku"]),
            r#"{"total":5,"products":[{"sku":"a","price":1},{"price":2}]}"#,
        ),
        (
            json!(["properties.card", "properties.products.0", "properties.total.x", "properties.none"]),
            r#"{"total":5,"products":[null,{"sku":"b","price":2}]}"#,
        ),
        (
            json!(["context.ip"]),
            r#"{"total":5,"card":{"number":"4111","brand":"visa"},"products":[{"sku":"a","price":1},{"sku":"b","price":2}]}"#,
        ),
    ] {
        assert_eq!(properties(json!({ "drop": drop })), left, "drop {drop}");
    }
    for (allow, left) in [
        (json!(["properties.total"]), r#"{"total":5}"#),
        (json!(["properties.card.brand", "properties.total"]), r#"{"total":5,"card":{"brand":"visa"}}"#),
        (json!(["properties.products.sku"]), r#"{"products":[{"sku":"a"},{"sku":"b"}]}"#),
        (json!(["properties.products.1"]), r#"{"products":[{"sku":"b","price":2}]}"#),
        (json!(["properties.products.01.sku"]), r#"{"products":[{"sku":"b"}]}"#),
        (json!([r"prop\erties.total"]), r#"{"total":5}"#),
        (json!(["properties.none"]), "{}"),
        (
            json!(["traits.x"]),
            r#"{"total":5,"card":{"number":"4111","brand":"visa"},"products":[{"sku":"a","price":1},{"sku":"b","price":2}]}"#,
        ),
    ] {
        assert_eq!(properties(json!({ "allow": allow })), left, "allow {allow}");
    }
    let only =
        sent(json!({ "filter": [{ "allow": ["properties.total", "context.traits.email"] }] })).unwrap();
    assert_eq!(only["context"], json!({ "traits": { "email": "a@b.io" } }));
    assert_eq!(only["userId"], "u1");
}

#[test]
fn a_backslash_puts_a_dot_into_a_name() {
    let mut call = json!({ "properties": { "a.b": 1, "a": { "b": 2 }, "c\\": 3 } });
    fields::leave_out(&mut call, &[r"properties.a\.b".to_owned(), r"properties.c\\".to_owned()]);
    assert_eq!(call, json!({ "properties": { "a": { "b": 2 } } }));
    let mut call = json!({ "properties": { "a.b": { "c": 1 }, "a": { "b": 2 } } });
    fields::keep_only(&mut call, &[r"properties.a\.b.c".to_owned()]);
    assert_eq!(call, json!({ "properties": { "a.b": { "c": 1 } } }));
}

#[test]
fn traits_of_the_profile_come_last() {
    let with = sent(json!({ "profile_traits": ["plan", "none", "gone", "email"] })).unwrap();
    let (name, profile) = with.as_object().unwrap().iter().next_back().unwrap();
    assert_eq!(name, "profile");
    assert_eq!(profile.to_string(), r#"{"traits":{"plan":{"name":"pro"},"email":"p@b.io"}}"#);
    assert_eq!(sent(json!({ "profile_traits": ["none"] })).unwrap(), event());
}

#[test]
fn a_sender_can_not_pretend_a_profile() {
    let mut pretended = event();
    pretended["profile"] = json!({ "traits": { "email": "evil@b.io" } });
    let sent = |names: Value| {
        let destination = destination(json!({ "profile_traits": names }));
        select(&destination, Cow::Owned(pretended.clone()), trait_of).unwrap().into_owned()
    };
    assert_eq!(sent(json!(["email"]))["profile"], json!({ "traits": { "email": "p@b.io" } }));
    assert_eq!(sent(json!(["none"])), event());
    assert_eq!(sent(json!([])), pretended, "who names no traits is sent what came");
}

#[test]
fn nothing_is_copied_where_nothing_changes() {
    let event = event();
    for plain in [json!({ "trigger": "type = 'track'" }), json!({ "profile_traits": ["none"] })] {
        let plain = destination(plain);
        assert!(matches!(select(&plain, Cow::Borrowed(&event), trait_of), Ok(Cow::Borrowed(_))));
    }
}

#[test]
fn what_a_preset_asks_for_holds_beside_a_trigger_of_ones_own() {
    let survey = |trigger: Value| {
        destination(json!({
            "kind": "hello_customer", "api_key": "x", "touchpoint_id": "t", "language_id": "l", "trigger": trigger,
        }))
    };
    let answer =
        |destination: &Destination, call: Value| select(destination, Cow::Owned(call), trait_of).map(drop);
    for trigger in [json!(null), json!("type != 'x'")] {
        let survey = survey(trigger);
        for (call, expected) in [
            (json!({ "type": "identify", "userId": "u1" }), Ok(())),
            (json!({ "type": "track", "anonymousId": "a1" }), Ok(())),
            (json!({ "type": "group", "groupId": "g", "userId": "u1" }), Ok(())),
            (json!({ "type": "alias", "userId": "u1", "previousId": "old" }), Err(NotSent::Trigger)),
            (json!({ "type": "delete", "userId": "u1" }), Err(NotSent::Trigger)),
            // What is computed of an account has nobody to be asked.
            (json!({ "type": "group", "groupId": "g" }), Err(NotSent::Trigger)),
        ] {
            assert_eq!(answer(&survey, call.clone()), expected, "{call}");
        }
    }
    let own = survey(json!("event = 'Bought'"));
    assert_eq!(answer(&own, json!({ "type": "track", "userId": "u1" })), Err(NotSent::Trigger));
    let pendo = destination(json!({
        "kind": "pendo", "api_key": "0123456789abcdef0123456789abcdef", "calls": ["track"], "trigger": "userId = 'u1'",
    }));
    assert_eq!(answer(&pendo, json!({ "type": "track", "userId": "u1" })), Ok(()));
    assert_eq!(answer(&pendo, json!({ "type": "page", "userId": "u1" })), Err(NotSent::Trigger));
}

#[test]
fn counts_are_by_destination_and_reason() {
    let mut counts = NotSentCounts::default();
    for (destination, reason) in [("b", NotSent::Trigger), ("a", NotSent::Filter), ("b", NotSent::Trigger)] {
        counts.add(destination, reason);
    }
    let all: Vec<_> = counts.iter().collect();
    assert_eq!(all, [("a", NotSent::Filter, 1), ("b", NotSent::Trigger, 2)]);
}

/// JSON of few names, so that paths lead somewhere.
fn values() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]?".prop_map(Value::from)
    ];
    plain.prop_recursive(4, 32, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    /// What is kept and what is left out by the same paths are both parts of the event; nothing is in both, and nothing in
    /// neither.
    #[test]
    fn fields_are_kept_or_left_out(properties in values(), paths in proptest::collection::vec("(properties|context)(\\.[ab01]){1,3}", 1..4)) {
        let mut event = json!({ "type": "track", "properties": properties, "context": { "a": 1 } });
        number_leaves(&mut event, &mut 0);
        let mut kept = event.clone();
        fields::keep_only(&mut kept, &paths);
        let mut left = event.clone();
        fields::leave_out(&mut left, &paths);
        for section in ["properties", "context"] {
            let all = leaves(&event[section]);
            let (kept, left) = (leaves(&kept[section]), leaves(&left[section]));
            if paths.iter().any(|path| path.starts_with(section)) {
                prop_assert!(kept.is_disjoint(&left), "{:?} are in both", kept.intersection(&left));
                prop_assert_eq!(kept.union(&left).cloned().collect::<BTreeSet<_>>(), all);
            } else {
                prop_assert_eq!((&kept, &left), (&all, &all), "what nobody names stays");
            }
        }
        let once = left.clone();
        fields::leave_out(&mut left, &paths);
        prop_assert_eq!(&left, &once, "leaving out twice changes nothing");
        prop_assert_eq!((&left["type"], &kept["type"]), (&event["type"], &event["type"]));
    }
}

/// Makes each leaf another than all others, so that they can be told apart.
fn number_leaves(value: &mut Value, next: &mut usize) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| number_leaves(member, next)),
        Value::Array(items) => items.iter_mut().for_each(|item| number_leaves(item, next)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *next += 1;
            *value = Value::from(format!("leaf {next}"));
        }
    }
}

fn leaves(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::String(leaf) => BTreeSet::from([leaf.clone()]),
        // What stands in the place of an entry that was left out.
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}
