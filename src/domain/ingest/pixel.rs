//! The tracking pixel: a call in a query (Segment's Pixel Tracking API).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::error::{Code, IngestError};
use super::segment::check_size;
use super::{form, json};
use crate::domain::limits::MAX_JSON_DEPTH;

/// Base 64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The call in `?data=<base 64 of its JSON>`, or in flat keys with dots: `userId=u1&properties.subject=Hi`.
///
/// # Errors
/// Whatever is wrong with it.
pub fn call(query: &str) -> Result<Map<String, Value>, IngestError> {
    let fields = form::pairs(query.as_bytes())?;
    match fields.iter().find(|(key, _)| key == "data") {
        Some((_, data)) => encoded(data),
        None => flat(query, fields),
    }
}

fn encoded(data: &str) -> Result<Map<String, Value>, IngestError> {
    // The alphabet may be the URL-safe one or the standard one, whose raw `+` the query turned into a space.
    let standard = data.bytes().map(|byte| match byte {
        b'-' | b' ' => b'+',
        b'_' => b'/',
        other => other,
    });
    let standard: Vec<u8> = standard.collect();
    let body = BASE64.decode(standard).map_err(|_| IngestError::invalid("data", "is not base 64"))?;
    check_size(body.len())?;
    json::object(json::text(&body)?)
}

fn flat(query: &str, fields: Vec<(String, String)>) -> Result<Map<String, Value>, IngestError> {
    check_size(query.len())?;
    let mut call = Map::new();
    for (key, value) in fields {
        if key.matches('.').count() >= MAX_JSON_DEPTH - 1 {
            return Err(IngestError::new(
                Code::TooDeep,
                format!("a key names more than {MAX_JSON_DEPTH} levels"),
            ));
        }
        put(&mut call, &key, Value::String(value));
    }
    Ok(call)
}

/// Puts `value` at a path of keys with dots between; what stands in its way and is no object gives way.
fn put(level: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((key, rest)) = path.split_once('.') else {
        level.insert(path.to_owned(), value);
        return;
    };
    let below = level.entry(key).or_insert(Value::Null);
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        put(below, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_published_vector() {
        let data = "eyJ3cml0ZUtleSI6IndrMSIsInVzZXJJZCI6InUxIiwiZXZlbnQiOiJFbWFpbCBPcGVuZWQiLCJwcm9wZXJ0aWVzIjp7InN1YmplY3QiOiJIaSJ9fQ";
        let wanted =
            json!({"writeKey":"wk1","userId":"u1","event":"Email Opened","properties":{"subject":"Hi"}});
        for query in [format!("data={data}"), format!("data={data}==&x=1"), format!("data={data}%3D%3D")] {
            assert_eq!(Value::Object(call(&query).unwrap()), wanted, "{query}");
        }
        let flat = "userId=u1&event=Email+Opened&properties.subject=Hi&writeKey=wk1";
        assert_eq!(Value::Object(call(flat).unwrap()), wanted);
    }

    #[test]
    fn both_alphabets_are_read() {
        let event = r#"{"a":"ÿþ??>>~~"}"#;
        let standard = base64::engine::general_purpose::STANDARD.encode(event);
        let safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(event);
        assert_ne!(standard.trim_end_matches('='), safe);
        assert_eq!(call(&format!("data={standard}")).unwrap(), call(&format!("data={safe}")).unwrap());
    }

    #[test]
    fn faults_are_named() {
        for (query, code) in [
            ("data=%%%", Code::MalformedForm),
            ("data=!!!", Code::InvalidField),
            ("data=e30x", Code::MalformedJson),
            ("data=W10", Code::NotAnObject),
            (&format!("{}=1", "a.".repeat(20_000)), Code::EventTooLarge),
            (&format!("{}=1", "a.".repeat(100)), Code::TooDeep),
        ] {
            assert_eq!(call(query).unwrap_err().code, code, "{}", &query[..query.len().min(40)]);
        }
        assert_eq!(Value::Object(call("a=1&a.b=2&a.b.c=3").unwrap()), json!({"a":{"b":{"c":"3"}}}));
        assert!(call("").unwrap().is_empty());
    }
}
