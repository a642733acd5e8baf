//! Dates as the query language reads them: stricter than an event's own timestamp.

use crate::domain::time::Timestamp;

/// Reads `yyyy-mm-dd` (midnight UTC) or an ISO timestamp with a zone (`Z` or an offset). `None` for anything else, so
/// that a text which only looks like a date is never taken for an instant.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let starts_with_year = bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-';
    let zoned = || {
        let time = &bytes[10..];
        time.last() == Some(&b'Z') || time.iter().any(|byte| matches!(byte, b'+' | b'-'))
    };
    if starts_with_year && (bytes.len() == 10 || zoned()) { Timestamp::parse_lenient(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn only_dates_and_zoned_timestamps_are_instants() {
        for text in [
            "2026-01-31",
            "2026-01-31T00:00:00Z",
            "2026-01-31T00:00Z",
            "2026-01-31T00:00:00.000Z",
            "2026-01-31T02:00:00+02:00",
            "2026-01-30T19:00:00-0500",
        ] {
            assert_eq!(instant(text).map(Timestamp::millis), Some(1_769_817_600_000), "{text}");
        }
        for text in ["", "2026-01-31T00:00:00", " 2026-01-31", "2026-1-31", "31-01-2026", "2026-02-30", "5"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    use crate::domain::time::Timestamp;
}
