//! Days and times in words, as far as the server writes them: in UTC. A script puts instants into the viewer's zone.

use chrono::{DateTime, Datelike as _, Utc};

use super::texts::{filled, item};
use crate::domain::time::Timestamp;

/// `21 Nov 2026`.
pub(super) fn day(at: Timestamp) -> String {
    in_words("calendar.day", at)
}

/// `21 Nov 2026, 10:00 UTC`.
pub(super) fn minute(at: Timestamp) -> String {
    in_words("calendar.minute", at)
}

fn in_words(form: &str, at: Timestamp) -> String {
    let utc: DateTime<Utc> = at.to_chrono();
    let month = item("calendar.months", utc.month0() as usize);
    let (day, year, time) = (utc.day().to_string(), utc.year().to_string(), utc.format("%H:%M").to_string());
    filled(form, &[("day", &day), ("month", &month), ("year", &year), ("time", &time)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_the_names_of_the_texts() {
        let at = |text| Timestamp::parse_lenient(text).unwrap();
        assert_eq!(day(at("2026-01-02T23:59:59Z")), "2 Jan 2026");
        assert_eq!(minute(at("2026-12-31T07:05:00Z")), "31 Dec 2026, 07:05 UTC");
    }
}
