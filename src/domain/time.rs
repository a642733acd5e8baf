//! Instants and durations, exact to the millisecond.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in UTC, in whole milliseconds since 1970-01-01. May be negative.
///
/// In JSON it is RFC 3339 UTC with three fraction digits (`2026-11-21T10:00:00.000Z`), in stored records an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The earliest and latest instants that RFC 3339 can write (years 0 to 9999).
const MIN_MS: i64 = -62_167_219_200_000;
const MAX_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// From milliseconds since 1970; out-of-range values are clamped to years 0–9999.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.clamp(MIN_MS, MAX_MS))
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// From a chrono instant, cut to milliseconds.
    pub fn from_chrono(at: DateTime<Utc>) -> Self {
        Self::from_millis(at.timestamp_millis())
    }

    /// As a chrono instant.
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).expect("clamped to years 0-9999 on construction")
    }

    /// RFC 3339 UTC with milliseconds.
    pub fn to_rfc3339(self) -> String {
        self.to_chrono().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// RFC 3339 UTC, cut to whole seconds, for receivers that know no fractions.
    pub fn to_rfc3339_seconds(self) -> String {
        self.to_chrono().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Reads an ISO-8601 instant leniently: `Z` or an offset, 0–9 fraction digits (cut to ms), a space for `T`,
    /// no zone read as UTC, or a bare date read as its midnight UTC. `None` when it is none of these.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 64 || !text.is_ascii() {
            return None;
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self::from_chrono(at.with_timezone(&Utc)));
        }
        const ZONED: [&str; 4] =
            ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z"];
        for format in ZONED {
            if let Ok(at) = DateTime::parse_from_str(text, format) {
                return Some(Self::from_chrono(at.with_timezone(&Utc)));
            }
        }
        let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        const LOCAL: [&str; 4] =
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        for format in LOCAL {
            if let Ok(at) = NaiveDateTime::parse_from_str(bare, format) {
                return Some(Self::from_chrono(at.and_utc()));
            }
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Self::from_chrono(date.and_hms_opt(0, 0, 0)?.and_utc()))
    }

    /// This instant moved later by `span`, clamped to the representable range.
    pub fn plus(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.millis()))
    }

    /// This instant moved earlier by `span`, clamped to the representable range.
    pub fn minus(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_sub(span.millis()))
    }

    /// The next representable instant, one millisecond later.
    pub fn next(self) -> Self {
        Self::from_millis(self.0.saturating_add(1))
    }

    /// Milliseconds from `earlier` to `self`; negative when `self` is the earlier one.
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_rfc3339())
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse_lenient(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 instant"))
        } else {
            i64::deserialize(deserializer).map(Self::from_millis)
        }
    }
}

/// A length of time in whole milliseconds, never negative. Written `90s`, `30m`, `2h`, `7d` (or `250ms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// The longest span a definition may name: ten years of 365 days.
pub const MAX_SPAN: Span = Span(3650 * 86_400_000);

impl Span {
    /// From milliseconds; negative values become zero.
    pub const fn from_millis(ms: i64) -> Self {
        Self(if ms < 0 { 0 } else { ms })
    }
    /// From seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }
    /// From hours.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_secs(hours.saturating_mul(3600))
    }
    /// From days of exactly 24 hours.
    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }
    /// Length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// As a standard duration.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.unsigned_abs())
    }
}

/// Why a text is no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not a whole number followed by a unit.
    #[error("`{0}` is not a duration; write a whole number and a unit: 90s, 30m, 2h, 7d")]
    Syntax(String),
    /// Longer than [`MAX_SPAN`].
    #[error("`{0}` is longer than 3650 days")]
    TooLong(String),
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let syntax = || SpanError::Syntax(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_ms: i64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(syntax()),
        };
        if digits == 0 {
            return Err(syntax());
        }
        let too_long = || SpanError::TooLong(text.chars().take(40).collect());
        let ms = number.parse::<i64>().ok().and_then(|n| n.checked_mul(unit_ms)).ok_or_else(too_long)?;
        if ms > MAX_SPAN.0 { Err(too_long()) } else { Ok(Self(ms)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, mut unit, mut size) = (self.0, "ms", 1);
        for (name, length) in [("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)] {
            if ms != 0 && ms % length == 0 {
                (unit, size) = (name, length);
            }
        }
        write!(f, "{}{unit}", ms / size)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_a_client_sends() {
        for text in [
            "2026-01-31T00:00:00Z",
            "2026-01-31T00:00:00.000Z",
            "2026-01-31T01:00:00.000000000+01:00",
            "2026-01-31 00:00:00",
            "2026-01-31T00:00:00+0000",
            "2026-01-31",
        ] {
            assert_eq!(
                Timestamp::parse_lenient(text).map(Timestamp::to_rfc3339).as_deref(),
                Some("2026-01-31T00:00:00.000Z"),
                "{text}"
            );
        }
        for text in ["", "yesterday", "31/01/2026", "2026-13-01T00:00:00Z", "２０２６-01-31"] {
            assert_eq!(Timestamp::parse_lenient(text), None, "{text}");
        }
    }

    #[test]
    fn spans_round_trip() {
        for text in ["90s", "30m", "2h", "7d", "250ms", "3650d"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("3600s".parse::<Span>().unwrap().to_string(), "1h");
        for text in ["", "5", "h", "-5h", "1w", "1.5h", "99999999999999999999d", "3651d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
