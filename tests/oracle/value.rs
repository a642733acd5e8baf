//! What values are to the language, in the plainest way: texts, exact decimal numbers, instants.

use serde_json::Value;

use crate::language::Millis;

/// A decimal number in units of 10^-20: exact for everything that the tests make.
pub type Exact = i128;

const PLACES: usize = 20;
const ONE: Exact = 100_000_000_000_000_000_000;

/// The value as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().expect("a float").to_string(),
        other => other.to_string(),
    }
}

/// The number that a text is entirely: an optional minus, digits, optionally a dot and digits.
pub fn decimal(text: &str) -> Option<Exact> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    assert!(whole.len() <= 15 && fraction.len() <= PLACES, "{text} is beyond what the oracle reckons with");
    let fraction = format!("{fraction:0<PLACES$}");
    let whole: Exact = whole.parse().expect("digits");
    Some(sign * (whole * ONE + fraction.parse::<Exact>().expect("digits")))
}

/// The number that a value reads as: JSON numbers, and texts that are a decimal number.
pub fn number(value: &Value) -> Option<Exact> {
    match value {
        Value::Number(_) | Value::String(_) => decimal(&text(value)),
        _ => None,
    }
}

/// A number as JSON: the nearest floating-point number, or an integer where that is whole.
pub fn json(number: Exact) -> Value {
    from_float(float(number))
}

/// `number / count`, reckoned with floating-point numbers.
pub fn quotient(number: Exact, count: u32) -> Value {
    from_float(float(number) / f64::from(count))
}

fn float(number: Exact) -> f64 {
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{sign}{}.{:0>PLACES$}", number.abs() / ONE, number.abs() % ONE);
    digits.parse().expect("a decimal number")
}

fn from_float(float: f64) -> Value {
    match format!("{float:.0}").parse::<i64>() {
        Ok(integer) if float.fract() == 0.0 => Value::from(integer),
        _ => Value::from(float),
    }
}

/// Whether two values are the same: numbers by their size, anything else as JSON.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

/// The instant that a text says: `yyyy-mm-dd` (midnight UTC), or with a time and a zone.
pub fn instant(text: &str) -> Option<Millis> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let at = |place: usize| text.as_bytes().get(place).copied();
    if at(4) != Some(b'-') || at(7) != Some(b'-') {
        return None;
    }
    let midnight = days(digits(0, 4)?, digits(5, 7)?, digits(8, 10)?)? * 86_400_000;
    if text.len() == 10 {
        return Some(midnight);
    }
    if at(10) != Some(b'T') || at(13) != Some(b':') {
        return None;
    }
    let mut of_day = digits(11, 13)? * 3_600_000 + digits(14, 16)? * 60_000;
    let mut rest = text.get(16..)?;
    if let Some(after) = rest.strip_prefix(':') {
        of_day += digits(17, 19)? * 1000;
        rest = after.get(2..)?;
    }
    if let Some(after) = rest.strip_prefix('.') {
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        of_day += format!("{:0<3}", &after[..count])[..3].parse::<i64>().ok()?;
        rest = &after[count..];
    }
    Some(midnight + of_day - offset(rest)?)
}

/// `Z`, `+02:00` or `-05:00`.
fn offset(text: &str) -> Option<Millis> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000)
}

/// Days since 1970 of a day of the calendar that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if day < 1 || day > length {
        return None;
    }
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let before: i64 = (year..1970).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: i64 = lengths[..usize::try_from(month - 1).ok()?].iter().sum();
    Some(years - before + months + day - 1)
}

/// How an instant is written.
#[derive(Clone, Copy, Debug)]
pub enum Writing {
    /// `2026-01-31T00:00:00.000Z`
    Utc,
    /// The same instant two hours east.
    East,
    /// Only its day.
    Day,
    /// Without a zone: no instant to the language.
    Zoneless,
}

/// An instant as text.
pub fn write(at: Millis, writing: Writing) -> String {
    let shifted = if matches!(writing, Writing::East) { at + 2 * 3_600_000 } else { at };
    let (mut day, of_day) = (shifted.div_euclid(86_400_000), shifted.rem_euclid(86_400_000));
    let mut year = 1970;
    let first = |year: i64| days(year, 1, 1).expect("a day");
    while first(year) > day {
        year -= 1;
    }
    while first(year + 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1).expect("a day") <= day).expect("a month");
    day -= days(year, month, 1).expect("a day") - 1;
    let date = format!("{year:04}-{month:02}-{day:02}");
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let time = format!("T{hours:02}:{minutes:02}:{:02}.{:03}", of_day / 1000 % 60, of_day % 1000);
    match writing {
        Writing::Utc => format!("{date}{time}Z"),
        Writing::East => format!("{date}{time}+02:00"),
        Writing::Day => date,
        Writing::Zoneless => format!("{date}{time}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_exact() {
        assert_eq!(number(&json!("12.50")), number(&json!(12.5)));
        assert_eq!(number(&json!("0x1")), None);
        assert_eq!(number(&json!(true)), None);
        let sum = [0.1, 0.2, -0.3].iter().map(|n| number(&json!(n)).unwrap()).sum::<Exact>();
        assert_eq!(json(sum), json!(0));
        assert_eq!(quotient(decimal("0.3").unwrap(), 3), json!(0.3 / 3.0));
        assert_eq!(quotient(decimal("-10").unwrap(), 4), json!(-2.5));
        assert_eq!(quotient(decimal("10").unwrap(), 3), json!(10.0 / 3.0));
        assert_eq!((text(&json!(5.0)), text(&json!([1, "a"]))), ("5".to_owned(), "[1,\"a\"]".to_owned()));
    }

    #[test]
    fn instants_are_read_and_written() {
        for (said, at) in [
            ("2026-01-31", Some(1_769_817_600_000)),
            ("2026-01-31T00:00Z", Some(1_769_817_600_000)),
            ("2026-01-31T02:00:00+02:00", Some(1_769_817_600_000)),
            ("2026-01-30T23:59:59.999Z", Some(1_769_817_599_999)),
            ("2026-01-31T00:00:00", None),
            ("2026-02-30", None),
            ("5", None),
        ] {
            assert_eq!(instant(said), at, "{said}");
        }
        for at in [0, -1, 1_769_817_599_999, 951_782_400_000, 1_740_000_000_123] {
            for writing in [Writing::Utc, Writing::East] {
                assert_eq!(instant(&write(at, writing)), Some(at), "{}", write(at, writing));
            }
            assert_eq!(instant(&write(at, Writing::Day)), Some(at.div_euclid(86_400_000) * 86_400_000));
            assert_eq!(instant(&write(at, Writing::Zoneless)), None);
        }
    }
}
