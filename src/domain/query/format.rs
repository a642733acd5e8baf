//! The canonical text of queries and leaves: one meaning, one spelling (up to the order of what was written).

use std::fmt::{self, Display, Formatter, Write};

use crate::domain::leaf::{As, Reduce, Window};

use super::ast::{Comparison, Field, Literal, Place, Reducer, Scalar, Stream, Term};
use super::comparator::{Comparator, Matching};
use super::logic::Logic;
use super::path::Path;
use super::{Expression, Quantifier, Query, Span};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.expression {
            Expression::Condition(condition) => {
                write_logic(f, condition, &|f, term: &Term| self.write_term(f, term))
            }
            Expression::Value => self.leaves.first().map_or(Ok(()), |leaf| write_stream(f, leaf.stream())),
        }
    }
}

impl Query {
    /// The text of one of its tests.
    pub(super) fn term_text(&self, term: &Term) -> String {
        Written(|f: &mut Formatter<'_>| self.write_term(f, term)).to_string()
    }

    fn write_term(&self, f: &mut Formatter<'_>, term: &Term) -> fmt::Result {
        match term {
            Term::Compare(comparison) => write_comparison(f, comparison, &|f, index| {
                self.leaves.get(index).map_or(Ok(()), |leaf| write_stream(f, leaf.stream()))
            }),
            Term::Part(index) => {
                let Some(part) = self.parts.get(*index) else { return Ok(()) };
                let condition = &part.condition;
                let is_junction = matches!(&condition.expression, Expression::Condition(condition) if condition.is_junction());
                f.write_str(match part.quantifier {
                    Quantifier::Any => "ANY ",
                    Quantifier::All => "ALL ",
                })?;
                if is_junction { write!(f, "({condition})") } else { write!(f, "{condition}") }
            }
        }
    }
}

/// Writes a stream: `event('A').where(…).within(7 days).count()`.
pub(super) fn write_stream(f: &mut Formatter<'_>, stream: &Stream) -> fmt::Result {
    f.write_str("event(")?;
    write_text(f, &stream.event)?;
    f.write_str(")")?;
    if let Some(filter) = &stream.filter {
        f.write_str(".where(")?;
        // Inside `where` there are no leaves.
        write_logic(f, filter, &|f, comparison| write_comparison(f, comparison, &|_, _| Ok(())))?;
        f.write_str(")")?;
    }
    if !stream.excluded.is_empty() {
        f.write_str(".sources({exclude: ")?;
        write_list(f, &stream.excluded, |f, source| write_text(f, source))?;
        f.write_str("})")?;
    }
    write_window(f, stream)?;
    write_reducer(f, &stream.reducer)
}

fn write_window(f: &mut Formatter<'_>, stream: &Stream) -> fmt::Result {
    match (stream.window, stream.after_parent) {
        (Window::All, None) => Ok(()),
        (Window::All, Some(span)) => write!(f, ".within(parent: {})", Duration(span)),
        (Window::Within(span), _) => write!(f, ".within({})", Duration(span)),
        (Window::Between { near, far }, _) => write!(f, ".between({}, {})", Duration(near), Duration(far)),
        (Window::Session(span), _) => write!(f, ".expires_after({})", Duration(span)),
    }
}

fn write_reducer(f: &mut Formatter<'_>, reducer: &Reducer) -> fmt::Result {
    let (name, rest) = match reducer.reduce {
        Reduce::Count | Reduce::List => ("count", String::new()),
        Reduce::Sum => ("sum", String::new()),
        Reduce::Average => ("avg", String::new()),
        Reduce::Minimum(As::Number) => ("min", String::new()),
        Reduce::Maximum(As::Number) => ("max", String::new()),
        Reduce::Minimum(As::Text) => ("min", " as string".to_owned()),
        Reduce::Maximum(As::Text) => ("max", " as string".to_owned()),
        Reduce::First => ("first", String::new()),
        Reduce::Last => ("last", String::new()),
        Reduce::Mode { least } if reducer.whole => ("mode", format!(" as array, {least}")),
        Reduce::Mode { least } => ("mode", format!(", {least}")),
        Reduce::Unique | Reduce::UniqueCount => ("unique", String::new()),
    };
    write!(f, ".{name}(")?;
    if let Some(field) = &reducer.field {
        write_field(f, field)?;
    }
    write!(f, "{rest})")?;
    if reducer.reduce == Reduce::UniqueCount { f.write_str(".count()") } else { Ok(()) }
}

/// A span in the largest unit that it is a whole number of.
pub(super) struct Duration(pub(super) Span);

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.0.millis() / 1000;
        let (number, unit) = match seconds {
            _ if seconds % 86_400 == 0 => (seconds / 86_400, "day"),
            _ if seconds % 3600 == 0 => (seconds / 3600, "hour"),
            _ => (seconds, "second"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

type WriteTest<'a, T> = dyn Fn(&mut Formatter<'_>, &T) -> fmt::Result + 'a;

fn write_logic<T>(f: &mut Formatter<'_>, logic: &Logic<T>, test: &WriteTest<'_, T>) -> fmt::Result {
    match logic {
        Logic::And(items) => write_junction(f, logic, items, " AND ", test),
        Logic::Or(items) => write_junction(f, logic, items, " OR ", test),
        Logic::Not(inner) => {
            f.write_str("NOT ")?;
            write_member(f, logic, inner, test)
        }
        Logic::Test(one) => test(f, one),
    }
}

fn write_junction<T>(
    f: &mut Formatter<'_>,
    parent: &Logic<T>,
    items: &[Logic<T>],
    junction: &str,
    test: &WriteTest<'_, T>,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(junction)?;
        }
        write_member(f, parent, item, test)?;
    }
    Ok(())
}

