//! What stands to the right of a value: a relation or a comparator function, and its literals.

use crate::domain::query::ast::{Comparator, Literal, Relation};
use crate::domain::query::instant::instant;
use crate::domain::query::lexer::{Kind, Token, shorten};
use crate::domain::query::number::Decimal;
use crate::domain::query::words::{self, COUNT_FUNCTIONS, RELATIONS, VALUE_FUNCTIONS};
use crate::domain::query::{MAX_COUNT_THRESHOLD, QueryError};
use crate::domain::time::Timestamp;

use super::{Parser, Result};

/// What is compared; it decides which comparators make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Trait,
    Property,
    Count,
}

/// A literal and where it stands.
type Placed = (Literal, usize);

/// How many of the newest events suffice for a count to be compared so: one more than its largest number.
pub(super) fn keep(comparator: &Comparator) -> u32 {
    let numbers = comparator.literals().iter().filter_map(|literal| literal.text().parse::<u32>().ok());
    numbers.max().unwrap_or(0).min(MAX_COUNT_THRESHOLD) + 1
}

impl Parser<'_> {
    /// The comparator after a value.
    pub(super) fn comparator(&mut self, left: Left) -> Result<Comparator> {
        let Kind::Symbol(symbol) = self.token.kind else { return Err(self.not_compared(left)) };
        if symbol == "." {
            self.advance()?;
            return self.comparator_function(left);
        }
        let relation = match symbol {
            "=" | "==" => Relation::Equals,
            "!=" => Relation::Differs,
            ">" => Relation::GreaterThan,
            ">=" => Relation::AtLeast,
            "<" => Relation::LessThan,
            "<=" => Relation::AtMost,
            _ => return Err(self.not_compared(left)),
        };
        self.advance()?;
        let literal = self.literal(left)?;
        self.relation(relation, literal)
    }

    fn comparator_function(&mut self, left: Left) -> Result<Comparator> {
        let allowed: &[&'static str] = if left == Left::Count { &COUNT_FUNCTIONS } else { &VALUE_FUNCTIONS };
        let name = self.function_name(allowed)?;
        if !allowed.contains(&name) {
            return Err(self.wrong_comparator(name, left, allowed));
        }
        self.advance()?;
        self.expect_symbol("(")?;
        let comparator = match name {
            "exists" => Comparator::Exists,
            "absent" => Comparator::Absent,
            "contains" => Comparator::Contains(self.literals(left)?),
            "omits" => Comparator::Omits(self.literals(left)?),
            "one_of" => Comparator::OneOf(self.literals(left)?),
            "none_of" => Comparator::NoneOf(self.literals(left)?),
            "starts_with" => Comparator::StartsWith(self.literal(left)?.0),
            "ends_with" => Comparator::EndsWith(self.literal(left)?.0),
            "before_date" => Comparator::BeforeDate(self.date()?),
            "after_date" => Comparator::AfterDate(self.date()?),
            "differs" => self.relation_argument(Relation::Differs, left)?,
            "greater_than" => self.relation_argument(Relation::GreaterThan, left)?,
            "at_least" => self.relation_argument(Relation::AtLeast, left)?,
            "less_than" => self.relation_argument(Relation::LessThan, left)?,
            "at_most" => self.relation_argument(Relation::AtMost, left)?,
            _ => self.relation_argument(Relation::Equals, left)?,
        };
        self.expect_symbol(")")?;
        Ok(comparator)
    }

    fn relation_argument(&mut self, relation: Relation, left: Left) -> Result<Comparator> {
        let literal = self.literal(left)?;
        self.relation(relation, literal)
    }

    fn relation(&self, relation: Relation, (literal, start): Placed) -> Result<Comparator> {
        let ordered = !matches!(relation, Relation::Equals | Relation::Differs);
        if ordered && matches!(literal, Literal::Boolean(_)) {
            let error = self.error_at(start, "true and false have no order");
            return Err(error.expecting(["a number", "a text"]));
        }
        Ok(Comparator::Relation(relation, literal))
    }

    fn literals(&mut self, left: Left) -> Result<Vec<Literal>> {
        let mut list = vec![self.literal(left)?.0];
        while self.take_symbol(",")? {
            list.push(self.literal(left)?.0);
        }
        Ok(list)
    }

    /// A literal that a value like `left` can be compared with.
    fn literal(&mut self, left: Left) -> Result<Placed> {
        if let Kind::Word(word) = self.token.kind
            && !matches!(word, "true" | "false")
        {
            return Err(self.not_a_literal(word));
        }
        if let Kind::Symbol(_) | Kind::End = self.token.kind {
            return Err(self.unexpected().expecting(expected_literals(left).iter().copied()));
        }
        let Token { kind, start } = self.advance()?;
        let literal = match kind {
            Kind::Text(text) => Literal::Text(text),
            Kind::Number(number) => Literal::Number(shortest(number)),
            Kind::Date(date) if instant(date).is_some() => Literal::Text(date.to_owned()),
            Kind::Date(date) => return Err(self.not_a_date(start, date)),
            Kind::Word(word) => Literal::Boolean(word == "true"),
            Kind::Symbol(_) | Kind::End => return Err(self.error_at(start, "a literal is missing")),
        };
        if left == Left::Count { Ok((self.threshold(&literal, start)?, start)) } else { Ok((literal, start)) }
    }

    /// A number that a count can be compared with; text that reads as one is taken for it.
    fn threshold(&self, literal: &Literal, start: usize) -> Result<Literal> {
        let number = Decimal::parse(literal.text()).map(Decimal::shortest);
        let whole = number.as_deref().and_then(|number| number.parse::<u32>().ok());
        match whole.filter(|whole| *whole <= MAX_COUNT_THRESHOLD) {
            Some(whole) => Ok(Literal::Number(whole.to_string())),
            None => {
                let message =
                    format!("a count is compared with a whole number from 0 to {MAX_COUNT_THRESHOLD}");
                Err(self.error_at(start, message).expecting(expected_literals(Left::Count).iter().copied()))
            }
        }
    }

    fn date(&mut self) -> Result<Timestamp> {
        let (Kind::Text(_) | Kind::Date(_)) = self.token.kind else {
            return Err(self.unexpected().expecting(DATES));
        };
        let Token { kind, start } = self.advance()?;
        let text = match &kind {
            Kind::Text(text) => text,
            Kind::Date(date) => *date,
            Kind::Word(_) | Kind::Number(_) | Kind::Symbol(_) | Kind::End => "",
        };
        instant(text).ok_or_else(|| self.not_a_date(start, text))
    }
}

