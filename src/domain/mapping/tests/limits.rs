//! What would take for ever, or fill the memory, ends with an error.

use serde_json::{Value, json};

use super::{evaluate, path};
use crate::domain::limits::{
    MAX_MAPPED_BYTES, MAX_MAPPING_BYTES, MAX_MAPPING_DEPTH, MAX_MAPPING_PROBLEMS, MAX_MAPPING_STEPS,
};
use crate::domain::mapping::Mapping;

fn failure(definition: &Value, event: &Value) -> String {
    super::parse(definition).evaluate(event).expect_err("beyond the limits").message
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}

#[test]
fn definitions_have_a_size_and_a_depth() {
    assert_eq!(evaluate(&nested(MAX_MAPPING_DEPTH)), Some(nested(MAX_MAPPING_DEPTH)));
    let problems = Mapping::parse(&nested(MAX_MAPPING_DEPTH + 1)).expect_err("too deep");
    assert_eq!(problems[0].path, "/a".repeat(MAX_MAPPING_DEPTH));
    assert_eq!(problems[0].message, "should be nested at most 32 deep but there is more inside it");

    assert!(Mapping::parse(&json!("x".repeat(MAX_MAPPING_BYTES - 2))).is_ok());
    let problems = Mapping::parse(&json!("x".repeat(MAX_MAPPING_BYTES - 1))).expect_err("too large");
    assert_eq!(problems[0].to_string(), "/ should have at most 65536 bytes but it has 65537.");

    let wrong = Value::Array(vec![json!({"@path": 1}); 2000]);
    assert_eq!(Mapping::parse(&wrong).expect_err("wrong").len(), MAX_MAPPING_PROBLEMS);
}

#[test]
fn what_doubles_at_every_level_ends() {
    let doubled = (0..8).fold(json!({"x": "much text"}), |inner, _| {
        json!({"@transform": {"apply": {"a": inner, "b": path("$.")}, "mapping": {"x": path("$."), "y": path("$.")}}})
    });
    let event = json!({"text": "x".repeat(30_000)});
    assert_eq!(
        failure(&doubled, &event),
        format!("the mapping makes more than {MAX_MAPPED_BYTES} bytes of this event")
    );
    let long = json!({"@template": "{{text}}".repeat(8000)});
    assert!(failure(&long, &event).contains("bytes"));
    let replaced = (0..8).fold(
        path("$.text"),
        |inner, _| json!({"@replace": {"pattern": "x", "replacement": "xxxxxxxxxx", "value": inner}}),
    );
    assert!(failure(&replaced, &event).contains("bytes"));
    let quoted =
        (0..14).fold(path("$.text"), |inner, _| json!({"@json": {"mode": "encode", "value": inner}}));
    assert!(failure(&quoted, &json!({"text": "\"".repeat(30_000)})).contains("bytes"));
}

#[test]
fn lists_in_lists_end() {
    let hundred = json!({ "@literal": vec![json!({}); 100] });
    let nested = (0..8).fold(json!({"a": 1}), |inner, _| json!({"@arrayPath": [hundred, inner]}));
    assert_eq!(
        failure(&nested, &json!({})),
        format!("the mapping takes more than {MAX_MAPPING_STEPS} steps for this event")
    );
}

#[test]
fn events_nested_without_end_are_refused() {
    let deep = (0..1000).fold(json!(1), |inner, _| json!([inner]));
    for definition in [
        json!({"@json": {"mode": "encode", "value": path("$.deep")}}),
        json!({"@flatten": {"value": path("$.deep"), "separator": "_"}}),
        json!({"@excludeWhenNull": {"x": {"y": path("$.deep")}}}),
        json!({"@template": "{{deep}}"}),
        path("$.deep"),
        json!({"@transform": {"apply": path("$.deep"), "mapping": path("$.")}}),
    ] {
        let message = failure(&definition, &json!({ "deep": deep }));
        assert_eq!(message, "the mapping gives values nested more than 128 deep", "{definition}");
    }
    // What is only looked at is not gone through.
    let exists = json!({"@if": {"exists": path("$.deep"), "then": 1}});
    assert_eq!(super::parse(&exists).evaluate(&json!({ "deep": deep })), Ok(Some(json!(1))));
}