fn write_member<T>(
    f: &mut Formatter<'_>,
    parent: &Logic<T>,
    member: &Logic<T>,
    test: &WriteTest<'_, T>,
) -> fmt::Result {
    if !member.needs_parentheses(parent) {
        return write_logic(f, member, test);
    }
    f.write_str("(")?;
    write_logic(f, member, test)?;
    f.write_str(")")
}

type WriteLeaf<'a> = dyn Fn(&mut Formatter<'_>, usize) -> fmt::Result + 'a;

fn write_comparison(
    f: &mut Formatter<'_>,
    comparison: &Comparison<Scalar>,
    leaf: &WriteLeaf<'_>,
) -> fmt::Result {
    match &comparison.left {
        Scalar::Literal(literal) => {
            f.write_str("literal(")?;
            write_literal(f, literal)?;
            f.write_str(")")?;
        }
        other => write_scalar(f, other, leaf)?,
    }
    let operand = |f: &mut Formatter<'_>, scalar: &Scalar| write_scalar(f, scalar, leaf);
    match &comparison.comparator {
        Comparator::Value(matching, operands) => write_matching(f, *matching, operands, operand),
        Comparator::BeforeDate(date) => write!(f, ".before_date('{date}')"),
        Comparator::AfterDate(date) => write!(f, ".after_date('{date}')"),
        Comparator::Relative(relative, span) => write!(f, ".{}({})", relative.name(), Duration(*span)),
        Comparator::Exists => f.write_str(".exists()"),
        Comparator::Absent => f.write_str(".absent()"),
    }
}

fn write_matching(
    f: &mut Formatter<'_>,
    matching: Matching,
    operands: &[Scalar],
    operand: impl Fn(&mut Formatter<'_>, &Scalar) -> fmt::Result,
) -> fmt::Result {
    if let Some(symbol) = matching.symbol() {
        write!(f, " {symbol} ")?;
        return write_list(f, operands, operand);
    }
    write!(f, ".{}(", matching.name())?;
    write_list(f, operands, operand)?;
    f.write_str(")")
}

/// Writes a value; a constant as it stands on the right of a comparison.
fn write_scalar(f: &mut Formatter<'_>, scalar: &Scalar, leaf: &WriteLeaf<'_>) -> fmt::Result {
    match scalar {
        Scalar::Trait(path) => write_extractor(f, "trait(", path),
        Scalar::Field(field) => write_field(f, field),
        Scalar::Parent(path) => write_extractor(f, "property(parent: ", path),
        Scalar::Literal(literal) => write_literal(f, literal),
        Scalar::Leaf(index) => leaf(f, *index),
        Scalar::Stream(stream) => write_stream(f, stream),
    }
}

fn write_field(f: &mut Formatter<'_>, field: &Field) -> fmt::Result {
    let name = match field.place {
        Place::Property => "property(",
        Place::Context => "context(",
    };
    write_extractor(f, name, &field.path)
}

fn write_extractor(f: &mut Formatter<'_>, opening: &str, path: &Path) -> fmt::Result {
    f.write_str(opening)?;
    write_text(f, &path.to_string())?;
    f.write_str(")")
}

fn write_list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// A constant as it stands on the right of a comparison.
pub(super) fn literal_text(literal: &Literal) -> String {
    Written(|f: &mut Formatter<'_>| write_literal(f, literal)).to_string()
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    Written(|f: &mut Formatter<'_>| write_text(f, text)).to_string()
}

struct Written<W>(W);

impl<W: Fn(&mut Formatter<'_>) -> fmt::Result> Display for Written<W> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

fn write_literal(f: &mut Formatter<'_>, literal: &Literal) -> fmt::Result {
    match literal {
        Literal::Number(text) => f.write_str(text),
        Literal::Text(text) => write_text(f, text),
        Literal::Boolean(value) => write!(f, "{value}"),
    }
}

fn write_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('\'')
}
