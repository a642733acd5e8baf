//! Single fields of a post: coercions and bounds (Segment's HTTP API is lenient about numbers and nulls).

use serde_json::{Map, Number, Value};

use super::error::{Code, IngestError};
use crate::domain::limits::{MAX_ID_BYTES, MAX_JSON_DEPTH, MAX_MESSAGE_ID_CHARS, MAX_NAME_BYTES};

/// The largest whole number that a JSON float holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A text, or a number as decimal text; null is absent.
pub(super) fn text(value: Option<Value>, field: &str) -> Result<Option<String>, IngestError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => decimal(&number).map(Some).ok_or_else(|| {
            IngestError::invalid(field, "is a number too large to be exact; send it as a string")
        }),
        Some(Value::Bool(_)) => Err(IngestError::invalid(field, "must be a string, not true or false")),
        Some(Value::Array(_)) => Err(IngestError::invalid(field, "must be a string, not an array")),
        Some(Value::Object(_)) => Err(IngestError::invalid(field, "must be a string, not an object")),
    }
}

/// Whole numbers without a decimal point; `None` where digits were already lost, since two ids could then be one.
fn decimal(number: &Number) -> Option<String> {
    if number.is_i64() || number.is_u64() {
        return Some(number.to_string());
    }
    let float = number.as_f64()?;
    if float.fract() != 0.0 {
        Some(number.to_string())
    } else if float.abs() < EXACT {
        // Adding zero turns -0 into 0.
        Some(format!("{:.0}", float + 0.0))
    } else {
        None
    }
}

/// An id: kept as it came, but blank is absent.
pub(super) fn id(value: Option<Value>, field: &str) -> Result<Option<String>, IngestError> {
    bounded(text(value, field)?.filter(|id| !id.trim().is_empty()), field, MAX_ID_BYTES)
}

/// The name of an event, page, screen, flow or stage: kept as it came.
pub(super) fn name(value: Option<Value>, field: &str) -> Result<Option<String>, IngestError> {
    bounded(text(value, field)?, field, MAX_NAME_BYTES)
}

/// The sender's message id; empty or blank is absent.
pub(super) fn message_id(value: Option<Value>) -> Result<Option<String>, IngestError> {
    let id = text(value, "messageId")?.filter(|id| !id.trim().is_empty());
    match &id {
        Some(long) if long.chars().nth(MAX_MESSAGE_ID_CHARS).is_some() => Err(IngestError::at(
            Code::MessageIdTooLong,
            "messageId",
            format!("`messageId` is longer than {MAX_MESSAGE_ID_CHARS} characters"),
        )),
        _ => bounded(id, "messageId", usize::MAX),
    }
}

/// Refuses what is too long, and NUL, which no store of text keeps apart from an end.
fn bounded(text: Option<String>, field: &str, most: usize) -> Result<Option<String>, IngestError> {
    match &text {
        Some(long) if long.len() > most => {
            Err(IngestError::invalid(field, format_args!("is longer than {most} bytes")))
        }
        Some(odd) if odd.contains('\0') => Err(IngestError::invalid(field, "contains a NUL character")),
        _ => Ok(text),
    }
}

/// An object; null is absent.
pub(super) fn object(value: Option<Value>, field: &str) -> Result<Option<Map<String, Value>>, IngestError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(IngestError::invalid(field, "must be an object"))
        }
    }
}

/// Whether objects and arrays in `value` are nested more than `limits::MAX_JSON_DEPTH` deep, `level` included.
pub(super) fn too_deep(value: &Value, level: usize) -> bool {
    match value {
        Value::Array(items) => level >= MAX_JSON_DEPTH || items.iter().any(|item| too_deep(item, level + 1)),
        Value::Object(map) => level >= MAX_JSON_DEPTH || map.values().any(|item| too_deep(item, level + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_become_decimal_text() {
        for (number, wanted) in [
            (json!(42), "42"),
            (json!(42.0), "42"),
            (json!(-7), "-7"),
            (json!(-0.0), "0"),
            (json!(42.5), "42.5"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(15_551_234_567_u64), "15551234567"),
        ] {
            assert_eq!(id(Some(number.clone()), "userId"), Ok(Some(wanted.to_owned())), "{number}");
        }
        for lost in [json!(1e22), json!(-9.1e15), json!(1.7e308)] {
            assert_eq!(id(Some(lost), "userId").unwrap_err().code, Code::InvalidField);
        }
    }

    #[test]
    fn ids_are_kept_as_they_came() {
        assert_eq!(id(Some(json!(" U1 ")), "userId"), Ok(Some(" U1 ".to_owned())));
        for absent in [json!(null), json!(""), json!("  \t")] {
            assert_eq!(id(Some(absent), "userId"), Ok(None));
        }
        for wrong in
            [json!(true), json!([]), json!({"a": 1}), json!("a\0b"), json!("x".repeat(MAX_ID_BYTES + 1))]
        {
            let error = id(Some(wrong), "userId").unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), (Code::InvalidField, Some("userId")));
        }
        assert!(id(Some(json!("x".repeat(MAX_ID_BYTES))), "userId").is_ok());
    }

    #[test]
    fn message_ids_are_counted_in_characters() {
        assert!(message_id(Some(json!("é".repeat(100)))).is_ok());
        assert_eq!(message_id(Some(json!("é".repeat(101)))).unwrap_err().code, Code::MessageIdTooLong);
        assert_eq!(message_id(Some(json!(""))), Ok(None));
    }
}
