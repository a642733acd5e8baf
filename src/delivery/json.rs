//! JSON exactly as JavaScript's `JSON.stringify` writes it.
//!
//! Receivers check `X-Signature` either over the raw bytes or, as Segment's documentation shows it, over
//! `JSON.stringify(JSON.parse(body))`. Both agree only if the body is written the way JavaScript would: keys that look
//! like array indexes first and ascending, numbers in JavaScript's notation, its escapes, no spaces.
//! Integers beyond 2^53 are written as they are; a receiver that re-serialises them loses digits on its own side.

use serde_json::{Map, Value};

use crate::domain::javascript::{array_index, write_number, write_text};

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
        Value::String(text) => write_text(out, text),
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
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
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
            write_number(&mut out, &serde_json::Number::from_f64(number).unwrap());
            prop_assert_eq!(out.parse::<f64>().unwrap(), number);
        }

        #[test]
        fn strings_read_back_as_themselves(text in any::<String>()) {
            let written = stringify(&Value::String(text.clone()));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
