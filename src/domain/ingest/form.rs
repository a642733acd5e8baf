//! `application/x-www-form-urlencoded`: queries and form bodies, decoded strictly.

use super::error::{Code, IngestError};

/// The fields in their order. An absent `=` means an empty value.
///
/// # Errors
/// `malformed_form` for a `%` without two hex digits, `invalid_utf8` for a name or value that is no text.
pub fn pairs(encoded: &[u8]) -> Result<Vec<(String, String)>, IngestError> {
    let parts = encoded.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = match part.iter().position(|byte| *byte == b'=') {
                Some(at) => (&part[..at], &part[at + 1..]),
                None => (part, &part[part.len()..]),
            };
            let name = decoded(name, None)?;
            let value = decoded(value, Some(&name))?;
            Ok((name, value))
        })
        .collect()
}

/// `%XX` in a path or form decoded, `+` left alone.
///
/// # Errors
/// As [`pairs`].
pub fn percent_decoded(encoded: &str) -> Result<String, IngestError> {
    utf8(unescaped(encoded.as_bytes(), b'+', None)?, None)
}

fn decoded(encoded: &[u8], field: Option<&str>) -> Result<String, IngestError> {
    utf8(unescaped(encoded, b' ', field)?, field)
}

/// The bytes behind the escapes; `plus` stands for `+`.
fn unescaped(encoded: &[u8], plus: u8, field: Option<&str>) -> Result<Vec<u8>, IngestError> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'+' => bytes.push(plus),
            b'%' => {
                let [high, low, tail @ ..] = tail else { return Err(bad_escape(field)) };
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(bad_escape(field)) };
                bytes.push((high << 4) | low);
                rest = tail;
            }
            plain => bytes.push(*plain),
        }
    }
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>, field: Option<&str>) -> Result<String, IngestError> {
    String::from_utf8(bytes).map_err(|_| IngestError {
        code: Code::InvalidUtf8,
        field: field.map(short),
        message: "the form holds bytes that are not UTF-8".to_owned(),
    })
}

fn bad_escape(field: Option<&str>) -> IngestError {
    IngestError {
        code: Code::MalformedForm,
        field: field.map(short),
        message: "the form holds a `%` that is not followed by two hex digits; a `%` itself is written `%25`"
            .to_owned(),
    }
}

/// A sender's field name, short enough to be sent back.
fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_in_order() {
        let fields = pairs(b"a=1+2&&b=%2B%c3%A9&c&d=x=y&=z&a=3").unwrap();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("a", "1 2"), ("b", "+é"), ("c", ""), ("d", "x=y"), ("", "z"), ("a", "3")]);
        assert_eq!(pairs(b"").unwrap(), []);
    }

    #[test]
    fn refuses_what_it_cannot_decode() {
        for broken in ["reply=100%", "reply=%", "reply=%f", "reply=%zz", "reply=50% ok"] {
            let error = pairs(broken.as_bytes()).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (Code::MalformedForm, Some("reply")),
                "{broken}"
            );
        }
        for odd in [&b"a=\xff"[..], b"a=%ff", b"%c3=1"] {
            assert_eq!(pairs(odd).unwrap_err().code, Code::InvalidUtf8);
        }
    }
}
