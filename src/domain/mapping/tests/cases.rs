//! The cases whose results were taken from the original.

use serde_json::json;

use super::{check, evaluate, event, parse, path};

#[test]
fn paths_lead_to_what_the_original_gives() {
    check(&[
        (path("$.userId"), Some(json!("u1"))),
        (path("userId"), Some(json!("u1"))),
        (path("$.missing"), None),
        (path("$.anonymousId"), Some(json!(null))),
        (path("$.properties.total.deep"), None),
        (path("$.properties.zero.deep"), Some(json!(0))),
        (path("$.properties.empty.deep"), Some(json!(""))),
        (path("$.properties.flag.deep"), Some(json!(false))),
        (path("$.properties.nul.deep"), Some(json!(null))),
        (path("$.properties['two words']"), Some(json!("W"))),
        (path("$.properties.two words"), Some(json!("W"))),
        (path("$.properties.list[0].id"), Some(json!(1))),
        (path("$.properties.list.1.id"), Some(json!(2))),
        (path("$.properties.list.id"), None),
        (path("$.properties.list.length"), Some(json!(2))),
        (path("$.userId.length"), Some(json!(2))),
        (path("$.userId.length.x"), None),
        (path("$.properties.empty.length"), Some(json!(""))),
        (path("$"), None),
        (json!([path("$.missing"), 1]), Some(json!([null, 1]))),
        (json!({"@path": {"@template": "$.{{type}}"}}), None),
        (json!({"@path": {"@literal": "$.type"}}), Some(json!("track"))),
        (json!({"@path": "$.type", "_metadata": {"from": "the page"}}), Some(json!("track"))),
    ]);
    assert_eq!(evaluate(&path("$.type")), Some(json!("track")));
    assert_eq!(evaluate(&path("$.missing")), None);
    for whole in ["$.", "", "."] {
        assert_eq!(evaluate(&path(whole)), Some(event()));
    }
}

#[test]
fn templates_cases_and_replacements_give_what_the_original_gives() {
    check(&[
        (
            json!({"@template": "Hi {{userId}} / {{properties.total}} / {{properties.missing}}"}),
            Some(json!("Hi u1 / 42.5 / ")),
        ),
        (json!({"@template": path("$.event")}), Some(json!("Order Completed"))),
        (json!({"@case": {"operator": "upper", "value": path("$.event")}}), Some(json!("ORDER COMPLETED"))),
        (json!({"@case": {"operator": "lower", "value": "ÄRGER"}}), Some(json!("ärger"))),
        (json!({"@case": {"operator": "upper", "value": path("$.properties.total")}}), Some(json!(42.5))),
        (json!({"@case": {"operator": "upper", "value": path("$.properties.nul")}}), Some(json!(null))),
        (json!({"@case": {"operator": "odd", "value": path("$.properties.total")}}), Some(json!(42.5))),
        (json!({"@case": {"operator": "upper"}}), None),
        (json!({"@case": {"operator": "upper", "value": ""}}), None),
        (json!({"@case": {"operator": "upper", "value": path("$.properties.empty")}}), Some(json!(""))),
    ]);
    let sku = path("$.properties.sku");
    check(&[
        (
            json!({"@replace": {"pattern": "-", "replacement": "_", "global": false, "value": sku}}),
            Some(json!("AB_12-CD")),
        ),
        (
            json!({"@replace": {"pattern": "ab", "replacement": "x", "ignorecase": true, "value": sku}}),
            Some(json!("x-12-CD")),
        ),
        (
            json!({"@replace": {"pattern": ".", "replacement": ",", "value": path("$.properties.total")}}),
            Some(json!("42,5")),
        ),
        (
            json!({"@replace": {
                "pattern": "-", "replacement": "/", "pattern2": "/", "replacement2": "+", "value": sku,
            }}),
            Some(json!("AB+12+CD")),
        ),
        (json!({"@replace": {"pattern": "-", "value": sku}}), Some(json!("AB12CD"))),
        (json!({"@replace": {"pattern": "-", "pattern2": "", "value": sku}}), Some(json!("AB12CD"))),
        (json!({"@replace": {"pattern": "a", "value": path("$.missing")}}), Some(json!(""))),
        (json!({"@replace": {"pattern": "a", "value": path("$.properties.tags")}}), Some(json!(""))),
        (json!({"@replace": {"pattern": "a", "value": ""}}), None),
        (
            json!({"@replace": {"pattern": "false", "replacement": "no", "value": path("$.properties.flag")}}),
            Some(json!("no")),
        ),
        (
            json!({"@replace": {"pattern": "1", "replacement": "$&$1", "value": sku}}),
            Some(json!("AB-$&$12-CD")),
        ),
        (
            json!({"@replace": {"pattern": "É", "replacement": "e", "ignorecase": true, "value": "été"}}),
            Some(json!("ete")),
        ),
    ]);
}

