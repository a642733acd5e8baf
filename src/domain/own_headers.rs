//! The headers that stagepost itself makes: neither a setting nor a mapping may set them.

/// Those of the transport, and Segment's signature, in lower case.
const NAMES: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-signature",
];

/// So are all that begin like this: those of Standard Webhooks, and ours.
const PREFIXES: [&str; 2] = ["webhook-", "x-stagepost-"];

/// Whether it is one of them; upper and lower case make no difference.
pub fn is_own_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_the_transport_and_the_signatures() {
        for own in ["Host", "keep-alive", "X-Signature", "Webhook-Id", "webhook-", "X-Stagepost-Replay"] {
            assert!(is_own_header(own), "{own}");
        }
        for free in ["Content-Type", "User-Agent", "X-Team", "webhook", "X-Signature-2", ""] {
            assert!(!is_own_header(free), "{free}");
        }
    }
}
