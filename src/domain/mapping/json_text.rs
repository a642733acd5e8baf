//! JSON text as JavaScript's `JSON.stringify` writes it, within a budget.
//!
//! Keys that look like array indexes come first and ascending, numbers are in JavaScript's notation, there are no
//! spaces. Integers beyond 2^53 keep their digits.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use super::budget::{Budget, check_depth};
use super::error::Failure;

/// Appends `value`, which stands `depth` levels below the whole.
pub(super) fn write(
    out: &mut String,
    value: &Value,
    depth: usize,
    budget: &mut Budget,
) -> Result<(), Failure> {
    check_depth(depth)?;
    let before = out.len();
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(entries) => {
            budget.make(2)?;
            out.push('[');
            for (place, entry) in entries.iter().enumerate() {
                separate(out, place, budget)?;
                write(out, entry, depth + 1, budget)?;
            }
            out.push(']');
            return Ok(());
        }
        Value::Object(members) => {
            budget.make(2)?;
            return write_members(out, members, depth, budget);
        }
    }
    // A plain value makes at most six times of what it is itself, so that counting afterwards is soon enough.
    budget.make(out.len() - before)
}

fn write_members(
    out: &mut String,
    members: &Map<String, Value>,
    depth: usize,
    budget: &mut Budget,
) -> Result<(), Failure> {
    let mut sorted: Vec<(u64, &String, &Value)> = members
        .iter()
        .map(|(key, value)| (array_index(key).map_or(u64::MAX, u64::from), key, value))
        .collect();
    // Stable: names that are no index keep their order.
    sorted.sort_by_key(|(index, _, _)| *index);
    out.push('{');
    for (place, (_, key, value)) in sorted.into_iter().enumerate() {
        separate(out, place, budget)?;
        budget.make(key.len() + 3)?;
        write_text(out, key);
        out.push(':');
        write(out, value, depth + 1, budget)?;
    }
    out.push('}');
    Ok(())
}

fn separate(out: &mut String, place: usize, budget: &mut Budget) -> Result<(), Failure> {
    if place > 0 {
        budget.make(1)?;
        out.push(',');
    }
    Ok(())
}

/// The array index that `key` is in JavaScript: `0` to `2^32 - 2`, without leading zeros.
fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    canonical.then(|| key.parse().ok()).flatten().filter(|index| *index != u32::MAX)
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends a number as JavaScript makes text of it: plain from 1e-6 up to 1e21, otherwise with an exponent and its sign.
pub(super) fn write_number(out: &mut String, number: &Number) {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        let _ = write!(out, "{number}");
        return;
    };
    if double == 0.0 {
        out.push('0');
        return;
    }
    if double < 0.0 {
        out.push('-');
    }
    // Rust's `e` form has the shortest digits that read back as the same number, as JavaScript's has.
    let scientific = format!("{:e}", double.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    write_digits(out, &digits, exponent.parse().unwrap_or(0));
}

/// Places the point in `digits` (one digit before it at `exponent` 0).
fn write_digits(out: &mut String, digits: &str, exponent: i32) {
    let before = exponent + 1;
    let whole = usize::try_from(before).unwrap_or(0);
    let (first, rest) = digits.split_at(1);
    if (1..=21).contains(&before) && digits.len() <= whole {
        let _ = write!(out, "{digits}{}", "0".repeat(whole - digits.len()));
    } else if (1..=21).contains(&before) {
        let (whole, fraction) = digits.split_at(whole);
        let _ = write!(out, "{whole}.{fraction}");
    } else if (-5..=0).contains(&before) {
        let zeros = usize::try_from(-before).unwrap_or(0);
        let _ = write!(out, "0.{}{digits}", "0".repeat(zeros));
    } else if rest.is_empty() {
        let _ = write!(out, "{first}e{exponent:+}");
    } else {
        let _ = write!(out, "{first}.{rest}e{exponent:+}");
    }
}
