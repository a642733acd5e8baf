//! Standard Webhooks (<https://www.standardwebhooks.com>): headers that name a message and its time, and vouch for both and the
//! body.
//!
//! `webhook-signature` holds one `v1,<base64 of HMAC-SHA256 over "{id}.{timestamp}.{body}">` for each secret, so that a receiver
//! who knows one of them is served while secrets are exchanged. Keys are the bytes after `whsec_`, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::definition::signing_key;

/// The header with the message's name: the same on every try.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// The value of [`SIGNATURE`] for a message: `seconds` is what [`TIMESTAMP`] says.
///
/// # Errors
/// Which secret can't be used, and why.
pub fn sign(secrets: &[String], id: &str, seconds: i64, body: &str) -> Result<String, String> {
    let mut signatures = Vec::with_capacity(secrets.len());
    for (number, secret) in (1..).zip(secrets) {
        let key = signing_key(secret).map_err(|problem| format!("signing secret {number} {problem}"))?;
        // HMAC takes keys of every length, so this never fails.
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
        for part in [id, ".", &seconds.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const VECTOR: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed(secrets: &[&str]) -> Result<String, String> {
        let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_published_vector() {
        assert_eq!(signed(&[SECRET]).unwrap(), VECTOR);
    }

    #[test]
    fn every_secret_signs() {
        let both = signed(&[SECRET, "whsec_c2Vjb25k"]).unwrap();
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, VECTOR);
        assert!(second.starts_with("v1,") && second != first);
        assert_eq!(signed(&[]).unwrap(), "");
    }

    #[test]
    fn a_secret_that_is_no_key_is_named_without_being_shown() {
        let problem = signed(&[SECRET, "whsec_h!dden"]).unwrap_err();
        assert_eq!(problem, "signing secret 2 is not base64 after `whsec_`");
        assert_eq!(signed(&["whsec_"]).unwrap_err(), "signing secret 1 is empty");
    }
}
