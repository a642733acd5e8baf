//! Constants: numbers, texts, dates, `true` and `false`.

use crate::domain::query::QueryError;
use crate::domain::query::ast::Literal;
use crate::domain::query::instant::instant;
use crate::domain::query::lexer::{Kind, Token, shorten};
use crate::domain::query::number::Decimal;
use crate::domain::query::words;
use crate::domain::time::Timestamp;

use super::{Parser, Result};

/// What a constant may be, for messages.
const LITERALS: [&str; 4] = ["a number", "a text in quotes", "true", "false"];
const DATES: [&str; 2] = ["a date like '2026-01-31'", "a timestamp like '2026-01-31T10:00:00Z'"];

impl Parser<'_> {
    /// A constant, and where it stands.
    pub(super) fn literal(&mut self) -> Result<(Literal, usize)> {
        match self.token.kind {
            Kind::Word(word) if !matches!(word, "true" | "false") => return Err(self.not_a_literal(word)),
            Kind::Symbol(_) | Kind::End => return Err(self.unexpected().expecting(LITERALS)),
            _ => {}
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
        Ok((literal, start))
    }

    /// A date, quoted or not.
    pub(super) fn date(&mut self) -> Result<Timestamp> {
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

    fn not_a_literal(&self, word: &str) -> QueryError {
        if word == "entity" {
            return self.linked();
        }
        let short = shorten(word);
        let meant = words::near_miss(word, &["true", "false"]).map_or(format!("'{short}'"), str::to_owned);
        self.unexpected().expecting(LITERALS).suggesting(Some(&meant))
    }

    fn not_a_date(&self, start: usize, text: &str) -> QueryError {
        let message = format!("`{}` is no date, or has no time zone", shorten(text).escape_debug());
        self.error_at(start, message).expecting(DATES)
    }
}

/// A number in its shortest form.
pub(super) fn shortest(number: &str) -> String {
    Decimal::parse(number).map_or_else(|| number.to_owned(), Decimal::shortest)
}
