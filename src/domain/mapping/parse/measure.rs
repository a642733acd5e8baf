//! How large a definition is and how deep, looked at before anything else.

use serde_json::Value;

use crate::domain::limits::{MAX_MAPPING_BYTES, MAX_MAPPING_DEPTH};
use crate::domain::mapping::error::{MappingProblem, pointer};

/// What is wrong with the size of a definition. Never goes deeper than is allowed.
pub(super) fn problem(definition: &Value) -> Option<MappingProblem> {
    let mut trail = Vec::new();
    let Some(bytes) = bytes(definition, 0, &mut trail) else {
        let path = pointer(trail.iter().rev().map(String::as_str));
        let message =
            format!("should be nested at most {MAX_MAPPING_DEPTH} deep but there is more inside it");
        return Some(MappingProblem { path, message });
    };
    (bytes > MAX_MAPPING_BYTES).then(|| MappingProblem {
        path: pointer(std::iter::empty()),
        message: format!("should have at most {MAX_MAPPING_BYTES} bytes but it has {bytes}"),
    })
}

/// The length of a value as JSON text without spaces and escapes. None if it is nested too deep; then the trail has the
/// keys that lead there, the innermost first.
fn bytes(value: &Value, depth: usize, trail: &mut Vec<String>) -> Option<usize> {
    match value {
        Value::Array(_) | Value::Object(_) if depth >= MAX_MAPPING_DEPTH => None,
        Value::Array(entries) => {
            let mut sum = 2;
            for (index, entry) in entries.iter().enumerate() {
                let entry = bytes(entry, depth + 1, trail);
                if entry.is_none() {
                    trail.push(index.to_string());
                }
                sum += entry? + 1;
            }
            Some(sum)
        }
        Value::Object(members) => {
            let mut sum = 2;
            for (key, member) in members {
                let member = bytes(member, depth + 1, trail);
                if member.is_none() {
                    trail.push(key.clone());
                }
                sum += key.len() + 4 + member?;
            }
            Some(sum)
        }
        Value::String(text) => Some(text.len() + 2),
        Value::Number(number) => Some(number.to_string().len()),
        Value::Bool(_) | Value::Null => Some(4),
    }
}
