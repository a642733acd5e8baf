//! What is said of a text that is no query.

use crate::domain::leaf::Reduce;
use crate::domain::query::MAX_NESTING;
use crate::domain::query::ast::{Place, Scalar, Stream};
use crate::domain::query::error::QueryError;
use crate::domain::query::lexer::{Kind, shorten};
use crate::domain::query::words::{self, RELATIONS};

use super::Parser;

/// What a stream is reduced to.
pub(super) fn reduced(stream: &Stream) -> &'static str {
    match stream.reducer.reduce {
        Reduce::Count | Reduce::UniqueCount => "a count",
        Reduce::Unique | Reduce::List => "a list",
        Reduce::Sum
        | Reduce::Average
        | Reduce::Minimum(_)
        | Reduce::Maximum(_)
        | Reduce::First
        | Reduce::Last
        | Reduce::Mode { .. } => "a value of events",
    }
}

impl Parser<'_> {
    /// What messages call a value.
    pub(super) fn describe(&self, scalar: &Scalar) -> &'static str {
        match scalar {
            Scalar::Trait(_) => "a trait",
            Scalar::Field(field) => match field.place {
                Place::Property => "a property",
                Place::Context => "a field of the context",
            },
            Scalar::Parent(_) => "a property",
            Scalar::Literal(_) => "a constant",
            Scalar::Leaf(index) => self.leaves.get(*index).map_or("a value", reduced),
            Scalar::Stream(stream) => reduced(stream),
        }
    }

    /// Whether a value is a number of events or of different values.
    pub(super) fn is_count(&self, scalar: &Scalar) -> bool {
        self.describe(scalar) == "a count"
    }

    pub(super) fn error_at(&self, start: usize, message: impl Into<String>) -> QueryError {
        QueryError::at(self.text, start, message)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> QueryError {
        self.error_at(self.token.start, message)
    }

    pub(super) fn too_deep(&self, start: usize) -> QueryError {
        self.error_at(start, format!("nested too deeply (more than {MAX_NESTING} levels)"))
    }

    pub(super) fn unexpected(&self) -> QueryError {
        self.error(format!("unexpected {}", self.token.kind.describe()))
    }

    pub(super) fn linked(&self) -> QueryError {
        self.error("linked audiences are not supported: `entity` reads tables of a warehouse, and there is none here")
    }

    /// The current word is no function that may stand here: of another place, or of none.
    pub(super) fn wrong_function(
        &self,
        name: &str,
        allowed: &[&'static str],
        expected: &[&'static str],
        place: &str,
    ) -> QueryError {
        let short = shorten(name);
        if name == "entity" {
            return self.linked();
        }
        if words::is_function(name) {
            return self.error(format!("`{short}` cannot {place}")).expecting(expected.iter().copied());
        }
        let error = self.error(format!("unknown function `{short}`"));
        error.expecting(expected.iter().copied()).suggesting(words::near_miss(name, allowed))
    }

    /// A comparison is complete, and what comes now neither joins nor ends it.
    pub(super) fn after_condition(&self, expected: &[&str]) -> QueryError {
        let error = match self.token.kind {
            Kind::Symbol(symbol) if symbol == "." || RELATIONS.contains(&symbol) => {
                self.error("a comparison cannot be followed by another; join them")
            }
            Kind::Word(word) => self.unexpected().suggesting(words::near_miss(word, &["AND", "OR"])),
            _ => self.unexpected(),
        };
        error.expecting(expected.iter().copied())
    }
}
