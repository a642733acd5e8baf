//! Values: traits, fields of events, constants, reduced streams.

use crate::domain::query::ast::{Field, Place, Scalar};
use crate::domain::query::lexer::Kind;
use crate::domain::query::words::{CONDITIONS, EVENT_CONDITIONS, EXTRACTORS};

use super::{Parser, Result};

impl Parser<'_> {
    /// The value that a comparison begins with.
    pub(super) fn left(&mut self) -> Result<Scalar> {
        let expected: &[&'static str] = if self.wheres > 0 { &EVENT_CONDITIONS } else { &CONDITIONS };
        let Kind::Word(name) = self.token.kind else {
            let message = format!("a condition is missing before {}", self.token.kind.describe());
            return Err(self.error(message).expecting(expected.iter().copied()));
        };
        if EXTRACTORS.contains(&name) {
            return self.scalar(name);
        }
        let place = if self.wheres > 0 { "begin a condition inside `where`" } else { "begin a condition" };
        Err(self.wrong_function(name, &EXTRACTORS, expected, place))
    }

    /// The value that the extractor called `name`, the current token, begins.
    pub(super) fn scalar(&mut self, name: &str) -> Result<Scalar> {
        match name {
            "event" => {
                let stream = self.stream()?;
                Ok(if self.wheres == 0 {
                    Scalar::Leaf(self.leaves.intern(stream))
                } else {
                    Scalar::Stream(Box::new(stream))
                })
            }
            "property" | "context" if self.wheres == 0 => {
                let message = format!("`{name}` is only allowed inside `where(…)` and in reducers");
                Err(self.error(message).expecting(CONDITIONS))
            }
            "property" => self.property(),
            "context" => {
                self.advance()?;
                self.expect_symbol("(")?;
                let (path, _) = self.path()?;
                self.expect_symbol(")")?;
                Ok(Scalar::Field(Field { place: Place::Context, path }))
            }
            "literal" => {
                self.advance()?;
                self.expect_symbol("(")?;
                let (literal, _) = self.literal()?;
                self.expect_symbol(")")?;
                Ok(Scalar::Literal(literal))
            }
            _ => {
                self.advance()?;
                self.expect_symbol("(")?;
                let (path, _) = self.path()?;
                self.expect_symbol(")")?;
                Ok(Scalar::Trait(path))
            }
        }
    }

    /// `property('…')` or `property(parent: '…')`
    fn property(&mut self) -> Result<Scalar> {
        self.advance()?;
        self.expect_symbol("(")?;
        let start = self.token.start;
        let of_parent = self.take_word("parent")?;
        if of_parent && self.wheres < 2 {
            let message = "`parent` is only there in an event stream inside another one's `where(…)`";
            return Err(self.error_at(start, message).expecting(["a quoted path"]));
        }
        if of_parent {
            self.expect_symbol(":")?;
        }
        let (path, _) = self.path()?;
        self.expect_symbol(")")?;
        Ok(if of_parent {
            Scalar::Parent(path)
        } else {
            Scalar::Field(Field { place: Place::Property, path })
        })
    }
}