#[test]
fn objects_are_shaped_as_the_original_shapes_them() {
    let merge = |direction: &str, objects| json!({"@merge": {"direction": direction, "objects": objects}});
    let two = json!([{"x": 1, "y": 1}, {"x": 2, "z": 3}]);
    let flatten = |value| json!({"@flatten": {"value": value, "separator": "_"}});
    let obj = path("$.properties.obj");
    check(&[
        (merge("right", two.clone()), Some(json!({"x": 2, "y": 1, "z": 3}))),
        (merge("left", two), Some(json!({"x": 1, "z": 3, "y": 1}))),
        (merge("right", json!([{"x": 1}, {"x": path("$.missing")}])), Some(json!({}))),
        (merge("right", json!([{"x": 1}, {"x": null}])), Some(json!({"x": null}))),
        (merge("right", json!([{"o": {"p": 1}}, {"o": {"q": 2}}])), Some(json!({"o": {"q": 2}}))),
        (merge("right", json!([path("$.missing"), {"x": 1}, path("$.anonymousId")])), Some(json!({"x": 1}))),
        (
            merge("right", json!([path("$.properties.one"), path("$.properties.tags")])),
            Some(json!({"id": 9, "0": "a", "1": "b"})),
        ),
        (merge("left", json!([])), Some(json!({}))),
        (flatten(obj.clone()), Some(json!({"a_b": 1, "a_c": null, "d_0": 1, "d_1_e": 2}))),
        (
            json!({"@flatten": {"value": obj, "separator": "_", "omitArrays": true}}),
            Some(json!({"a_b": 1, "a_c": null, "d": [1, {"e": 2}]})),
        ),
        (flatten(path("$.userId")), Some(json!({"": "u1"}))),
        (flatten(path("$.missing")), Some(json!({}))),
        (flatten(json!({"x": {}, "y": {"z": []}, "w": 1})), Some(json!({"w": 1}))),
        (flatten(json!([path("$.missing"), 1])), Some(json!({"1": 1}))),
        (json!({"@excludeWhenNull": path("$.properties.nul")}), None),
        (json!({"@excludeWhenNull": path("$.properties.zero")}), Some(json!(0))),
        (
            json!({"@excludeWhenNull": path("$.properties.obj")}),
            Some(json!({"a": {"b": 1}, "d": [1, {"e": 2}]})),
        ),
        (json!({"@excludeWhenNull": [null, {"x": null}]}), Some(json!([null, {"x": null}]))),
        (json!({"@literal": {"b": path("$.userId")}}), Some(json!({"b": "u1"}))),
        (json!({"@literal": ""}), Some(json!(""))),
        (json!({"@literal": null}), Some(json!(null))),
        (json!({}), Some(json!({}))),
        (json!({"b": path("$.missing")}), Some(json!({}))),
    ]);
}

