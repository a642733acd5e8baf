//! What holds for every definition and every event.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::domain::limits::{MAX_MAPPED_BYTES, MAX_MAPPED_DEPTH};
use crate::domain::mapping::{DIRECTIVES, Mapping};

/// Few keys, so that paths often lead somewhere.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]", Just("10".to_owned()), Just("9".to_owned()), Just("length".to_owned()), "[^@]{0,3}"]
}

fn plain() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-cAé\"{}]{0,6}".prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
        Just(json!("{\"a\": [1, {\"b\": null}]}")),
    ]
    .boxed()
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec((key(), value), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn data() -> impl Strategy<Value = Value> {
    plain().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array), object(inner)]
    })
}

fn event() -> impl Strategy<Value = Value> {
    object(data())
}

fn path() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\$\\.([a-c]|9|10|length|[01])(\\.([a-c]|[01]|length)|\\[[0-2]\\]){0,3}",
        Just("$.".to_owned()),
        "[$.\\[\\]'\"a01é]{0,8}",
    ];
    text.prop_map(|text| json!({"@path": text}))
}

/// Valid definitions, mostly.
fn definition() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => path(),
        1 => plain(),
        1 => "([a {}]|\\{\\{[a-c.]{1,3}\\}\\}|\\{\\{\\{a\\}\\}\\}){0,6}".prop_map(|text| json!({"@template": text})),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let text = prop_oneof![path(), Just(json!("aAbé")), inner.clone()];
        prop_oneof![
            object(inner.clone()),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            inner.clone().prop_map(|value| json!({ "@literal": value })),
            inner.clone().prop_map(|value| json!({ "@excludeWhenNull": value })),
            inner.clone().prop_map(|value| json!({ "@path": value })),
            inner.clone().prop_map(|value| json!({ "@template": value })),
            (any::<bool>(), inner.clone(), inner.clone(), inner.clone()).prop_map(|(exists, test, then, other)| {
                let name = if exists { "exists" } else { "blank" };
                json!({"@if": {(name): test, "then": then, "else": other}})
            }),
            (prop_oneof![Just("upper"), Just("lower")], text.clone())
                .prop_map(|(operator, value)| json!({"@case": {"operator": operator, "value": value}})),
            ("[a-cAé]{1,2}", ".{0,3}", any::<bool>(), any::<bool>(), text).prop_map(
                |(pattern, replacement, ignore, global, value)| json!({"@replace": {
                    "pattern": pattern, "replacement": replacement, "pattern2": "a", "replacement2": "aaaaaaaaaa",
                    "ignorecase": ignore, "global": global, "value": value,
                }})
            ),
            (any::<bool>(), proptest::collection::vec(prop_oneof![path(), object(inner.clone())], 0..4)).prop_map(
                |(left, objects)| json!({"@merge": {"direction": if left { "left" } else { "right" }, "objects": objects}})
            ),
            (inner.clone(), any::<bool>())
                .prop_map(|(value, omit)| json!({"@flatten": {"value": value, "separator": "_", "omitArrays": omit}})),
            (any::<bool>(), inner.clone()).prop_map(
                |(encode, value)| json!({"@json": {"mode": if encode { "encode" } else { "decode" }, "value": value}})
            ),
            (path(), inner.clone()).prop_map(|(list, shape)| json!({"@arrayPath": [list, shape]})),
            (object(inner.clone()), inner)
                .prop_map(|(apply, mapping)| json!({"@transform": {"apply": apply, "mapping": mapping}})),
        ]
    })
}

/// Anything with directives in odd places.
fn junk() -> impl Strategy<Value = Value> {
    let names: Vec<&str> = DIRECTIVES
        .into_iter()
        .chain(["@", "@liquid", "_metadata", "__segment_internal_directive", "value"])
        .collect();
    plain().prop_recursive(5, 40, 4, move |inner| {
        let members =
            proptest::collection::vec((proptest::sample::select(names.clone()), inner.clone()), 0..3);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
            members.prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

/// What a value counts for.
fn weight(value: &Value) -> usize {
    8 + match value {
        Value::String(text) => text.len(),
        Value::Array(entries) => entries.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(entries) => 1 + entries.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn hold(definition: &Value, event: &Value) -> Result<(), TestCaseError> {
    let mapping = match Mapping::parse(definition) {
        Ok(mapping) => mapping,
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| problem.path.starts_with('/')));
            return Ok(());
        }
    };
    let again = Mapping::parse(mapping.to_json());
    prop_assert_eq!(again.as_ref(), Ok(&mapping));
    let once = mapping.evaluate(event);
    prop_assert_eq!(&once, &mapping.evaluate(event));
    if let Ok(Some(value)) = &once {
        prop_assert!(weight(value) <= MAX_MAPPED_BYTES);
        prop_assert!(depth(value) <= MAX_MAPPED_DEPTH);
        // What comes out can be sent, and read again.
        prop_assert!(serde_json::from_str::<Value>(&value.to_string()).is_ok());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn definitions_give_the_same_within_the_bounds(definition in definition(), event in event()) {
        hold(&definition, &event)?;
    }

    #[test]
    fn nothing_makes_it_panic(definition in junk(), event in data()) {
        hold(&definition, &event)?;
    }

    #[test]
    fn what_has_no_directive_stands_for_itself(definition in data()) {
        let mapping = Mapping::parse(&definition).expect("no directives");
        prop_assert_eq!(mapping.constant(), Some(&definition));
        prop_assert_eq!(mapping.evaluate(&json!({})), Ok(Some(definition)));
    }

    #[test]
    fn encoded_text_is_what_deliveries_write(value in data()) {
        let mapping = json!({"@json": {"mode": "encode", "value": {"@path": "$.v"}}});
        let mapping = Mapping::parse(&mapping).expect("a mapping");
        prop_assert_eq!(mapping.constant(), None);
        let text = crate::delivery::json::stringify(&value);
        prop_assert_eq!(mapping.evaluate(&json!({ "v": value })), Ok(Some(Value::String(text))));
    }

    #[test]
    fn any_text_is_a_path_and_a_template(text in "[$.\\[\\]'\"{}ab0é ]{0,20}", event in event()) {
        hold(&json!([{"@path": text}, {"@template": text}]), &event)?;
    }
}
