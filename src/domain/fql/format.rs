//! The canonical text of a filter: one meaning, one spelling (up to the order of what was written).

use std::fmt::{self, Display, Formatter, Write};

use super::Fql;
use super::ast::{Expression, Path};
use super::lexer::{can_begin, is_plain};
use super::parser::is_reserved;

impl Display for Fql {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.expression.fmt(f)
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(junction, items) => {
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        write!(f, " {} ", junction.word())?;
                    }
                    // Even where `and` would bind tighter: Segment does not say that it does.
                    write_within(f, item, matches!(item, Self::Joined(..)))?;
                }
                Ok(())
            }
            Self::Not(inner) => {
                f.write_char('!')?;
                // `!a = b` would read as if the `!` belonged to `a`.
                write_within(f, inner, matches!(**inner, Self::Joined(..) | Self::Compare(..)))
            }
            Self::Compare(left, relation, right) => {
                write_term(f, left)?;
                write!(f, " {} ", relation.symbol())?;
                write_term(f, right)
            }
            Self::Call(call) => {
                write!(f, "{}(", call.function.name())?;
                write_list(f, &call.arguments, |f, argument| argument.fmt(f))?;
                f.write_char(')')
            }
            Self::List(items) => {
                f.write_char('[')?;
                write_list(f, items, write_term)?;
                f.write_char(']')
            }
            Self::Path(path) => path.fmt(f),
            Self::Text(text) => {
                let quote = if text.contains('"') { '\'' } else { '"' };
                write!(f, "{quote}{text}{quote}")
            }
            Self::Number(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Null => f.write_str("null"),
        }
    }
}

/// Writes an operand of a comparison or an entry of a list: conditions stand in brackets there.
fn write_term(f: &mut Formatter<'_>, term: &Expression) -> fmt::Result {
    let is_condition = matches!(term, Expression::Joined(..) | Expression::Not(_) | Expression::Compare(..));
    write_within(f, term, is_condition)
}

fn write_within(f: &mut Formatter<'_>, expression: &Expression, in_brackets: bool) -> fmt::Result {
    if in_brackets { write!(f, "({expression})") } else { expression.fmt(f) }
}

fn write_list(
    f: &mut Formatter<'_>,
    items: &[Expression],
    write: impl Fn(&mut Formatter<'_>, &Expression) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // One backslash makes a name of what would be a keyword or a number.
        if is_reserved(&self.first) || self.first.starts_with(|first| is_plain(first) && !can_begin(first)) {
            f.write_char('\\')?;
            let mut rest = self.first.chars();
            rest.next().map_or(Ok(()), |first| f.write_char(first))?;
            write_name(f, rest.as_str())?;
        } else {
            write_name(f, &self.first)?;
        }
        for name in &self.rest {
            f.write_char('.')?;
            write_name(f, name)?;
        }
        Ok(())
    }
}

fn write_name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    for character in name.chars() {
        if !is_plain(character) {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    Ok(())
}