const DATES: [&str; 2] = ["a date like '2026-01-31'", "a timestamp like '2026-01-31T10:00:00Z'"];

fn expected_literals(left: Left) -> &'static [&'static str] {
    match left {
        Left::Trait | Left::Property => &["a number", "a text in quotes", "true", "false"],
        Left::Count => &["a whole number"],
    }
}

fn shortest(number: &str) -> String {
    Decimal::parse(number).map_or_else(|| number.to_owned(), Decimal::shortest)
}

// Errors.
impl Parser<'_> {
    /// A value stands alone where a condition is wanted.
    fn not_compared(&self, left: Left) -> QueryError {
        let (what, functions): (&str, &[&'static str]) = match left {
            Left::Trait => ("a trait", &[".exists()", ".absent()", ".contains(…)"]),
            Left::Property => ("a property", &[".exists()", ".absent()", ".contains(…)"]),
            Left::Count => ("a count", &[]),
        };
        let message = format!("{what} alone is no condition; compare it");
        self.error(message).expecting(RELATIONS.into_iter().chain(functions.iter().copied()))
    }

    fn wrong_comparator(&self, name: &str, left: Left, allowed: &[&'static str]) -> QueryError {
        let place = match left {
            Left::Trait => "follow a trait",
            Left::Property => "follow a property",
            Left::Count => "follow a count",
        };
        self.wrong_function(name, allowed, allowed, place)
    }

    fn not_a_literal(&self, word: &str) -> QueryError {
        if matches!(word, "trait" | "property" | "event" | "context" | "literal") {
            let message = format!("`{word}` on the right of a comparison is not available in this version");
            return self.error(message).expecting(expected_literals(Left::Trait).iter().copied());
        }
        let short = shorten(word);
        let meant = words::near_miss(word, &["true", "false"]).map_or(format!("'{short}'"), str::to_owned);
        let error = self.unexpected().expecting(expected_literals(Left::Trait).iter().copied());
        error.suggesting(Some(&meant))
    }

    fn not_a_date(&self, start: usize, text: &str) -> QueryError {
        let message = format!("`{}` is no date, or has no time zone", shorten(text).escape_debug());
        self.error_at(start, message).expecting(DATES)
    }
}
