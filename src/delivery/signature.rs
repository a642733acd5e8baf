//! `X-Signature`: how a receiver knows that a call comes from somebody who has the shared secret.
//!
//! Segment's rule: lower-case hex HMAC-SHA1, keyed with the secret's UTF-8 bytes, over the JSON text of the body; of a
//! batch (an array) only over its first element.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The header's name; upper and lower case make no difference.
pub const HEADER: &str = "x-signature";

/// The signature of `text` under `secret`.
pub fn sign(secret: &str, text: &str) -> String {
    // HMAC takes keys of every length, so this is never the fallback.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors() {
        for (secret, text, signature) in [
            ("abc123", r#"{"cool":true}"#, "5099cab379b3be52908387457007040cc934ef86"),
            ("abc123", r#"{"cool":false}"#, "c702b94a2569dd8d2f7185ce0ae951021bef4706"),
            (
                "s3cr3t",
                r#"{"type":"track","event":"Café","userId":"u1","properties":{"total":10,"rate":0.1}}"#,
                "9351369eefb7173a1b79cf5a149569d27894dfff",
            ),
            (
                "s3cr3t",
                r#"{"type":"delete","userId":"019mr8mf4r","timestamp":"2012-12-02T00:30:08.276Z"}"#,
                "ce8a59eb51054286f0df3eb0c27b1a1be7a96e59",
            ),
            ("key", "{}", "c9963b837183dc667106461b3de91d0885f539b3"),
        ] {
            assert_eq!(sign(secret, text), signature, "{text}");
        }
    }
}
