//! The write key in `Authorization`.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::domain::ingest::{Code, IngestError};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A Basic authorization: the write key is its user, the password means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basic(String);

impl Basic {
    /// The Basic authorization of a request. Other schemes (a Bearer token) are passed over: their senders carry the
    /// write key in the body.
    ///
    /// # Errors
    /// `invalid_write_key` where it cannot be decoded.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, IngestError> {
        let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
        let bytes = value.as_bytes().trim_ascii();
        let Some((scheme, credentials)) = bytes.split_at_checked(6) else { return Ok(None) };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Ok(None);
        }
        let decoded =
            BASE64.decode(credentials.trim_ascii()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.map(Self).map(Some).ok_or_else(|| {
            let message = "the Basic authorization is not the base 64 of `<write key>:`";
            IngestError::new(Code::InvalidWriteKey, message)
        })
    }

    /// The write key; without a colon the whole is one. `None` where it is empty.
    pub(super) fn write_key(&self) -> Option<&str> {
        let user = self.0.split_once(':').map_or(self.0.as_str(), |(user, _)| user);
        (!user.is_empty()).then_some(user)
    }

    /// `user:password` as it stood in the URL that the sender was given.
    pub(super) fn userinfo(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn key(header: &[u8]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(header).unwrap());
        let basic = Basic::of(&headers).map_err(|error| error.code)?;
        Ok(basic.and_then(|basic| basic.write_key().map(str::to_owned)))
    }

    #[test]
    fn every_form_of_basic() {
        for header in ["Basic YWJjMTIzOg==", "basic YWJjMTIzOg", "BASIC  YWJjMTIz", "Basic YWJjMTIzOnB3"] {
            assert_eq!(key(header.as_bytes()), Ok(Some("abc123".to_owned())), "{header}");
        }
        for none in ["Bearer YWJjMTIzOg==", "Basic", "x", "", "Basic Og==", "Basic "] {
            assert_eq!(key(none.as_bytes()), Ok(None), "{none}");
        }
        for broken in [&b"Basic !!!"[..], b"Basic \xff\xfe", b"Basic /////w=="] {
            assert_eq!(key(broken), Err(Code::InvalidWriteKey));
        }
        assert_eq!(Basic::of(&HeaderMap::new()), Ok(None));
    }
}
