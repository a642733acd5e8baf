//! Sums that do not depend on the order in which numbers come and go.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// An exact sum of numbers, each taken as the shortest decimal that reads as the same floating-point number: adding 0.1
/// ten times gives 1. Floating-point numbers have at most some 1,100 digits, and so do their sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    /// The sum of the numbers that are whole millionths and not large, in millionths: those that people count and pay.
    millionths: i128,
    /// The sum of the others.
    rest: BigDecimal,
}

/// Integers below this are exact in floating point: 2 to the power of 53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Digits behind the point of a millionth.
const DIGITS: i64 = 6;
const MILLION: f64 = 1_000_000.0;

/// Longer than any sum of floating-point numbers.
const MAX_TEXT: usize = 2000;

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.exact() == other.exact()
    }
}

impl Sum {
    pub(super) fn add(&mut self, number: f64) {
        match millionths(number) {
            Some(millionths) => self.millionths += i128::from(millionths),
            None => self.rest += decimal(number),
        }
    }

    pub(super) fn remove(&mut self, number: f64) {
        match millionths(number) {
            Some(millionths) => self.millionths -= i128::from(millionths),
            None => self.rest -= decimal(number),
        }
        if self.rest.is_zero() {
            // Zero keeps the digits behind its point otherwise.
            self.rest = BigDecimal::zero();
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.millionths += other.millionths;
        self.rest += &other.rest;
    }

    /// The nearest floating-point number; the largest there is when the sum is larger.
    pub(super) fn to_f64(&self) -> f64 {
        let in_millionths = self.millionths.to_f64().filter(|sum| sum.abs() < EXACT && self.rest.is_zero());
        match in_millionths {
            Some(sum) => sum / MILLION,
            None => self.exact().to_string().parse().unwrap_or(0.0_f64).clamp(f64::MIN, f64::MAX),
        }
    }

    fn exact(&self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.millionths), DIGITS) + &self.rest
    }

    fn from_exact(exact: BigDecimal) -> Self {
        let in_millionths = exact.with_scale(DIGITS);
        match in_millionths.as_bigint_and_scale().0.to_i128() {
            Some(millionths) if in_millionths == exact => Self { millionths, rest: BigDecimal::zero() },
            _ => Self { millionths: 0, rest: exact },
        }
    }
}

/// A number in millionths, when it is the shortest decimal that they are: below fifteen digits, no two decimals read as
/// the same floating-point number.
fn millionths(number: f64) -> Option<i64> {
    let nearest = (number * MILLION).round();
    if nearest.abs() < 1e15 && nearest / MILLION == number { nearest.to_i64() } else { None }
}

/// Through its text: that is the shortest decimal.
fn decimal(number: f64) -> BigDecimal {
    format!("{number:e}").parse().unwrap_or_default()
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
        let exact = self.exact().normalized();
        match exact.to_i64() {
            Some(whole) if exact.is_integer() => serializer.serialize_i64(whole),
            _ => serializer.collect_str(&exact),
        }
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let exact = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_i64().map(BigDecimal::from),
            Value::String(text) if text.len() <= MAX_TEXT => text.parse().ok(),
            _ => None,
        };
        exact
            .map(Self::from_exact)
            .ok_or_else(|| de::Error::custom("not a sum: an integer or a decimal as text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> Sum {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum
    }

    #[test]
    fn decimals_add_up() {
        for (numbers, total) in [
            (&[0.1, 0.2][..], "0.3"),
            (&[0.1; 10], "1"),
            (&[1e300, 1.0, -1e300], "1"),
            (&[1e15, 0.3, 0.000_000_1], "1000000000000000.3000001"),
            (&[9_007_199_254_740_993.0, 1.0], "9007199254740993"),
            (&[-0.0], "0"),
        ] {
            assert_eq!(sum(numbers).exact(), total.parse::<BigDecimal>().unwrap(), "{numbers:?}");
        }
        assert_eq!(sum(&[f64::MAX, f64::MAX]).to_f64(), f64::MAX);
        assert_eq!(number_value(sum(&[0.1, 0.2]).to_f64()), serde_json::json!(0.3));
        assert_eq!(number_value(-0.0), serde_json::json!(0));
    }

    proptest! {
        #[test]
        fn a_number_is_its_shortest_decimal(bits in any::<u64>(), hundredths in -10_000_000_i32..10_000_000) {
            for number in [f64::from_bits(bits), f64::from(hundredths) / 100.0, f64::from(hundredths) / 3e5] {
                if number.is_finite() {
                    prop_assert_eq!(sum(&[number]).exact(), decimal(number));
                    prop_assert_eq!(sum(&[number]).to_f64(), number);
                    let packed = rmp_serde::to_vec(&sum(&[number, 0.25])).unwrap();
                    prop_assert_eq!(rmp_serde::from_slice::<Sum>(&packed).unwrap(), sum(&[number, 0.25]));
                }
            }
        }

        #[test]
        fn what_came_and_went_leaves_nothing(
            numbers in prop::collection::vec(prop_oneof![any::<f64>(), (-500_i32..500).prop_map(|n| f64::from(n) / 8.0)], 0..20),
        ) {
            let numbers: Vec<f64> = numbers.into_iter().filter(|number| number.is_finite()).collect();
            let mut total = sum(&[2.5]);
            total.merge(&sum(&numbers));
            numbers.iter().rev().for_each(|number| total.remove(*number));
            prop_assert_eq!(&total, &sum(&[2.5]));
            prop_assert_eq!(total.to_f64(), 2.5);
        }
    }
}
