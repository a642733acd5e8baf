//! Signing secrets in the form of Standard Webhooks: `whsec_`, and a key in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The key in a signing secret. Base64 is read strictly, as the libraries of receivers do.
///
/// # Errors
/// What is wrong with it, without showing it.
pub fn signing_key(secret: &str) -> Result<Vec<u8>, &'static str> {
    let encoded = secret.strip_prefix("whsec_").ok_or("does not begin with `whsec_`")?;
    match STANDARD.decode(encoded) {
        Ok(key) if !key.is_empty() => Ok(key),
        Ok(_) => Err("is empty"),
        Err(_) => Err("is not base64 after `whsec_`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_strictly() {
        assert_eq!(signing_key("whsec_c2Vjb25k").as_deref(), Ok(&b"second"[..]));
        assert_eq!(signing_key("whsec_c2Vjb25kMQ==").as_deref(), Ok(&b"second1"[..]));
        for (secret, problem) in [
            ("c2Vjb25k", "does not begin with `whsec_`"),
            ("whsec_", "is empty"),
            ("whsec_h!dden", "is not base64 after `whsec_`"),
            ("whsec_c2Vjb25kMQ", "is not base64 after `whsec_`"),
        ] {
            assert_eq!(signing_key(secret), Err(problem), "{secret}");
        }
    }
}
