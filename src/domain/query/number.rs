//! Decimal numbers of any length, compared exactly: two order numbers of twenty digits must not be taken for equal
//! because a floating-point number holds only sixteen.

use std::cmp::Ordering;

/// A text that is entirely a decimal number, cut into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// Without leading zeros; empty for zero.
    whole: &'a str,
    /// Without trailing zeros; empty for an integer.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// Reads `-12.50`: an optional minus, digits, optionally a dot and digits. No plus, no exponent, no spaces: a
    /// phone number or a code like `12e3` stays a text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (minus, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: minus && !zero, whole, fraction })
    }

    /// Its shortest text: `5`, `-0.25`, `0`.
    pub(super) fn shortest(self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let whole = if self.whole.is_empty() { "0" } else { self.whole };
        let dot = if self.fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{dot}{}", self.fraction)
    }

    fn compare_size(self, other: Self) -> Ordering {
        let length = self.whole.len().cmp(&other.whole.len());
        length.then_with(|| self.whole.cmp(other.whole)).then_with(|| self.fraction.cmp(other.fraction))
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_size(*other),
            (true, true) => other.compare_size(*self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_ordered_by_size() {
        let rising = [
            "-12345678901234567891",
            "-12345678901234567890",
            "-10",
            "-9.5",
            "-0.1",
            "0",
            "0.05",
            "0.5",
            "5",
            "5.01",
            "5.1",
            "10",
            "99999999999999999998",
            "99999999999999999999",
        ];
        for (place, low) in rising.iter().enumerate() {
            for high in &rising[place + 1..] {
                assert!(Decimal::parse(low) < Decimal::parse(high), "{low} < {high}");
            }
        }
        for (a, b) in [("5", "5.0"), ("007", "7"), ("-0", "0.00"), ("1.50", "1.5")] {
            assert_eq!(Decimal::parse(a), Decimal::parse(b), "{a} = {b}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in
            ["", "-", ".", "5.", ".5", "+5", " 5", "5 ", "1e3", "0x1", "1.2.3", "--1", "٣", "NaN", "inf"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn shortest_text_is_stable() {
        for (text, shortest) in [("5.0", "5"), ("-0.0", "0"), ("007.10", "7.1"), ("-0.25", "-0.25")] {
            assert_eq!(Decimal::parse(text).map(Decimal::shortest).as_deref(), Some(shortest));
        }
    }
}
