//! What templates can do with times, durations, numbers to call and columns.

use chrono_tz::Tz;
use minijinja::{Environment, Value};

use super::cut;
use crate::domain::time::{Span, Timestamp};

/// Adds the filters `time`, `date` and `clock` (by the clock of `zone`), `duration`, `tel`, `spoken`, `column`, `right` and `cut`. Each lets an
/// absent value through as nothing.
pub(super) fn add_to(env: &mut Environment<'_>, zone: Tz) {
    env.add_filter("time", move |value: Value| {
        value.as_str().map(|text| time(text, zone)).unwrap_or_default()
    });
    env.add_filter("clock", move |value: Value| {
        value.as_str().map(|text| clock(text, zone)).unwrap_or_default()
    });
    env.add_filter("date", move |value: Value| {
        value.as_str().map(|text| date(text, zone)).unwrap_or_default()
    });
    env.add_filter("duration", |value: Value| value.as_str().map(duration).unwrap_or_default());
    env.add_filter("tel", |value: Value| value.as_str().map(tel).unwrap_or_default());
    env.add_filter("spoken", |value: Value| value.as_str().map(spoken).unwrap_or_default());
    env.add_filter("column", |value: Value, width: usize| column(&plain(&value), width));
    env.add_filter("right", |value: Value, width: usize| format!("{:>1$}", plain(&value), width.min(100)));
    env.add_filter("cut", |value: Value, most: usize| cut(plain(&value), most));
}

/// As it would be written; nothing for what is absent.
fn plain(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// `21 Nov 2026, 10:00 UTC`; what is no instant stays as it is.
fn time(text: &str, zone: Tz) -> String {
    let Some(at) = Timestamp::parse_lenient(text) else { return text.to_owned() };
    let at = at.to_chrono().with_timezone(&zone);
    let name = at.format("%Z").to_string();
    // Zones without a name of their own are called by what they are ahead.
    let name = match name.split_at_checked(3) {
        Some((hours, "")) if hours.starts_with(['+', '-']) => format!("UTC{hours}"),
        Some((hours, minutes)) if hours.starts_with(['+', '-']) => format!("UTC{hours}:{minutes}"),
        Some(_) | None => name,
    };
    format!("{} {name}", at.format("%-d %b %Y, %H:%M"))
}

/// `21 Nov 2026`; what is no instant stays as it is.
fn date(text: &str, zone: Tz) -> String {
    let at = Timestamp::parse_lenient(text);
    at.map_or_else(
        || text.to_owned(),
        |at| at.to_chrono().with_timezone(&zone).format("%-d %b %Y").to_string(),
    )
}

/// `10:00`; what is no instant stays as it is.
fn clock(text: &str, zone: Tz) -> String {
    let at = Timestamp::parse_lenient(text);
    at.map_or_else(|| text.to_owned(), |at| at.to_chrono().with_timezone(&zone).format("%H:%M").to_string())
}

/// `31 minutes` for `31m`, in the largest unit or two; what is no duration stays as it is.
fn duration(text: &str) -> String {
    let Ok(span) = text.parse::<Span>() else { return text.to_owned() };
    let seconds = span.millis() / 1000;
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)];
    let first = units.iter().position(|(_, length)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (name, length) in units.iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 || (words.is_empty() && *length == 1) {
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    words.join(" ")
}

/// The number inside an address such as `whatsapp:+15550001111`, for a `tel:` link; nothing if it holds none.
fn tel(text: &str) -> String {
    let number: String = text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
    if number.bytes().filter(u8::is_ascii_digit).count() >= 3 { number } else { String::new() }
}

/// The digits of a number one by one, so that a voice does not read it as thousands and millions; nothing if it holds none.
fn spoken(text: &str) -> String {
    let digits: Vec<String> = tel(text).chars().filter(char::is_ascii_digit).map(String::from).collect();
    digits.join(" ")
}

/// Filled up with spaces to `width` characters, on one line.
fn column(text: &str, width: usize) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("{line:<width$}", width = width.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_read_like_words() {
        let utc = |text| time(text, Tz::UTC);
        assert_eq!(utc("2026-11-21T10:00:59.999Z"), "21 Nov 2026, 10:00 UTC");
        assert_eq!(utc("2026-11-01T01:30:00+02:00"), "31 Oct 2026, 23:30 UTC");
        assert_eq!(utc("at noon"), "at noon");
        for (zone, at, shown) in [
            (Tz::Europe__Brussels, "2026-07-21T10:00:00Z", "21 Jul 2026, 12:00 CEST"),
            (Tz::Europe__Brussels, "2026-11-21T23:30:00Z", "22 Nov 2026, 00:30 CET"),
            (Tz::America__Sao_Paulo, "2026-11-21T10:00:00Z", "21 Nov 2026, 07:00 UTC-03"),
            (Tz::Asia__Kathmandu, "2026-11-21T10:00:00Z", "21 Nov 2026, 15:45 UTC+05:45"),
        ] {
            assert_eq!(time(at, zone), shown);
        }
        assert_eq!(clock("2026-11-21T23:30:00Z", Tz::Europe__Brussels), "00:30");
        for (given, words) in [
            ("31m", "31 minutes"),
            ("1m", "1 minute"),
            ("90m", "1 hour 30 minutes"),
            ("2h", "2 hours"),
            ("25h", "1 day 1 hour"),
            ("90s", "1 minute 30 seconds"),
            ("250ms", "0 seconds"),
            ("31 minutes", "31 minutes"),
        ] {
            assert_eq!(duration(given), words, "{given}");
        }
    }

    #[test]
    fn numbers_to_call_hold_nothing_else() {
        assert_eq!(tel("+1 (555) 000-1111"), "+15550001111");
        assert_eq!(tel("whatsapp:+4917000"), "+4917000");
        assert_eq!(tel("javascript:alert(1)"), "");
        assert_eq!(spoken("whatsapp:+4917000"), "4 9 1 7 0 0 0");
        assert_eq!(spoken("client:ada"), "");
        assert_eq!(column("a\nb", 5), "a b  ");
    }
}
