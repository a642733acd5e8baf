//! JSON bodies: bytes to text to one object, with answers that help where they are broken.

use serde_json::{Map, Value};

use super::broken_json;
use super::error::{Code, IngestError};
use super::field::too_deep;
use crate::domain::limits::MAX_JSON_DEPTH;

/// The body as text; a byte order mark in front is dropped.
///
/// # Errors
/// `invalid_utf8`.
pub fn text(body: &[u8]) -> Result<&str, IngestError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        IngestError::new(Code::InvalidUtf8, format!("the body is not UTF-8: byte {at} begins no character"))
    })
}

/// The one object that `text` is.
///
/// # Errors
/// `malformed_json`, `not_an_object`, `too_deep`.
pub fn object(text: &str) -> Result<Map<String, Value>, IngestError> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    if object.values().any(|value| too_deep(value, 1)) {
        return Err(depth_error());
    }
    Ok(object)
}

/// What to answer to `text`, which serde_json did not take as an object.
pub(super) fn explain(text: &str, error: &serde_json::Error) -> IngestError {
    if error.is_data() {
        return IngestError::new(Code::NotAnObject, "the body must be a JSON object: {…}");
    }
    let fault = broken_json::offset(text, error.line(), error.column());
    if nesting(&text[..fault]) > MAX_JSON_DEPTH {
        return depth_error();
    }
    broken_json::diagnose(text, error)
}

fn depth_error() -> IngestError {
    IngestError::new(Code::TooDeep, format!("objects and arrays are nested more than {MAX_JSON_DEPTH} deep"))
}

/// How deep the brackets outside strings go.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &[u8]) -> Code {
        text(body).and_then(object).unwrap_err().code
    }

    #[test]
    fn takes_one_object() {
        assert_eq!(object(text(b"\xef\xbb\xbf {\"a\":1,\"a\":2}\n").unwrap()).unwrap()["a"], 2);
        for (body, wanted) in [
            (&b""[..], Code::MalformedJson),
            (b"   ", Code::MalformedJson),
            (b"[]", Code::NotAnObject),
            (b"[{}]", Code::NotAnObject),
            (b"null", Code::NotAnObject),
            (b"12", Code::NotAnObject),
            (b"\"text\"", Code::NotAnObject),
            (b"{\"a\":1e400}", Code::MalformedJson),
            (b"{\"a\":-1e999999}", Code::MalformedJson),
            (b"{\"a\":01}", Code::MalformedJson),
            (b"{} {}", Code::MalformedJson),
            (b"{\"a\":\"\\ud800\"}", Code::MalformedJson),
            (b"\x00\x01\x02", Code::MalformedJson),
            (b"{\"a\":\"\xff\"}", Code::InvalidUtf8),
        ] {
            assert_eq!(code(body), wanted, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(&nested(64)).is_ok());
        for depth in [65, 127, 128, 129, 10_000] {
            assert_eq!(object(&nested(depth)).unwrap_err().code, Code::TooDeep, "{depth}");
        }
        assert_eq!(object(&"{\"a\":".repeat(5000)).unwrap_err().code, Code::TooDeep);
        assert_eq!(object("{\"a\":\"[[[[[[\"").unwrap_err().code, Code::MalformedJson);
    }
}
