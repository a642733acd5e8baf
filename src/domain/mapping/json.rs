//! `@json`: text of a value, or a value of text.

use serde_json::Value;

use super::budget::{Budget, VALUE_BYTES};
use super::error::Failure;
use super::json_text;
use super::resolved::Resolved;

/// The value as JSON text without spaces; a missing one stays missing.
pub(super) fn encode<'a>(value: Resolved<'a>, budget: &mut Budget) -> Result<Resolved<'a>, Failure> {
    let Some(value) = value.settle(budget)? else { return Ok(Resolved::Missing) };
    let mut text = String::new();
    json_text::write(&mut text, &value, 0, budget)?;
    Ok(Resolved::Owned(Value::String(text)))
}

/// The value of a JSON text. What is no text, or no JSON, stays as it is (the original fails on the latter in some
/// versions; an event in an odd form should not stop a call).
pub(super) fn decode<'a>(value: Resolved<'a>, budget: &mut Budget) -> Result<Resolved<'a>, Failure> {
    let Some(text) = value.value().and_then(Value::as_str) else { return Ok(value) };
    budget.read(text.len())?;
    let Ok(decoded) = serde_json::from_str::<Value>(text) else { return Ok(value) };
    // Each value takes at least two bytes of text, its separator included.
    budget.make(text.len().saturating_mul(VALUE_BYTES / 2))?;
    Ok(Resolved::Owned(decoded))
}
