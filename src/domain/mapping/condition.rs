//! `@if`: whether a value exists, or is not blank.
//!
//! | the value | `exists` | `blank` |
//! |---|---|---|
//! | missing, null | no | no |
//! | 0, "", false, [] | yes | no |
//! | other numbers and texts, "   ", true, {} | yes | yes |
//!
//! `blank` has its name from the original and means the opposite: it is JavaScript's `value != ""`.

use serde_json::Value;

use super::budget::Budget;
use super::error::Failure;
use super::resolved::Resolved;

/// Whether the value holds something by JavaScript's loose comparison with the empty text.
pub(super) fn is_not_blank(value: Resolved<'_>, budget: &mut Budget) -> Result<bool, Failure> {
    let Some(value) = value.settle(budget)? else { return Ok(false) };
    Ok(match &*value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !is_joined_empty(entries),
        Value::Object(_) => true,
    })
}

/// Whether an array's text, its entries joined by commas, is empty.
fn is_joined_empty(mut entries: &[Value]) -> bool {
    loop {
        match entries {
            [] | [Value::Null] => return true,
            [Value::String(text)] => return text.is_empty(),
            [Value::Array(inner)] => entries = inner,
            _ => return false,
        }
    }
}
