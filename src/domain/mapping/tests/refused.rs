//! What is refused, where, and in which words.

use serde_json::{Value, json};

use super::{event, parse, path};
use crate::domain::mapping::Mapping;

fn problems(definition: &Value) -> Vec<String> {
    let problems = Mapping::parse(definition).expect_err(&definition.to_string());
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_definition_is_refused_with_place_and_reason() {
    for (definition, expected) in [
        (json!({"@case": "x"}), "/@case should be an object but it is a string."),
        (
            json!({"a": {"@path": {}}}),
            "/a/@path should be a string or a mapping directive but it is an object.",
        ),
        (json!({"@path": false}), "/@path should be a string or a mapping directive but it is a boolean."),
        (json!({"@path": null}), "/@path should be a string or a mapping directive but it is null."),
        (json!({"@template": 1}), "/@template should be a string or a mapping directive but it is a number."),
        (json!({"@path": "$.a", "b": 1}), "/ should only have one @-prefixed key but it has others, too: b."),
        (
            json!({"x": [0, {"@path": "a", "@literal": 1}]}),
            "/x/1 should only have one @-prefixed key but it has 2 keys.",
        ),
        (
            json!({"@if": {"exists": path("a"), "then": {"@path": 1}}}),
            "/@if/then/@path should be a string or a mapping directive but it is a number.",
        ),
        (
            json!({"@if": {"exists": false, "then": 1}}),
            "/@if should have field \"exists\" or \"blank\", and not only a literal false, 0, null or \"\".",
        ),
        (json!({"@case": {"value": "x"}}), "/@case should have field \"operator\" but it doesn't."),
        (json!({"@case": {"operator": 1}}), "/@case/operator should be a string but it is a number."),
        (
            json!({"@case": {"operator": "upper", "value": 5}}),
            "/@case/value should be a string or a mapping directive but it is a number.",
        ),
        (
            json!({"@case": {"operator": path("$.x"), "value": "x"}}),
            "/@case/operator should be a string but it is a directive.",
        ),
        (json!({"@replace": {"value": "x"}}), "/@replace should have field \"pattern\" but it doesn't."),
        (json!({"@replace": {"pattern": "x"}}), "/@replace should have field \"value\" but it doesn't."),
        (
            json!({"@replace": {"pattern": "", "value": "x"}}),
            "/@replace/pattern should be a string of length 1 or greater.",
        ),
        (
            json!({"@replace": {"pattern": "12345678901", "value": "x"}}),
            "/@replace/pattern should be a string of length 10 or less.",
        ),
        (
            json!({"@replace": {"pattern": "x", "replacement2": "12345678901", "value": "x"}}),
            "/@replace/replacement2 should be a string of length 10 or less.",
        ),
        (
            json!({"@replace": {"pattern": "x", "global": "yes", "value": "x"}}),
            "/@replace/global should be a boolean but it is a string.",
        ),
        (
            json!({"@replace": {"pattern": "x", "ignorcase": true, "value": "x"}}),
            "/@replace/ignorcase is no field here; the fields are pattern, replacement, pattern2, replacement2, \
             value, ignorecase, global.",
        ),
        (
            json!({"@merge": {"direction": "up", "objects": []}}),
            "/@merge/direction should be \"left\" or \"right\".",
        ),
        (json!({"@merge": {"objects": []}}), "/@merge should have field \"direction\" but it doesn't."),
        (
            json!({"@merge": {"direction": "left", "objects": [{}, 123]}}),
            "/@merge/objects/1 should be an object or a mapping directive but it is a number.",
        ),
        (
            json!({"@merge": {"direction": "left", "objects": {}}}),
            "/@merge/objects should be an array but it is an object.",
        ),
        (json!({"@flatten": {"value": 1}}), "/@flatten should have field \"separator\" but it doesn't."),
        (
            json!({"@flatten": {"value": 1, "separator": ""}}),
            "/@flatten/separator should be a string of length 1 or greater.",
        ),
        (json!({"@json": {"mode": "pack", "value": "x"}}), "/@json/mode should be \"encode\" or \"decode\"."),
        (
            json!({"@json": {"mode": "encode", "value": 0}}),
            "/@json/value should not be a literal false, 0, null or \"\".",
        ),
        (json!({"@arrayPath": "$.x"}), "/@arrayPath should be an array but it is a string."),
        (json!({"@arrayPath": []}), "/@arrayPath should be a path and maybe a shape but it has 0 entries."),
        (
            json!({"@arrayPath": [1]}),
            "/@arrayPath/0 should be a string or a mapping directive but it is a number.",
        ),
        (
            json!({"@arrayPath": ["$.x", {"a/b~": {"@path": 1}}]}),
            "/@arrayPath/1/a~1b~0/@path should be a string or a mapping directive but it is a number.",
        ),
        (
            json!({"@transform": {"apply": "x", "mapping": {}}}),
            "/@transform/apply should be an object or a mapping directive but it is a string.",
        ),
        (json!({"@transform": {"apply": {}}}), "/@transform should have field \"mapping\" but it doesn't."),
        (
            json!({"@excludeWhenNull": {"@literal": {"@case": 1}}}),
            "/@excludeWhenNull/@literal/@case should be an object but it is a number.",
        ),
        (
            json!({"a": {"@liquid": "x"}}),
            "/a has the directive @liquid, which is not supported; use @template, @if, @case or @replace.",
        ),
        (
            json!({"__segment_internal_directive": 1}),
            "/__segment_internal_directive should be a directive object but it is a number.",
        ),
        (
            json!({"__segment_internal_directive": {"@transform": {"apply": {}}, "@merge": {}}}),
            "/__segment_internal_directive should only have one directive but it has 2 keys.",
        ),
        (
            json!({"__segment_internal_directive": {"@transform": {"apply": {}}}, "x": {"@path": 1}}),
            "/x/@path should be a string or a mapping directive but it is a number.",
        ),
    ] {
        assert_eq!(problems(&definition), [expected], "{definition}");
    }
    let unknown = problems(&json!({"a": {"@nope": 1}}));
    assert!(
        unknown[0].starts_with("/a has an invalid directive: @nope; the directives are @path, "),
        "{unknown:?}"
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    let definition = json!({
        "a": {"@case": {"operator": 1, "value": 2, "x": {"@nope": 1}}},
        "b": [{"@path": 1}, {"@path": "p", "other": {"@path": 2}}],
    });
    let paths: Vec<String> =
        Mapping::parse(&definition).expect_err("wrong").into_iter().map(|problem| problem.path).collect();
    assert_eq!(
        paths,
        [
            "/a/@case/x",
            "/a/@case/x",
            "/a/@case/operator",
            "/a/@case/value",
            "/b/0/@path",
            "/b/1",
            "/b/1/other/@path"
        ]
    );
}

#[test]
fn what_an_event_cannot_give_is_an_error_with_its_place() {
    for (definition, expected) in [
        (json!({"a": {"@template": path("$.missing")}}), "/a/@template: expected string, got undefined"),
        (json!({"@path": path("$.properties.total")}), "/@path: expected string, got number"),
        (json!([{"@path": {"@literal": {}}}]), "/0/@path: expected string, got object"),
        (
            json!({"@case": {"operator": "odd", "value": "x"}}),
            "/@case: operator key should have a value of \"lower\" or \"upper\"",
        ),
        (
            json!({"@flatten": {"value": 1, "separator": path("$.missing")}}),
            "/@flatten/separator: expected string, got undefined",
        ),
        (
            json!({"@arrayPath": ["$.properties.list", {"x": {"@template": path("$.n")}}]}),
            "/@arrayPath/1/x/@template: expected string, got undefined",
        ),
        (
            json!({"@transform": {"apply": {}, "mapping": {"x": {"@template": path("$.type")}}}}),
            "/@transform/mapping/x/@template: expected string, got undefined",
        ),
    ] {
        let error = parse(&definition).evaluate(&event()).expect_err(&definition.to_string());
        assert_eq!(error.to_string(), expected);
    }
    let error = parse(&json!({})).evaluate(&json!([])).expect_err("no object");
    assert_eq!(error.to_string(), "/: the event must be an object, got array");
}
