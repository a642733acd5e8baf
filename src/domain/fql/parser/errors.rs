//! What is said of a text that is no filter.

use crate::domain::fql::FqlError;
use crate::domain::fql::ast::{Expression, Relation, Type};
use crate::domain::fql::function::Function;
use crate::domain::fql::lexer::Kind;
use crate::domain::limits::MAX_FQL_NESTING;
use crate::domain::query::{near_miss, shorten};

use super::{KEYWORDS, Parser, Part, Result, is_reserved};

/// What a value may be, for messages.
const VALUES: [&str; 6] = ["a field", "a text", "a number", "a function", "[", "("];

impl Parser<'_> {
    pub(super) fn error_at(&self, start: usize, message: impl Into<String>) -> FqlError {
        FqlError::at(self.text, start, message)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> FqlError {
        self.error_at(self.token.start, message)
    }

    pub(super) fn too_deep(&self, start: usize) -> FqlError {
        self.error_at(start, format!("nested too deeply (more than {MAX_FQL_NESTING} levels)"))
    }

    pub(super) fn unexpected(&self) -> FqlError {
        self.error(format!("unexpected {}", self.token.kind.describe()))
    }

    /// The current token begins no value.
    pub(super) fn no_value(&self) -> FqlError {
        match &self.token.kind {
            Kind::Word { name, .. } if !KEYWORDS.contains(&name.as_str()) => {
                let keyword = KEYWORDS.into_iter().find(|keyword| name.eq_ignore_ascii_case(keyword));
                let message =
                    format!("keywords are written in lower case; a field of this name is `\\{name}`");
                self.error(message).suggesting(keyword)
            }
            Kind::Symbol("!") => {
                let error = self.error("a condition with `!` stands in round brackets here");
                error.suggesting(Some("(!…)"))
            }
            kind => self.error(format!("a value is missing before {}", kind.describe())).expecting(VALUES),
        }
    }

    pub(super) fn unknown_function(&self, name: &str, start: usize) -> FqlError {
        let error = self.error_at(start, format!("unknown function `{}`", shorten(name)));
        let names = Function::names();
        error.expecting(names).suggesting(near_miss(name, &names))
    }

    pub(super) fn wrong_arity(&self, function: Function, given: usize, start: usize) -> FqlError {
        let arity = function.arity();
        let values = if arity == 1 { "value" } else { "values" };
        self.error_at(start, format!("`{}` takes {arity} {values}, not {given}", function.name()))
    }

    /// Refuses what a function cannot take whatever the event.
    pub(super) fn check_argument(&self, function: Function, argument: &Part) -> Result<()> {
        match argument.expression.known_type() {
            None | Some(Type::Null) => Ok(()),
            Some(known) if function.takes().contains(&known) => Ok(()),
            Some(known) => {
                let message = format!("`{}` does not take a {}", function.name(), known.name());
                let takes = function.takes().iter().map(|taken| taken.name());
                Err(self.error_at(argument.start, message).expecting(takes))
            }
        }
    }

    /// Refuses what is no condition whatever the event.
    pub(super) fn condition(&self, part: Part) -> Result<Part> {
        match part.expression.known_type() {
            None | Some(Type::Bool | Type::Null) => Ok(part),
            Some(known) => {
                let what = match &part.expression {
                    Expression::Path(path) => format!("the field `{path}`"),
                    Expression::Call(call) => format!("`{}(…)`", call.function.name()),
                    _ => format!("a {}", known.name()),
                };
                let message = format!("{what} alone is no condition; compare it with something");
                Err(self.error_at(part.start, message))
            }
        }
    }

    /// Takes the bracket that closes the one at `start`; `expected` could have come before it.
    pub(super) fn close(&mut self, bracket: &str, start: usize, expected: &[&str]) -> Result<()> {
        if self.take_symbol(bracket)? {
            return Ok(());
        }
        let mut error = self.after(&[expected, &[bracket]].concat());
        if self.token.kind == Kind::End {
            let opened = self.error_at(start, "");
            let (line, column) = (opened.line, opened.column);
            error.message = format!("the bracket opened at line {line}, column {column} is never closed");
        }
        Err(error)
    }

    pub(super) fn expect_end(&self) -> Result<()> {
        match self.token.kind {
            Kind::End => Ok(()),
            Kind::Symbol(")" | "]") => {
                Err(self.error("this bracket was never opened").expecting(["and", "or", "the end"]))
            }
            _ => Err(self.after(&["and", "or", "the end"])),
        }
    }

    /// Something is complete, and what comes now neither goes on with it nor ends it.
    fn after(&self, expected: &[&str]) -> FqlError {
        let mut all: Vec<&str> = Vec::new();
        if self.is_bare && expected.contains(&"and") {
            all.extend(Relation::ALL.map(Relation::symbol));
        }
        all.extend(expected);
        let error = match &self.token.kind {
            Kind::Word { name, is_escaped: false } if Function::named(name).is_some() => {
                self.error(format!("`{name}` is a function; its values stand in brackets behind it"))
            }
            Kind::Word { name, is_escaped: false } if is_reserved(name) => {
                let keyword = KEYWORDS.into_iter().find(|keyword| name.eq_ignore_ascii_case(keyword));
                self.unexpected().suggesting(keyword.filter(|keyword| keyword != name))
            }
            Kind::Word { name, .. } => self.unexpected().suggesting(near_miss(name, &["and", "or", "in"])),
            _ => self.unexpected(),
        };
        error.expecting(all)
    }
}
