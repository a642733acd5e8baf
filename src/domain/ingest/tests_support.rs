//! What the tests of this folder share.

use crate::domain::definition::{Source, SourceKind};
use crate::domain::time::Timestamp;

/// 2026-11-21T10:00:05Z.
pub(super) const NOW_TEXT: &str = "2026-11-21T10:00:05.000Z";

pub(super) static NOW: std::sync::LazyLock<Timestamp> =
    std::sync::LazyLock::new(|| Timestamp::parse_lenient(NOW_TEXT).expect("an instant"));

/// A source that keeps every property and checks no signature.
pub(super) fn source() -> Source {
    let at = Timestamp::default();
    Source {
        key: "web".to_owned(),
        kind: SourceKind::Http,
        write_key: "wk_web_1".to_owned(),
        previous_write_key: None,
        twilio_auth_tokens: Vec::new(),
        properties: None,
        created_at: at,
        updated_at: at,
    }
}
