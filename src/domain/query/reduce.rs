//! What is made of the values of a stream's events, computed plainly.

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::{BigDecimal, Zero};
use serde_json::Value;

use crate::domain::leaf::{As, Reduce};

use super::number::Decimal;

/// Reduces `values`, those of a stream's events in their order, each of the kind that `Entry::value` says.
pub(super) fn reduce(how: Reduce, values: &[&Value]) -> Value {
    let texts = || values.iter().filter_map(|value| value.as_str());
    let chosen = |value: Option<&&Value>| value.map_or(Value::Null, |value| (*value).clone());
    match how {
        Reduce::Count => Value::from(values.len()),
        Reduce::Sum => sum(values).map_or(Value::from(0), numeric),
        Reduce::Average => average(values),
        Reduce::Minimum(As::Number) => numbers(values).min_by(f64::total_cmp).map_or(Value::Null, numeric),
        Reduce::Maximum(As::Number) => numbers(values).max_by(f64::total_cmp).map_or(Value::Null, numeric),
        Reduce::Minimum(As::Text) => texts().min().map_or(Value::Null, Value::from),
        Reduce::Maximum(As::Text) => texts().max().map_or(Value::Null, Value::from),
        Reduce::First => chosen(values.first()),
        Reduce::Last => chosen(values.last()),
        Reduce::Mode { least } => mode(values, least),
        Reduce::Unique => texts().collect::<BTreeSet<_>>().into_iter().map(Value::from).collect(),
        Reduce::UniqueCount => Value::from(texts().collect::<BTreeSet<_>>().len()),
        Reduce::List => values.iter().map(|value| (*value).clone()).collect(),
    }
}

fn numbers(values: &[&Value]) -> impl Iterator<Item = f64> {
    values.iter().filter_map(|value| value.as_f64())
}

/// Exact in decimals, so that the order of the values is irrelevant and 0.1 + 0.2 is 0.3.
fn sum(values: &[&Value]) -> Option<f64> {
    let (mut integers, mut others) = (0_i128, BigDecimal::zero());
    for value in values {
        match (value.as_i64(), value) {
            (Some(integer), _) => integers += i128::from(integer),
            (None, Value::Number(number)) => others += number.to_string().parse::<BigDecimal>().ok()?,
            (None, _) => {}
        }
    }
    (others + BigDecimal::from(integers)).to_string().parse().ok()
}

fn average(values: &[&Value]) -> Value {
    match sum(values).filter(|_| !values.is_empty()) {
        Some(sum) => numeric(sum / values.len() as f64),
        None => Value::Null,
    }
}

/// The most frequent text; the first of the alphabet among equals.
fn mode(values: &[&Value], least: u32) -> Value {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in values.iter().filter_map(|value| value.as_array()).flatten().filter_map(Value::as_str) {
        *counts.entry(text).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let frequent = u32::try_from(most).map_or(true, |most| most >= least);
    let first = counts.into_iter().find(|(_, count)| *count == most && frequent);
    first.map_or(Value::Null, |(text, _)| Value::from(text))
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

/// A number as JSON, without a fraction where it has none.
pub(super) fn numeric(number: f64) -> Value {
    match number.to_string().parse::<i64>() {
        Ok(integer) => Value::from(integer),
        Err(_) => Value::from(number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn numbers_are_read_and_written() {
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
        assert_eq!(numeric(-0.0), json!(0));
        assert_eq!(numeric(1e15), json!(1_000_000_000_000_000_i64));
        assert_eq!(numeric(1e300), json!(1e300));
    }
}
