//! The four times of an event (Segment's spec, common fields).

use serde_json::{Number, Value};

use crate::domain::time::Timestamp;

/// Seconds since 1970 reach this in the year 5138; a larger number means milliseconds.
const FIRST_MILLIS: i64 = 100_000_000_000;

/// When something happened, as told and as corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// The sender's time, corrected by how far its clock is off.
    pub timestamp: Timestamp,
    /// The sender's time.
    pub original: Timestamp,
}

/// `timestamp = receivedAt − (sentAt − original)`, as far as the sender told.
pub(super) fn correct(original: Option<Timestamp>, sent: Option<Timestamp>, received: Timestamp) -> Times {
    match (original, sent) {
        (Some(original), Some(sent)) => {
            let corrected = received.millis() - sent.millis_since(original);
            Times { timestamp: Timestamp::from_millis(corrected), original }
        }
        (Some(original), None) => Times { timestamp: original, original },
        // It happened when it was sent: the sender's clock says when, ours corrects it.
        (None, Some(sent)) => Times { timestamp: received, original: sent },
        (None, None) => Times { timestamp: received, original: received },
    }
}

/// An instant as senders write it: ISO-8601, or a number of seconds or milliseconds since 1970.
/// `None` where it is absent or not to be understood, which counts as absent.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse_lenient(text),
        Value::Number(number) => epoch(number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn epoch(number: &Number) -> Option<Timestamp> {
    if let Some(whole) = number.as_i64() {
        let seconds = whole.unsigned_abs() < FIRST_MILLIS.unsigned_abs();
        return Some(Timestamp::from_millis(if seconds { whole * 1000 } else { whole }));
    }
    let float = number.as_f64().filter(|float| float.abs() < 1e15)?;
    let ms = if float.abs() < 1e11 { float * 1000.0 } else { float };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "below 1e15, the fraction of a millisecond is cut on purpose"
    )]
    let ms = ms.floor() as i64;
    Some(Timestamp::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_lenient(text).unwrap()
    }

    #[test]
    fn the_table_of_the_spec() {
        let cases = [
            // original, sent, received, corrected, original as kept
            (
                "normal",
                "T11:44:40.184Z",
                "T11:44:40.203Z",
                "T11:44:40.452Z",
                "T11:44:40.433Z",
                "T11:44:40.184Z",
            ),
            (
                "clock 1 h behind",
                "T09:00:00Z",
                "T09:00:05Z",
                "T10:00:05.200Z",
                "T10:00:00.200Z",
                "T09:00:00Z",
            ),
            ("sentAt null", "T11:00:50.066179717Z", "", "T11:00:59.762Z", "T11:00:50.066Z", "T11:00:50.066Z"),
            ("no timestamp", "", "", "T12:00:00Z", "T12:00:00Z", "T12:00:00Z"),
            ("only sentAt", "", "T11:59:59Z", "T12:00:00Z", "T12:00:00Z", "T11:59:59Z"),
            ("sentAt before original", "T12:00:10Z", "T12:00:00Z", "T12:00:01Z", "T12:00:11Z", "T12:00:10Z"),
        ];
        for (name, original, sent, received, corrected, kept) in cases {
            let day = |time: &str| (!time.is_empty()).then(|| at(&format!("2026-11-21{time}")));
            let times = correct(day(original), day(sent), day(received).unwrap());
            assert_eq!(Some(times.timestamp), day(corrected), "{name}");
            assert_eq!(Some(times.original), day(kept), "{name}");
        }
        let import = correct(Some(at("2019-01-01T00:00:00Z")), None, at("2026-11-21T12:00:00Z"));
        assert_eq!(import.timestamp.to_rfc3339(), "2019-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_farthest_times_do_not_overflow() {
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(correct(Some(first), Some(last), first).timestamp, first);
        assert_eq!(correct(Some(last), Some(first), last).timestamp, last);
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        let wanted = Some(at("2023-11-14T22:13:20Z"));
        assert_eq!(instant(&json!(1_700_000_000)), wanted);
        assert_eq!(instant(&json!(1_700_000_000_000_i64)), wanted);
        assert_eq!(instant(&json!(1_700_000_000.5)), Some(at("2023-11-14T22:13:20.500Z")));
        for none in
            [json!(null), json!(true), json!("soon"), json!(""), json!([1]), json!(1e300), json!(1e15)]
        {
            assert_eq!(instant(&none), None, "{none}");
        }
        assert!(instant(&json!(i64::MAX)).is_some() && instant(&json!(i64::MIN)).is_some());
    }
}
