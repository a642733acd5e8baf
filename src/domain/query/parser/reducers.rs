//! What ends a stream: `.count()`, `.sum(property('…'))` and the like.

use crate::domain::leaf::{As, Reduce};
use crate::domain::query::ast::{Field, Place, Reducer};
use crate::domain::query::lexer::Kind;
use crate::domain::query::words::{self, FIELD_CALLS, FIELDS};

use super::{Parser, Result};

impl Parser<'_> {
    /// The reducer called `name`, which has been taken.
    pub(super) fn reducer(&mut self, name: &str) -> Result<Reducer> {
        self.expect_symbol("(")?;
        if name == "count" {
            self.expect_symbol(")")?;
            return Ok(Reducer { reduce: Reduce::Count, field: None, whole: false });
        }
        let field = self.field()?;
        let mut whole = false;
        let reduce = match name {
            "sum" => Reduce::Sum,
            "avg" => Reduce::Average,
            "first" => Reduce::First,
            "last" => Reduce::Last,
            "min" => Reduce::Minimum(self.number_or_text()?),
            "max" => Reduce::Maximum(self.number_or_text()?),
            "mode" => {
                // Numbers count as their texts, so the other two are one.
                whole = self.type_name(&["string", "number", "array"])? == Some("array");
                Reduce::Mode { least: self.least()? }
            }
            _ => {
                self.expect_symbol(")")?;
                return Ok(Reducer { reduce: self.list_or_its_length()?, field: Some(field), whole });
            }
        };
        self.expect_symbol(")")?;
        Ok(Reducer { reduce, field: Some(field), whole })
    }

    /// `property('…')` or `context('…')`
    fn field(&mut self) -> Result<Field> {
        let place = match self.token.kind {
            Kind::Word("property") => Place::Property,
            Kind::Word("context") => Place::Context,
            Kind::Word(name) => {
                return Err(self.wrong_function(name, &FIELDS, &FIELD_CALLS, "be reduced"));
            }
            _ => return Err(self.unexpected().expecting(FIELD_CALLS)),
        };
        self.advance()?;
        self.expect_symbol("(")?;
        let (path, start) = self.path()?;
        if path.is_many() {
            return Err(
                self.error_at(start, "a reducer takes one value of an event, and `$` stands for several")
            );
        }
        self.expect_symbol(")")?;
        Ok(Field { place, path })
    }

    /// `as` and one of `types`, if it is there.
    fn type_name(&mut self, types: &[&'static str]) -> Result<Option<&'static str>> {
        if !self.take_word("as")? {
            return Ok(None);
        }
        let Kind::Word(word) = self.token.kind else {
            return Err(self.unexpected().expecting(types.iter().copied()));
        };
        let Some(found) = types.iter().find(|known| **known == word) else {
            let error = self.unexpected().expecting(types.iter().copied());
            return Err(error.suggesting(words::near_miss(word, types)));
        };
        self.advance()?;
        Ok(Some(found))
    }

    fn number_or_text(&mut self) -> Result<As> {
        let text = self.type_name(&["number", "string"])? == Some("string");
        Ok(if text { As::Text } else { As::Number })
    }

    /// `, 2`: how often a value has to occur.
    fn least(&mut self) -> Result<u32> {
        if !self.take_symbol(",")? {
            let message = "`mode` needs to know how often a value has to occur at least";
            return Err(self.error(message).expecting([", and a whole number"]));
        }
        let Kind::Number(number) = self.token.kind else {
            return Err(self.unexpected().expecting(["a whole number"]));
        };
        let Some(least) = number.parse::<u32>().ok().filter(|least| *least > 0) else {
            let message = format!("a value has to occur a whole number of times, 1 to {}", u32::MAX);
            return Err(self.error(message).expecting(["a whole number"]));
        };
        self.advance()?;
        Ok(least)
    }

    /// What follows `.unique(…)`: `.count()`, or nothing in a computed trait.
    fn list_or_its_length(&mut self) -> Result<Reduce> {
        let list_allowed = self.is_value && self.wheres == 0;
        let no_value = |parser: &Self| {
            let error = parser.error("a list is no value to compare; count it first");
            error.expecting([".count()"]).suggesting(Some(".count()"))
        };
        if !matches!(self.token.kind, Kind::Symbol(".")) {
            return if list_allowed { Ok(Reduce::Unique) } else { Err(no_value(self)) };
        }
        self.advance()?;
        let name = self.function_name(&["count"])?;
        if name != "count" {
            return Err(self.wrong_function(name, &["count"], &["count"], "follow a list"));
        }
        self.advance()?;
        self.expect_symbol("(")?;
        self.expect_symbol(")")?;
        Ok(Reduce::UniqueCount)
    }
}
