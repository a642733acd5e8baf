//! What stands to the right of a value: a relation or a comparator function, and its operands.

use crate::domain::query::QueryError;
use crate::domain::query::ast::{Literal, Scalar};
use crate::domain::query::comparator::{Comparator, Matching, Relative};
use crate::domain::query::lexer::Kind;
use crate::domain::query::number::Decimal;
use crate::domain::query::words::{COMPARATORS, EXTRACTORS, RELATIONS};

use super::{Parser, Result};

impl Parser<'_> {
    /// The comparator after a value.
    pub(super) fn comparator(&mut self, left: &Scalar) -> Result<Comparator<Scalar>> {
        let Kind::Symbol(symbol) = self.token.kind else { return Err(self.not_compared(left)) };
        if symbol == "." {
            self.advance()?;
            return self.comparator_function(left);
        }
        let Some(matching) = Matching::of_symbol(symbol) else { return Err(self.not_compared(left)) };
        self.advance()?;
        Ok(Comparator::Value(matching, vec![self.operand(left, matching)?]))
    }

    fn comparator_function(&mut self, left: &Scalar) -> Result<Comparator<Scalar>> {
        let name = self.function_name(&COMPARATORS)?;
        if !COMPARATORS.contains(&name) {
            let place = format!("follow {}", self.describe(left));
            return Err(self.wrong_function(name, &COMPARATORS, &COMPARATORS, &place));
        }
        self.advance()?;
        self.expect_symbol("(")?;
        let comparator = match (name, Relative::named(name), Matching::named(name)) {
            (_, Some(relative), _) => Comparator::Relative(relative, self.span("a span of time")?),
            (_, _, Some(matching)) => Comparator::Value(matching, self.operands(left, matching)?),
            ("before_date", ..) => Comparator::BeforeDate(self.date()?),
            ("after_date", ..) => Comparator::AfterDate(self.date()?),
            ("exists", ..) => Comparator::Exists,
            (_, None, None) => Comparator::Absent,
        };
        self.expect_symbol(")")?;
        Ok(comparator)
    }

    fn operands(&mut self, left: &Scalar, matching: Matching) -> Result<Vec<Scalar>> {
        let mut operands = vec![self.operand(left, matching)?];
        while matching.takes_list() && self.take_symbol(",")? {
            operands.push(self.operand(left, matching)?);
        }
        Ok(operands)
    }

    /// A value that `left` is compared with.
    fn operand(&mut self, left: &Scalar, matching: Matching) -> Result<Scalar> {
        if let Kind::Word(name) = self.token.kind
            && EXTRACTORS.contains(&name)
        {
            let operand = self.scalar(name)?;
            if let Scalar::Leaf(index) = operand {
                self.leaves.compared(index, None);
            }
            return Ok(operand);
        }
        let (literal, start) = self.literal()?;
        if matching.is_order() && matches!(literal, Literal::Boolean(_)) {
            let error = self.error_at(start, "true and false have no order");
            return Err(error.expecting(["a number", "a text"]));
        }
        if self.is_count(left) { self.number(&literal, start) } else { Ok(Scalar::Literal(literal)) }
    }

    /// A number, for a count; text that reads as one is taken for it.
    fn number(&self, literal: &Literal, start: usize) -> Result<Scalar> {
        match Decimal::parse(literal.text()) {
            Some(number) => Ok(Scalar::Literal(Literal::Number(number.shortest()))),
            None => Err(self.error_at(start, "a count is compared with a number").expecting(["a number"])),
        }
    }

    /// A value stands alone where a condition is wanted.
    fn not_compared(&self, left: &Scalar) -> QueryError {
        let message = format!("{} alone is no condition; compare it", self.describe(left));
        let functions = [".exists()", ".absent()", ".contains(…)"];
        let functions = functions.into_iter().filter(|_| !self.is_count(left));
        self.error(message).expecting(RELATIONS.into_iter().chain(functions))
    }
}
