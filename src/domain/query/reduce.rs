//! What is made of the values of a stream's events, computed plainly.

use serde_json::Value;

use crate::domain::leaf::{Entry, Reduce, reduce_all};
use crate::domain::time::Timestamp;

use super::number::Decimal;

/// Reduces `values`, those of a stream's events in their order, each of the kind that `Entry::value` says.
pub(super) fn reduce(how: Reduce, values: &[&Value]) -> Value {
    let chosen = |value: Option<&&Value>| value.map_or(Value::Null, |value| (*value).clone());
    match how {
        Reduce::Count => Value::from(values.len()),
        Reduce::First => chosen(values.first()),
        Reduce::Last => chosen(values.last()),
        Reduce::List => values.iter().map(|value| (*value).clone()).collect(),
        Reduce::Sum
        | Reduce::Average
        | Reduce::Minimum(_)
        | Reduce::Maximum(_)
        | Reduce::Mode { .. }
        | Reduce::Unique
        | Reduce::UniqueCount => {
            // To these, all instants are equal.
            let entry =
                |value: &&Value| Entry { at: Timestamp::default(), order: None, value: (*value).clone() };
            reduce_all(how, &values.iter().map(entry).collect::<Vec<_>>())
        }
    }
}

/// The number that a value reads as: a JSON number, or a text that is a decimal number and nothing else.
pub(super) fn number_of(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => Decimal::parse(text).and_then(|_| text.parse().ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::leaf::As;

    fn reduced(how: Reduce, values: &Value) -> Value {
        reduce(how, &values.as_array().unwrap().iter().collect::<Vec<_>>())
    }

    #[test]
    fn values_are_reduced() {
        for (how, values, expected) in [
            (Reduce::Count, json!([null, null]), json!(2)),
            (Reduce::Sum, json!([]), json!(0)),
            (Reduce::Sum, json!([0.1, 0.2]), json!(0.3)),
            (Reduce::Sum, json!([1.5, 2.5]), json!(4)),
            (Reduce::Sum, json!([1e300, 1, -1e300]), json!(1)),
            (Reduce::Average, json!([]), json!(null)),
            (Reduce::Average, json!([20, 61]), json!(40.5)),
            (Reduce::Minimum(As::Number), json!([10, 9.5]), json!(9.5)),
            (Reduce::Maximum(As::Number), json!([10, 9]), json!(10)),
            (Reduce::Maximum(As::Text), json!(["10", "9"]), json!("9")),
            (Reduce::Minimum(As::Text), json!([]), json!(null)),
            (Reduce::First, json!([{"a": 1}, 2]), json!({"a": 1})),
            (Reduce::Last, json!([{"a": 1}, 2]), json!(2)),
            (Reduce::Mode { least: 2 }, json!([["b"], ["b"], ["a"], ["a"], ["c"]]), json!("a")),
            (Reduce::Mode { least: 2 }, json!([["a"], ["b"]]), json!(null)),
            (Reduce::Mode { least: 1 }, json!([]), json!(null)),
            (Reduce::Unique, json!(["b", "a", "b"]), json!(["a", "b"])),
            (Reduce::UniqueCount, json!(["b", "a", "b"]), json!(2)),
        ] {
            assert_eq!(reduced(how, &values), expected, "{how:?} of {values}");
        }
    }

    #[test]
    fn numbers_are_read() {
        for (value, number) in [
            (json!(5), Some(5.0)),
            (json!("12.5"), Some(12.5)),
            (json!("-0"), Some(0.0)),
            (json!("1e3"), None),
            (json!(" 5"), None),
            (json!("9".repeat(400)), None),
            (json!(true), None),
            (json!([5]), None),
        ] {
            assert_eq!(number_of(&value), number, "{value}");
        }
    }
}
