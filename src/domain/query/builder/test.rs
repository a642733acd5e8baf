//! The right side of a comparison as people type it.

use super::{Operator, Takes, Test};
use crate::domain::query::ast::Literal;
use crate::domain::query::comparator::Comparator;
use crate::domain::query::format::{Duration, literal_text, quoted};
use crate::domain::query::instant::instant;
use crate::domain::query::number::Decimal;
use crate::domain::query::{MAX_TEXT_CHARACTERS, MAX_WINDOW, MIN_WINDOW};
use crate::domain::time::{Span, Timestamp};

const DAY: i64 = 86_400_000;

impl Test {
    /// What shows that comparator; `None` where one of its operands is no constant, or could not be typed.
    pub(super) fn showing(comparator: &Comparator<Literal>) -> Option<Self> {
        let (name, value) = match comparator {
            Comparator::Value(matching, operands) => (matching.name(), typed_list(operands)),
            Comparator::BeforeDate(date) => ("before_date", typed_date(*date)),
            Comparator::AfterDate(date) => ("after_date", typed_date(*date)),
            Comparator::Relative(relative, span) => (relative.name(), Duration(*span).to_string()),
            Comparator::Exists => ("exists", String::new()),
            Comparator::Absent => ("absent", String::new()),
        };
        let test = Self { operator: Operator::named(name)?, value };
        let Comparator::Value(_, operands) = comparator else { return Some(test) };
        // What a browser's field would change, or what would be read as something else, can't be shown.
        let is_typed = !test.value.chars().any(char::is_control) && test.literals().as_ref() == Ok(operands);
        is_typed.then_some(test)
    }

    /// Its text in the language: `.at_least(5)`. A `count` is compared with numbers.
    pub(super) fn text(&self, count: bool) -> Result<String, String> {
        let name = self.operator.as_str();
        let inside = match self.operator.takes() {
            Takes::Nothing => String::new(),
            Takes::Value | Takes::Values => {
                let literals = self.literals()?;
                if count && literals.iter().any(|literal| Decimal::parse(literal.text()).is_none()) {
                    return Err("is compared with a number".to_owned());
                }
                literals.iter().map(literal_text).collect::<Vec<_>>().join(", ")
            }
            Takes::Date => {
                let date = self.value.trim();
                instant(date).ok_or("is a date like 2026-01-31, or an instant like 2026-01-31T10:00:00Z")?;
                quoted(date)
            }
            Takes::Span => Duration(span(&self.value)?).to_string(),
        };
        Ok(format!(".{name}({inside})"))
    }

    fn literals(&self) -> Result<Vec<Literal>, String> {
        let pieces = match self.operator.takes() {
            Takes::Values => split(&self.value),
            _ => vec![self.value.trim()],
        };
        let literals: Vec<Literal> = pieces.into_iter().map(read_literal).collect();
        let is_order =
            matches!(self.operator.as_str(), "greater_than" | "at_least" | "less_than" | "at_most");
        for literal in &literals {
            match literal {
                Literal::Boolean(_) if is_order => return Err("true and false have no order".to_owned()),
                Literal::Text(text) if text.is_empty() && !self.value.contains('\'') => {
                    return Err("is missing; write '' for an empty text".to_owned());
                }
                literal if literal.text().chars().count() > MAX_TEXT_CHARACTERS => {
                    return Err(format!("is longer than {MAX_TEXT_CHARACTERS} characters"));
                }
                _ => {}
            }
        }
        Ok(literals)
    }
}

/// A number in its shortest form, `true`, `false`, or a text: in single quotes (a quote in it doubled) or as it stands.
fn read_literal(text: &str) -> Literal {
    match text {
        "true" => return Literal::Boolean(true),
        "false" => return Literal::Boolean(false),
        _ => {}
    }
    if Decimal::parse(text).is_some_and(|number| number.shortest() == text) {
        return Literal::Number(text.to_owned());
    }
    Literal::Text(unquoted(text).unwrap_or_else(|| text.to_owned()))
}

/// What stands in quotes, where the whole text is quoted.
fn unquoted(text: &str) -> Option<String> {
    let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let single = inside.replace("''", "");
    (!single.contains('\'')).then(|| inside.replace("''", "'"))
}

/// The pieces between commas that stand outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        let begins = text[start..at].trim().is_empty();
        match character {
            '\'' if quoted || begins => quoted = !quoted,
            // The second of two quotes: it was a quote in the text.
            '\'' if text[start..at].ends_with('\'') && text[start..].trim_start().starts_with('\'') => {
                quoted = true
            }
            ',' if !quoted => {
                pieces.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(text[start..].trim());
    pieces
}

fn typed_list(literals: &[Literal]) -> String {
    let typed = |literal: &Literal| {
        let text = literal.text();
        let is_plain = read_literal(text) == *literal
            && text.trim() == text
            && !text.is_empty()
            && !text.starts_with('\'')
            && !text.contains(',');
        // A comma needs quotes only where it could part two values; to see it quoted is no harm elsewhere.
        if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
    };
    literals.iter().map(typed).collect::<Vec<_>>().join(", ")
}

fn typed_date(date: Timestamp) -> String {
    let text = date.to_rfc3339();
    if date.millis().rem_euclid(DAY) == 0 { text.chars().take(10).collect() } else { text }
}

/// `30 days` or `12 hours`.
fn span(text: &str) -> Result<Span, String> {
    let wrong = || "is a whole number of hours or days: 12 hours, 30 days".to_owned();
    let (number, unit) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
    match unit.trim() {
        "hour" | "hours" => length(number, true),
        "day" | "days" => length(number, false),
        _ => Err(wrong()),
    }
}

/// A number of hours or days, within the limits of the language.
pub(super) fn length(number: &str, hours: bool) -> Result<Span, String> {
    let number = number.trim();
    let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let unit = if hours { Span::from_hours(1) } else { Span::from_days(1) };
    let span =
        number.parse::<i64>().ok().map(|number| number.saturating_mul(unit.millis())).map(Span::from_millis);
    match span.filter(|_| is_whole) {
        Some(span) if span >= MIN_WINDOW && span <= MAX_WINDOW => Ok(span),
        Some(_) => Err("is 1 hour to 3650 days".to_owned()),
        None => Err("is a whole number".to_owned()),
    }
}
