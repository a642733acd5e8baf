//! Reads the values of a filter: constants, fields, lists, functions, and what stands in round brackets.

use crate::domain::fql::ast::{Call, Expression, Path};
use crate::domain::fql::function::Function;
use crate::domain::fql::glob::Glob;
use crate::domain::fql::lexer::Kind;
use crate::domain::fql::number::Number;
use crate::domain::limits::MAX_FQL_TERMS;

use super::{Parser, Part, Result, is_reserved};

impl Parser<'_> {
    pub(super) fn term(&mut self) -> Result<Part> {
        let start = self.token.start;
        self.terms += 1;
        if self.terms > MAX_FQL_TERMS {
            return Err(self.error(format!("too many values (more than {MAX_FQL_TERMS})")));
        }
        let expression = match &self.token.kind {
            Kind::Text(text) => Expression::Text((*text).to_owned()),
            Kind::Number(number) => Number::parse(number)
                .map(Expression::Number)
                .ok_or_else(|| self.error("this number is too large"))?,
            Kind::Symbol("[") => return self.list(),
            Kind::Symbol("(") => {
                self.advance()?;
                let inner = self.nested(start, Self::disjunction)?;
                self.close(")", start, &["and", "or"])?;
                self.is_bare = true;
                return Ok(inner);
            }
            Kind::Word { name, is_escaped: false } if is_reserved(name) => self.constant(name)?,
            Kind::Word { .. } => return self.name(),
            Kind::Symbol(_) | Kind::End => return Err(self.no_value()),
        };
        self.advance()?;
        self.is_bare = true;
        Ok(Part { expression, start, depth: 1 })
    }

    /// The value of a keyword.
    fn constant(&self, name: &str) -> Result<Expression> {
        match name {
            "null" => Ok(Expression::Null),
            "true" => Ok(Expression::Bool(true)),
            "false" => Ok(Expression::Bool(false)),
            _ => Err(self.no_value()),
        }
    }

    fn list(&mut self) -> Result<Part> {
        let start = self.token.start;
        self.advance()?;
        let mut items = Vec::new();
        let mut depth = 0;
        self.nested(start, |parser| {
            while !matches!(parser.token.kind, Kind::Symbol("]")) {
                let item = parser.term()?;
                depth = depth.max(item.depth);
                items.push(item.expression);
                if !parser.take_symbol(",")? {
                    break;
                }
                if matches!(parser.token.kind, Kind::Symbol("]")) {
                    return Err(parser.no_value());
                }
            }
            parser.close("]", start, &[","])
        })?;
        self.is_bare = true;
        self.part(start, depth, Expression::List(items))
    }

    /// A path, or a function if a bracket follows.
    fn name(&mut self) -> Result<Part> {
        let token = self.advance()?;
        let start = token.start;
        let Kind::Word { name: first, is_escaped } = token.kind else { return Err(self.unexpected()) };
        if !is_escaped && matches!(self.token.kind, Kind::Symbol("(")) {
            return self.call(&first, start);
        }
        let mut rest = Vec::new();
        while self.take_symbol(".")? {
            let Kind::Word { .. } = self.token.kind else {
                return Err(self.unexpected().expecting(["the name of a field"]));
            };
            if let Kind::Word { name, .. } = self.advance()?.kind {
                rest.push(name);
            }
        }
        self.is_bare = true;
        Ok(Part { expression: Expression::Path(Path { first, rest }), start, depth: 1 })
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Part> {
        let Some(function) = Function::named(name) else { return Err(self.unknown_function(name, start)) };
        let bracket = self.token.start;
        self.advance()?;
        let mut arguments = Vec::new();
        self.nested(start, |parser| {
            while !matches!(parser.token.kind, Kind::Symbol(")")) {
                arguments.push(parser.disjunction()?);
                if !parser.take_symbol(",")? {
                    break;
                }
                if matches!(parser.token.kind, Kind::Symbol(")")) {
                    return Err(parser.no_value());
                }
            }
            parser.close(")", bracket, &[","])
        })?;
        if arguments.len() != function.arity() {
            return Err(self.wrong_arity(function, arguments.len(), start));
        }
        for argument in &arguments {
            self.check_argument(function, argument)?;
        }
        let mut glob = None;
        if let (Function::Match, [_, Part { expression: Expression::Text(text), start, .. }]) =
            (function, arguments.as_slice())
        {
            glob = Some(Glob::parse(text).map_err(|message| self.error_at(*start, message))?);
        }
        self.is_bare = true;
        let depth = arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
        let arguments = arguments.into_iter().map(|argument| argument.expression).collect();
        self.part(start, depth, Expression::Call(Call { function, arguments, glob }))
    }
}
