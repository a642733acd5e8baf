//! Tests of mappings as a whole; small parts are tested where they are.

mod cases;
mod limits;
mod properties;
mod refused;

use serde_json::{Value, json};

use super::Mapping;

/// The event that the tables are about.
fn event() -> Value {
    json!({
        "type": "track", "event": "Order Completed", "userId": "u1", "anonymousId": null,
        "properties": {
            "total": 42.5, "zero": 0, "empty": "", "nul": null, "flag": false, "sku": "AB-12-CD",
            "two words": "W", "tags": ["a", "b"], "list": [{"id": 1, "n": "x"}, {"id": 2}], "one": {"id": 9},
            "obj": {"a": {"b": 1, "c": null}, "d": [1, {"e": 2}]}, "json": "{\"k\":[1,2]}", "bad": "{oops",
            "num": "7",
        },
        "traits": {"email": "A@B.io"},
    })
}

/// `{"@path": …}`.
fn path(text: &str) -> Value {
    json!({"@path": text})
}

fn parse(definition: &Value) -> Mapping {
    Mapping::parse(definition).unwrap_or_else(|problems| panic!("{definition}: {problems:?}"))
}

/// What a definition comes to for [`event`].
fn evaluate(definition: &Value) -> Option<Value> {
    parse(definition).evaluate(&event()).unwrap_or_else(|error| panic!("{definition}: {error}"))
}

/// Checks what definitions come to under the key `a`, as text, so that the order of keys counts: None for no key at all.
fn check(table: &[(Value, Option<Value>)]) {
    for (definition, expected) in table {
        let whole = evaluate(&json!({ "a": definition })).unwrap_or_default();
        let expected = expected.as_ref().map_or_else(|| json!({}), |expected| json!({ "a": expected }));
        assert_eq!(whole.to_string(), expected.to_string(), "{definition}");
    }
}
