//! Numbers, compared exactly: an order number of eighteen digits must not equal its neighbour because a floating-point
//! number holds only sixteen.

use std::cmp::Ordering;
use std::fmt;

/// A finite number. Each has one form only, so that equal numbers are equal values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// A whole number from `i64::MIN` to `u64::MAX`: what JSON numbers are read into without loss.
    Whole(i128),
    /// Any other: with a fraction, or beyond that range.
    Real(f64),
}

// No `Real` is NaN.
impl Eq for Number {}

impl Number {
    /// A finite number in its only form; `None` for what is none.
    fn of_real(real: f64) -> Option<Self> {
        /// Two to the power of 63: the first that is no `i64`.
        const EDGE: f64 = 9_223_372_036_854_775_808.0;
        if !real.is_finite() {
            return None;
        }
        let is_whole = real.fract() == 0.0 && (-EDGE..2.0 * EDGE).contains(&real);
        Some(if is_whole { Self::Whole(floor(real)) } else { Self::Real(real) })
    }

    /// Reads an optional sign, digits, and optionally a dot and digits; `None` for all else and for what is too large.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        // Beyond this range JSON numbers are floating-point numbers; constants follow, so that the same digits are equal.
        let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
        match text.parse::<i128>() {
            Ok(whole) if range.contains(&whole) => Some(Self::Whole(whole)),
            _ => text.parse().ok().and_then(Self::of_real),
        }
    }

    /// A number of an event.
    pub(super) fn of_json(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Self::Whole).or_else(|| number.as_f64().and_then(Self::of_real))
    }

    /// A length.
    pub(super) fn of_length(length: usize) -> Self {
        Self::Whole(i128::try_from(length).unwrap_or(i128::MAX))
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::Whole(0)
    }
}

/// The largest whole number that is not larger. Beyond the range of `i128` its nearest end, which is as good for
/// comparing with a number of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "rounded before, and saturation is what is wanted")]
fn floor(real: f64) -> i128 {
    real.floor() as i128
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => left.cmp(right),
            (Self::Real(left), Self::Real(right)) => left.total_cmp(right),
            (Self::Whole(left), Self::Real(right)) => compare(*left, *right),
            (Self::Real(left), Self::Whole(right)) => compare(*right, *left).reverse(),
        }
    }
}

fn compare(whole: i128, real: f64) -> Ordering {
    whole.cmp(&floor(real)).then(if real.fract() == 0.0 { Ordering::Equal } else { Ordering::Less })
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The shortest text that is read as the same number, without exponent.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => write!(f, "{whole}"),
            Self::Real(real) => write!(f, "{real}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_size() {
        let rising = [
            "-100000000000000000000",
            "-9223372036854775808",
            "-5.5",
            "-5",
            "0",
            "0.1",
            "5",
            "5.5",
            "6",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "100000000000000000000",
        ];
        for (place, low) in rising.iter().enumerate() {
            for high in &rising[place + 1..] {
                assert!(Number::parse(low) < Number::parse(high), "{low} < {high}");
                assert!(Number::parse(high) > Number::parse(low), "{high} > {low}");
            }
        }
        for (a, b) in [("5", "5.0"), ("007", "+7"), ("-0", "0.00"), ("1.50", "1.5"), ("9e0", "x")] {
            assert_eq!(Number::parse(a), Number::parse(b), "{a} = {b}");
        }
    }

    #[test]
    fn the_same_digits_are_the_same_number_in_json() {
        for text in ["0", "-0", "-1", "5.0", "0.1", "18446744073709551615", "99999999999999999999", "-1.25"] {
            let json: serde_json::Number = serde_json::from_str(text).unwrap();
            let number = Number::parse(text).unwrap();
            assert_eq!(Number::of_json(&json), Some(number), "{text}");
            assert_eq!(Number::parse(&number.to_string()), Some(number), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        let long = "9".repeat(400);
        for text in
            ["", "+", "-", ".", "5.", ".5", " 5", "1e3", "0x1", "1.2.3", "--1", "+-1", "inf", "NaN", &long]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
