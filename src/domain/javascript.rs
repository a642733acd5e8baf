//! Parts of JSON as JavaScript's `JSON.stringify` writes them: keys, texts and numbers.

use std::fmt::Write as _;

use serde_json::Number;

/// The array index that `key` is in JavaScript: `0` to `2^32 - 2`, without leading zeros.
pub fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    canonical.then(|| key.parse().ok()).flatten().filter(|index| *index != u32::MAX)
}

/// Appends a text in quotes, with JavaScript's escapes.
pub fn write_text(out: &mut String, text: &str) {
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

/// Appends a number as JavaScript makes text of it: plain from 1e-6 up to 1e21, otherwise with an exponent and its sign.
pub fn write_number(out: &mut String, number: &Number) {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        let _ = write!(out, "{number}");
        return;
    };
    if double == 0.0 {
        out.push('0');
        return;
    }
    if double < 0.0 {
        out.push('-');
    }
    // Rust's `e` form has the shortest digits that read back as the same number, as JavaScript's has.
    let scientific = format!("{:e}", double.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    write_digits(out, &digits, exponent.parse().unwrap_or(0));
}

/// Places the point in `digits` (one digit before it at `exponent` 0).
fn write_digits(out: &mut String, digits: &str, exponent: i32) {
    let before = exponent + 1;
    let whole = usize::try_from(before).unwrap_or(0);
    let (first, rest) = digits.split_at(1);
    if (1..=21).contains(&before) && digits.len() <= whole {
        let _ = write!(out, "{digits}{}", "0".repeat(whole - digits.len()));
    } else if (1..=21).contains(&before) {
        let (whole, fraction) = digits.split_at(whole);
        let _ = write!(out, "{whole}.{fraction}");
    } else if (-5..=0).contains(&before) {
        let zeros = usize::try_from(-before).unwrap_or(0);
        let _ = write!(out, "0.{}{digits}", "0".repeat(zeros));
    } else if rest.is_empty() {
        let _ = write!(out, "{first}e{exponent:+}");
    } else {
        let _ = write!(out, "{first}.{rest}e{exponent:+}");
    }
}
