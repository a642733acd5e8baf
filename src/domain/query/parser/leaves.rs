//! The leaves of a query, as they are found.

use crate::domain::query::ast::{Literal, Scalar, Stream};
use crate::domain::query::comparator::{Comparator, Matching};
use crate::domain::query::{LeafSpec, MAX_KEPT_COUNT};

/// Different streams, each with the largest number that it is compared with; `None` if that is unknown, or too large
/// for anything to be gained from it.
#[derive(Default)]
pub(super) struct Leaves(Vec<(Stream, Option<u32>)>);

impl Leaves {
    /// The index of `stream`, which is put in unless it is there.
    pub(super) fn intern(&mut self, stream: Stream) -> usize {
        let known = self.0.iter().position(|(known, _)| *known == stream);
        known.unwrap_or_else(|| {
            self.0.push((stream, Some(0)));
            self.0.len() - 1
        })
    }

    /// The stream of that index is compared with numbers up to `most`.
    pub(super) fn compared(&mut self, index: usize, most: Option<u32>) {
        if let Some((_, known)) = self.0.get_mut(index) {
            *known = known.zip(most).map(|(known, most)| known.max(most));
        }
    }

    /// The stream of that index.
    pub(super) fn get(&self, index: usize) -> Option<&Stream> {
        self.0.get(index).map(|(stream, _)| stream)
    }

    /// The leaves. To tell `most` from more, one entry more has to be kept.
    pub(super) fn into_specs(self) -> Vec<LeafSpec> {
        self.0.into_iter().map(|(stream, most)| LeafSpec::new(stream, most.map(|most| most + 1))).collect()
    }
}

/// The largest number that a count is compared with, if it is compared with small whole numbers only.
pub(super) fn most(comparator: &Comparator<Scalar>) -> Option<u32> {
    let Comparator::Value(matching, operands) = comparator else { return None };
    let compares_numbers =
        matching.symbol().is_some() || matches!(matching, Matching::OneOf | Matching::NoneOf);
    let number = |operand: &Scalar| match operand {
        Scalar::Literal(Literal::Number(number)) => {
            number.parse::<u32>().ok().filter(|number| *number <= MAX_KEPT_COUNT)
        }
        _ => None,
    };
    let numbers: Option<Vec<u32>> = operands.iter().map(number).collect();
    numbers.filter(|_| compares_numbers)?.into_iter().max()
}
