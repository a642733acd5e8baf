//! JSON exactly as JavaScript's `JSON.stringify` writes it.
//!
//! Receivers check `X-Signature` either over the raw bytes or, as Segment's documentation shows it, over
//! `JSON.stringify(JSON.parse(body))`. Both agree only if the body is written the way JavaScript would: keys that look
//! like array indexes first and ascending, numbers in JavaScript's notation, its escapes, no spaces.
//! Integers beyond 2^53 are written as they are; a receiver that re-serialises them loses digits on its own side.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// `value` as `JSON.stringify` writes it.
pub fn stringify(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// `object` as `JSON.stringify` writes it.
pub fn stringify_object(object: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(&mut out, object);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(out, object),
    }
}

fn write_object(out: &mut String, object: &Map<String, Value>) {
    let mut entries: Vec<(u64, &String, &Value)> = object
        .iter()
        .map(|(key, value)| (array_index(key).map_or(u64::MAX, u64::from), key, value))
        .collect();
    // Stable: names that are no index keep the order in which they came.
    entries.sort_by_key(|(index, _, _)| *index);
    out.push('{');
    for (place, (_, key, value)) in entries.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// The array index that `key` is in JavaScript: `0` to `2^32 - 2`, without leading zeros.
fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    canonical.then(|| key.parse().ok()).flatten().filter(|index| *index != u32::MAX)
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    if number.is_f64() {
        write_double(out, number.as_f64().unwrap_or(0.0));
    } else {
        let _ = write!(out, "{number}");
    }
}

/// `Number::toString` of ECMAScript: plain from 1e-6 up to 1e21, otherwise with an exponent and its sign.
fn write_double(out: &mut String, number: f64) {
    if !number.is_finite() {
        out.push_str("null");
        return;
    }
    if number == 0.0 {
        out.push('0');
        return;
    }
    if number < 0.0 {
        out.push('-');
    }
    // Rust's `e` form has the shortest digits that read back as the same number, as JavaScript's has.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    write_digits(out, &digits, exponent);
}

/// Places the point in `digits` (one digit before it at `exponent` 0).
fn write_digits(out: &mut String, digits: &str, exponent: i32) {
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let before = exponent + 1;
    let whole = usize::try_from(before).unwrap_or(0);
    if (1..=21).contains(&before) && digits.len() <= whole {
        out.push_str(digits);
        out.push_str(&"0".repeat(whole - digits.len()));
    } else if (1..=21).contains(&before) {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    } else if (-5..=0).contains(&before) {
        out.push_str("0.");
        out.push_str(&zeros(-before));
        out.push_str(digits);
    } else {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let _ = write!(out, "e{exponent:+}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(text: &str) -> String {
        stringify(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_published_vector() {
        assert_eq!(
            again(r#"{"b":1,"10":2,"2":3,"a":1.0,"e":1e21,"s":1e-7,"n":-0}"#),
            r#"{"2":3,"10":2,"b":1,"a":1,"e":1e+21,"s":1e-7,"n":0}"#
        );
    }

    #[test]
    fn numbers_as_node_prints_them() {
        for (given, printed) in [
            ("0.1", "0.1"),
            ("10.0", "10"),
            ("-1.50", "-1.5"),
            ("123456.789", "123456.789"),
            ("1e20", "100000000000000000000"),
            ("123456789012345680000.0", "123456789012345680000"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000015", "0.0000015"),
            ("0.00000015", "1.5e-7"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("-0.0", "0"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(again(given), printed, "{given}");
        }
    }

    #[test]
    fn keys_and_escapes_as_node_writes_them() {
        assert_eq!(
            again(r#"{"z":0,"4294967295":1,"4294967294":2,"01":3,"-1":4,"0":5,"":6}"#),
            r#"{"0":5,"4294967294":2,"z":0,"4294967295":1,"01":3,"-1":4,"":6}"#
        );
        assert_eq!(
            again("\"\\u0001\\u001F\\b\\f\\n\\r\\t\\/\\u2028\\u00e9\\u007f\\\"\\\\\""),
            "\"\\u0001\\u001f\\b\\f\\n\\r\\t/\u{2028}\u{e9}\u{7f}\\\"\\\\\""
        );
        assert_eq!(again("[ 1 , null , true , false , [ ] , { } ]"), "[1,null,true,false,[],{}]");
    }

    proptest! {
        #[test]
        fn doubles_read_back_as_themselves(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let mut out = String::new();
            write_double(&mut out, number);
            prop_assert_eq!(out.parse::<f64>().unwrap(), number);
        }

        #[test]
        fn strings_read_back_as_themselves(text in any::<String>()) {
            let written = stringify(&Value::String(text.clone()));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