#[test]
fn json_lists_and_transformations_give_what_the_original_gives() {
    let json = |mode: &str, value| json!({"@json": {"mode": mode, "value": value}});
    let list = |text: &str, shape| json!({"@arrayPath": [text, shape]});
    let id = json!({"i": path("$.id")});
    let obj = path("$.properties.obj");
    check(&[
        (json("encode", obj.clone()), Some(json!("{\"a\":{\"b\":1,\"c\":null},\"d\":[1,{\"e\":2}]}"))),
        (json("decode", path("$.properties.json")), Some(json!({"k": [1, 2]}))),
        (json("decode", path("$.properties.bad")), Some(json!("{oops"))),
        (json("decode", path("$.properties.num")), Some(json!(7))),
        (json("decode", path("$.properties.one")), Some(json!({"id": 9}))),
        (json("encode", path("$.properties.nul")), Some(json!("null"))),
        (json("encode", path("$.missing")), None),
        (json("encode", json!([path("$.missing"), {"x": path("$.missing")}])), Some(json!("[null,{}]"))),
        (
            json("encode", json!({"b": 1.0, "10": 1e21, "9": "é\u{1}\""})),
            Some(json!("{\"9\":\"é\\u0001\\\"\",\"10\":1e+21,\"b\":1}")),
        ),
        (
            list("$.properties.list", json!({"i": path("$.id"), "n": path("$.n")})),
            Some(json!([{"i": 1, "n": "x"}, {"i": 2}])),
        ),
        (list("$.properties.one", id.clone()), Some(json!([{"i": 9}]))),
        (list("$.missing", id.clone()), None),
        (list("$.userId", id.clone()), Some(json!("u1"))),
        (list("$.properties.tags", json!({"v": path("$.")})), Some(json!([{"v": "a"}, {"v": "b"}]))),
        (list("$.properties.tags", json!({})), Some(json!(["a", "b"]))),
        (list("$.properties.list", path("$.id")), Some(json!([1, 2]))),
        (json!({"@arrayPath": ["$.properties.tags"]}), Some(json!(["a", "b"]))),
        (
            list("$.properties.list", json!({"c": "k", "u": path("$.userId")})),
            Some(json!([{"c": "k"}, {"c": "k"}])),
        ),
        (
            json!({"@arrayPath": [{"@literal": [{"id": path("$.userId")}, path("$.missing"), null]}, id]}),
            Some(json!([{"i": "u1"}, {}, {"i": null}])),
        ),
        (
            json!({"@transform": {
                "apply": {"f": {"@flatten": {"value": obj, "separator": "_"}}},
                "mapping": {"x": path("$.f.a_b"), "u": path("$.userId")},
            }}),
            Some(json!({"x": 1})),
        ),
        (
            json!({"@transform": {"apply": path("$.userId"), "mapping": {"whole": path("$."), "t": "{{x}}"}}}),
            Some(json!({"whole": "u1", "t": "{{x}}"})),
        ),
    ]);
}

#[test]
fn conditions_give_what_the_original_gives() {
    for (tested, exists, blank) in [
        (path("$.properties.total"), "Y", "Y"),
        (path("$.properties.zero"), "Y", "N"),
        (path("$.properties.empty"), "Y", "N"),
        (json!({"@literal": "   "}), "Y", "Y"),
        (path("$.properties.flag"), "Y", "N"),
        (json!({"@literal": true}), "Y", "Y"),
        (path("$.properties.nul"), "N", "N"),
        (path("$.missing"), "N", "N"),
        (json!({"@literal": []}), "Y", "N"),
        (json!({"@literal": [[null]]}), "Y", "N"),
        (json!({"@literal": [path("$.missing")]}), "Y", "N"),
        (json!({"@literal": [0]}), "Y", "Y"),
        (json!({"@literal": [null, null]}), "Y", "Y"),
        (json!({"@literal": {}}), "Y", "Y"),
    ] {
        check(&[
            (json!({"@if": {"exists": tested, "then": "Y", "else": "N"}}), Some(json!(exists))),
            (json!({"@if": {"blank": tested, "then": "Y", "else": "N"}}), Some(json!(blank))),
        ]);
    }
    let missing = path("$.missing");
    check(&[
        (json!({"@if": {"exists": missing, "then": 1, "else": 0}}), None),
        (json!({"@if": {"exists": missing, "then": 1, "else": null}}), None),
        (json!({"@if": {"exists": missing, "then": 1, "else": ""}}), None),
        (json!({"@if": {"exists": missing, "then": 1, "else": {"@literal": 0}}}), Some(json!(0))),
        (json!({"@if": {"exists": missing, "then": 1}}), None),
        (json!({"@if": {"exists": true, "else": 1}}), None),
        (json!({"@if": {"exists": true, "then": null}}), Some(json!(null))),
        (json!({"@if": {"exists": true, "then": 0}}), Some(json!(0))),
        (json!({"@if": {"exists": null, "blank": "x", "then": 1, "else": 2}}), Some(json!(2))),
        (json!({"@if": {"exists": true, "blank": "", "then": path("$.type")}}), Some(json!("track"))),
    ]);
}

#[test]
fn a_directive_at_the_root_takes_the_other_keys_as_its_mapping() {
    let definition = json!({
        "__segment_internal_directive": {"@transform": {
            "apply": {"@merge": {"direction": "right", "objects": [
                path("$."),
                {"properties": {"@flatten": {"value": path("$.properties.obj"), "separator": "__"}}},
            ]}},
            "mapping": path("$."),
        }},
        "x": path("$.properties.a__b"),
        "u": path("$.userId"),
        "k": 1,
    });
    assert_eq!(evaluate(&definition), Some(json!({"x": 1, "u": "u1", "k": 1})));
    assert_eq!(parse(&definition).to_json(), &definition);
}
