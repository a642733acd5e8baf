//! Spans of time: `7 days`.

use crate::domain::query::lexer::Kind;
use crate::domain::query::words;
use crate::domain::query::{MAX_SESSION, MAX_WINDOW, MIN_SESSION, MIN_WINDOW};
use crate::domain::time::Span;

use super::{Parser, Result};

const UNITS: [&str; 4] = ["hour", "hours", "day", "days"];
const UNITS_OF_SESSIONS: [&str; 6] = ["second", "seconds", "hour", "hours", "day", "days"];

impl Parser<'_> {
    /// A window, or whatever `what` says, of hours or days.
    pub(super) fn span(&mut self, what: &str) -> Result<Span> {
        let start = self.token.start;
        let span = self.duration(what, &UNITS)?;
        if span < MIN_WINDOW || span > MAX_WINDOW {
            return Err(self.error_at(start, format!("{what} is 1 hour to 3650 days long")));
        }
        Ok(span)
    }

    /// The pause that ends a session, in seconds, hours or days.
    pub(super) fn session(&mut self) -> Result<Span> {
        let start = self.token.start;
        let span = self.duration("a session's pause", &UNITS_OF_SESSIONS)?;
        if span < MIN_SESSION || span > MAX_SESSION {
            return Err(self.error_at(start, "a session's pause is 1800 seconds to 90 days long"));
        }
        Ok(span)
    }

    fn duration(&mut self, what: &str, units: &[&'static str]) -> Result<Span> {
        // In messages, the plurals suffice.
        let plurals = || units.iter().copied().filter(|unit| unit.ends_with('s'));
        let Kind::Number(number) = self.token.kind else {
            let expected = format!("a whole number and {}", plurals().collect::<Vec<_>>().join(" or "));
            return Err(self.unexpected().expecting([expected.as_str()]));
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("{what} is a whole number of {}", plurals().collect::<Vec<_>>().join(" or "));
            return Err(self.error(message).expecting(["a whole number"]));
        }
        self.advance()?;
        let unit = match self.token.kind {
            Kind::Word(word) if units.contains(&word) => match word {
                "second" | "seconds" => Span::from_secs(1),
                "hour" | "hours" => Span::from_hours(1),
                _ => Span::from_days(1),
            },
            Kind::Word(word) => {
                let error = self.unexpected().expecting(plurals());
                return Err(error.suggesting(words::near_miss(word, units)));
            }
            _ => return Err(self.unexpected().expecting(plurals())),
        };
        self.advance()?;
        // A number too large for an i64 is too long in any unit.
        Ok(Span::from_millis(number.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(unit.millis())))
    }
}
