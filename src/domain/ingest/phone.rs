//! The address of a person: a phone number, or `whatsapp:+…`, `client:…`, a SIP URI.

use super::error::IngestError;
use crate::domain::limits::MAX_ADDRESS_BYTES;

/// The address as it was meant: a raw `+` decodes to a space in forms and queries, and one encoded twice to `%2B`.
///
/// # Errors
/// `invalid_field` for what cannot be an address: control characters, or too long.
pub(super) fn mended(address: String, field: &str) -> Result<String, IngestError> {
    if address.len() > MAX_ADDRESS_BYTES {
        return Err(IngestError::invalid(field, format_args!("is longer than {MAX_ADDRESS_BYTES} bytes")));
    }
    if address.chars().any(char::is_control) {
        return Err(IngestError::invalid(field, "contains control characters"));
    }
    let (channel, number) = match address.rsplit_once(':') {
        Some((channel, number)) if channel.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            (&address[..=channel.len()], number)
        }
        _ => ("", address.as_str()),
    };
    let lost = number
        .strip_prefix(' ')
        .or_else(|| number.strip_prefix("%2B"))
        .or_else(|| number.strip_prefix("%2b"));
    match lost {
        Some(digits)
            if (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Ok(format!("{channel}+{digits}"))
        }
        _ => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_plus_is_put_back() {
        for (posted, meant) in [
            (" 14155550100", "+14155550100"),
            ("%2B14155550100", "+14155550100"),
            ("%2b14155550100", "+14155550100"),
            ("whatsapp: 14155550100", "whatsapp:+14155550100"),
            (" 123456", "+123456"),
            (" 123456789012345", "+123456789012345"),
            // These stay as they came.
            ("+14155550100", "+14155550100"),
            ("14155550100", "14155550100"),
            ("whatsapp:+14155550100", "whatsapp:+14155550100"),
            ("client:alice", "client:alice"),
            ("sip:alice@example.com:5060", "sip:alice@example.com:5060"),
            ("  14155550100", "  14155550100"),
            (" 12345", " 12345"),
            (" 1234567890123456", " 1234567890123456"),
            (" 1415555010a", " 1415555010a"),
        ] {
            assert_eq!(mended(posted.to_owned(), "phoneNumber").as_deref(), Ok(meant), "{posted}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in ["+1415\n555", "\u{0}", "+1\u{7f}", &"1".repeat(257)] {
            assert!(mended(garbage.to_owned(), "phoneNumber").is_err(), "{garbage:?}");
        }
    }
}
