//! JSON text as JavaScript's `JSON.stringify` writes it, within a budget.
//!
//! Keys that look like array indexes come first and ascending, numbers are in JavaScript's notation, there are no
//! spaces. Integers beyond 2^53 keep their digits.

use serde_json::{Map, Value};

use super::budget::{Budget, check_depth};
use super::error::Failure;
use crate::domain::javascript::{array_index, write_number, write_text};

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
