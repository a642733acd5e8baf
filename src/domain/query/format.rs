//! The canonical text of queries and leaves: one meaning, one spelling (up to the order of what was written).

use std::fmt::{self, Formatter, Write};

use super::ast::{Comparator, Comparison, Condition, EventScalar, Literal, Logic, Reducer, Relation, Scalar};
use super::leaf::LeafSpec;
use super::path::Path;
use super::{Query, Span};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_logic(f, &self.expression, &|f, comparison: &Comparison<Scalar>| {
            match &comparison.left {
                Scalar::Trait(path) => write_extractor(f, "trait", path)?,
                Scalar::Leaf(index) => self.leaves.get(*index).map_or(Ok(()), |leaf| write_leaf(f, leaf))?,
            }
            write_comparator(f, &comparison.comparator)
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_logic(f, &self.0, &|f, comparison: &Comparison<EventScalar>| {
            let EventScalar::Property(path) = &comparison.left;
            write_extractor(f, "property", path)?;
            write_comparator(f, &comparison.comparator)
        })
    }
}

/// Writes a leaf: `event('A').where(…).within(7 days).count()`.
pub(super) fn write_leaf(f: &mut Formatter<'_>, leaf: &LeafSpec) -> fmt::Result {
    f.write_str("event(")?;
    write_text(f, &leaf.event)?;
    f.write_str(")")?;
    if let Some(filter) = &leaf.filter {
        write!(f, ".where({filter})")?;
    }
    if let Some(window) = leaf.window {
        f.write_str(".within(")?;
        write_window(f, window)?;
        f.write_str(")")?;
    }
    match leaf.reducer {
        Reducer::Count => f.write_str(".count()"),
    }
}

fn write_window(f: &mut Formatter<'_>, window: Span) -> fmt::Result {
    let hours = window.millis() / Span::from_hours(1).millis();
    let (number, unit) = if hours % 24 == 0 { (hours / 24, "day") } else { (hours, "hour") };
    let plural = if number == 1 { "" } else { "s" };
    write!(f, "{number} {unit}{plural}")
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

fn write_extractor(f: &mut Formatter<'_>, name: &str, path: &Path) -> fmt::Result {
    write!(f, "{name}(")?;
    write_text(f, &path.to_string())?;
    f.write_str(")")
}

fn write_comparator(f: &mut Formatter<'_>, comparator: &Comparator) -> fmt::Result {
    let name = match comparator {
        Comparator::Relation(relation, literal) => {
            write!(f, " {} ", symbol(*relation))?;
            return write_literal(f, literal);
        }
        Comparator::Contains(_) => "contains",
        Comparator::Omits(_) => "omits",
        Comparator::OneOf(_) => "one_of",
        Comparator::NoneOf(_) => "none_of",
        Comparator::StartsWith(_) => "starts_with",
        Comparator::EndsWith(_) => "ends_with",
        Comparator::BeforeDate(date) => return write!(f, ".before_date('{date}')"),
        Comparator::AfterDate(date) => return write!(f, ".after_date('{date}')"),
        Comparator::Exists => "exists",
        Comparator::Absent => "absent",
    };
    write!(f, ".{name}(")?;
    for (place, literal) in comparator.literals().iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        write_literal(f, literal)?;
    }
    f.write_str(")")
}

fn symbol(relation: Relation) -> &'static str {
    match relation {
        Relation::Equals => "=",
        Relation::Differs => "!=",
        Relation::GreaterThan => ">",
        Relation::AtLeast => ">=",
        Relation::LessThan => "<",
        Relation::AtMost => "<=",
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
