//! `event('…')` with its filters, its window and its reducer.

use crate::domain::query::ast::{Condition, Reducer};
use crate::domain::query::leaf::LeafSpec;
use crate::domain::query::lexer::Kind;
use crate::domain::query::words::{self, STREAM_FUNCTIONS, STREAM_STEPS};
use crate::domain::query::{MAX_NESTING, MAX_WINDOW, MIN_WINDOW};
use crate::domain::time::Span;

use super::{Comparison, EventScalar, Logic, Parser, Result};

type Filter = Logic<Comparison<EventScalar>>;

const UNITS: [&str; 4] = ["hour", "hours", "day", "days"];

impl Parser<'_> {
    /// `('…')`, filters and a window in any order, and the reducer; the word `event` has been taken.
    pub(super) fn stream(&mut self) -> Result<LeafSpec> {
        let first = self.token.start;
        let (event, _) = self.text_argument("a quoted event name")?;
        let mut filters: Vec<Filter> = Vec::new();
        let mut window = None;
        loop {
            if !self.take_symbol(".")? {
                let message = "a stream of events is no value to compare; reduce it to one first";
                return Err(self.error(message).expecting(STREAM_STEPS).suggesting(Some(".count()")));
            }
            let start = self.token.start;
            match self.function_name(&STREAM_FUNCTIONS)? {
                "where" => {
                    self.advance()?;
                    self.add_filter(&mut filters, start)?;
                }
                "within" if window.is_some() => {
                    return Err(self.error("a stream has at most one window"));
                }
                "within" => {
                    self.advance()?;
                    window = Some(self.window()?);
                }
                "count" => {
                    self.advance()?;
                    self.expect_symbol("(")?;
                    self.expect_symbol(")")?;
                    let filter = self.condition(filters, first)?;
                    return Ok(LeafSpec { event, filter, window, reducer: Reducer::Count, keep: 1 });
                }
                name => {
                    return Err(self.wrong_function(
                        name,
                        &STREAM_FUNCTIONS,
                        &STREAM_STEPS,
                        "follow a stream of events",
                    ));
                }
            }
        }
    }

    /// `(condition)` or `({condition})` of the `where` at `start`.
    fn add_filter(&mut self, filters: &mut Vec<Filter>, start: usize) -> Result<()> {
        let open = self.token.start;
        self.expect_symbol("(")?;
        let brace = self.token.start;
        let braced = self.take_symbol("{")?;
        filters.push(self.nested(start, |parser| parser.disjunction(Parser::event_comparison))?);
        if braced {
            self.close("}", brace)?;
        }
        self.close(")", open)?;
        Ok(())
    }

    /// All filters of the stream at `start` as one condition.
    fn condition(&self, filters: Vec<Filter>, start: usize) -> Result<Option<Condition>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let joined = Logic::and(filters);
        // In one condition, an OR that was a filter of its own needs parentheses: a level that was not written.
        if self.depth + 1 + joined.nesting() > MAX_NESTING {
            return Err(self.too_deep(start));
        }
        Ok(Some(Condition(joined)))
    }

    /// `(7 days)`
    fn window(&mut self) -> Result<Span> {
        self.expect_symbol("(")?;
        let start = self.token.start;
        let number = match self.token.kind {
            Kind::Number(number) => number,
            Kind::Word(word) if words::is_later(word) => return Err(self.later(word)),
            _ => return Err(self.unexpected().expecting(["a whole number and hours or days"])),
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self
                .error("a window is a whole number of hours or days")
                .expecting(["a whole number"]));
        }
        self.advance()?;
        let unit = match self.token.kind {
            Kind::Word("hour" | "hours") => Span::from_hours(1),
            Kind::Word("day" | "days") => Span::from_days(1),
            Kind::Word(word) => {
                let error = self.unexpected().expecting(["hours", "days"]);
                return Err(error.suggesting(words::near_miss(word, &UNITS)));
            }
            _ => return Err(self.unexpected().expecting(["hours", "days"])),
        };
        self.advance()?;
        self.expect_symbol(")")?;
        // A number too large for an i64 is too long in any unit.
        let length = number.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(unit.millis());
        let window = Span::from_millis(length);
        if window < MIN_WINDOW || window > MAX_WINDOW {
            return Err(self.error_at(start, "a window is 1 hour to 3650 days long"));
        }
        Ok(window)
    }
}
