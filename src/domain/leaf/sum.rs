//! Sums that do not depend on the order in which numbers come and go.

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// An exact sum of numbers, each taken as the shortest decimal that reads as the same floating-point number: adding 0.1
/// ten times gives 1. Floating-point numbers have at most some 1,100 digits, and so do their sums.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sum(BigDecimal);

/// Integers below this are exact in floating point: 2 to the power of 53.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Sum {
    pub(super) fn add(&mut self, number: f64) {
        self.0 += decimal(number);
    }

    pub(super) fn remove(&mut self, number: f64) {
        self.0 -= decimal(number);
        if self.0.is_zero() {
            // Zero keeps the digits behind its point otherwise.
            self.0 = BigDecimal::zero();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    /// The nearest floating-point number; the largest there is when the sum is larger.
    pub(super) fn to_f64(&self) -> f64 {
        let nearest: f64 = self.0.to_string().parse().unwrap_or(0.0);
        nearest.clamp(f64::MIN, f64::MAX)
    }
}

/// Through its text: that is the shortest decimal, and nearly always a short one.
fn decimal(number: f64) -> BigDecimal {
    match integer(number) {
        Some(whole) => BigDecimal::from(whole),
        None => format!("{number:e}").parse().unwrap_or_default(),
    }
}

/// The integer that a floating-point number exactly is.
fn integer(number: f64) -> Option<i64> {
    if number.abs() < EXACT && number.fract() == 0.0 { number.to_i64() } else { None }
}

/// A number as JSON: without a point when it is integral (42, not 42.0) and below 2^53. Null when it is not finite.
pub fn number_value(number: f64) -> Value {
    integer(number).map_or_else(|| number.into(), Value::from)
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_i64() {
            Some(whole) if self.0.is_integer() => serializer.serialize_i64(whole),
            _ => serializer.collect_str(&self.0.normalized()),
        }
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_i64().map(|whole| Self(whole.into())),
            Value::String(text) if text.len() <= MAX_TEXT => text.parse().ok().map(Self),
            _ => None,
        }
        .ok_or_else(|| de::Error::custom("not a sum: an integer or a decimal as text"))
    }
}

/// Longer than any sum of floating-point numbers.
const MAX_TEXT: usize = 2000;
