//! Reads a filter by recursive descent: one token ahead, no backtracking, depth bounded by [`MAX_FQL_NESTING`].

mod errors;
mod terms;

use crate::domain::limits::{MAX_FQL_BYTES, MAX_FQL_NESTING};

use super::FqlError;
use super::ast::{Expression, Junction, Relation};
use super::lexer::{Kind, Lexer, Token};

type Result<T> = std::result::Result<T, FqlError>;

/// The words that are no names of fields unless a backslash says so.
const KEYWORDS: [&str; 6] = ["and", "or", "in", "null", "true", "false"];
/// How deep brackets and the like may be open while reading. Written out canonically, each part of a filter opens two
/// at most: its own, and the round ones around it.
const MAX_OPEN: usize = 2 * MAX_FQL_NESTING;

/// Whether a name is a keyword, or one but for its capitals: that would be a field by mistake.
pub(super) fn is_reserved(name: &str) -> bool {
    KEYWORDS.iter().any(|keyword| name.eq_ignore_ascii_case(keyword))
}

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Expression> {
    let mut parser = Parser::new(text)?;
    let whole = parser.disjunction()?;
    parser.expect_end()?;
    parser.condition(whole).map(|part| part.expression)
}

/// What has been read of a filter.
struct Part {
    expression: Expression,
    /// Where it begins.
    start: usize,
    /// How many expressions are nested in it, itself included: for one that is written in two ways the same.
    depth: usize,
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The token that is looked at, not yet taken.
    token: Token<'a>,
    /// How many brackets and `!` are open.
    open: usize,
    terms: usize,
    /// Whether the last thing read was a value that a relation could follow.
    is_bare: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        if text.len() > MAX_FQL_BYTES {
            let message = format!("filter is too long ({} > {MAX_FQL_BYTES} bytes)", text.len());
            return Err(FqlError::at(text, MAX_FQL_BYTES, message));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self { text, lexer, token, open: 0, terms: 0, is_bare: false })
    }

    fn disjunction(&mut self) -> Result<Part> {
        self.joined(Junction::Or, Self::conjunction)
    }

    fn conjunction(&mut self) -> Result<Part> {
        self.joined(Junction::And, Self::negation)
    }

    /// One part, or several with the word of `junction` between them.
    fn joined(&mut self, junction: Junction, read: fn(&mut Self) -> Result<Part>) -> Result<Part> {
        let first = read(self)?;
        if !self.is_at_keyword(junction.word()) {
            return Ok(first);
        }
        let start = first.start;
        let mut items = Vec::new();
        let mut depth = self.join(first, junction, &mut items)?;
        while self.is_at_keyword(junction.word()) {
            self.advance()?;
            let next = read(self)?;
            depth = depth.max(self.join(next, junction, &mut items)?);
        }
        self.part(start, depth, Expression::Joined(junction, items))
    }

    /// Adds a condition to those that are joined; `a and (b and c)` becomes `a and b and c`. Returns its depth there.
    fn join(&self, part: Part, junction: Junction, items: &mut Vec<Expression>) -> Result<usize> {
        let Part { expression, depth, .. } = self.condition(part)?;
        match expression {
            Expression::Joined(same, inner) if same == junction => {
                items.extend(inner);
                Ok(depth - 1)
            }
            other => {
                items.push(other);
                Ok(depth)
            }
        }
    }

    fn negation(&mut self) -> Result<Part> {
        let start = self.token.start;
        if !self.take_symbol("!")? {
            return self.comparison();
        }
        let inner = self.nested(start, Self::negation)?;
        let inner = self.condition(inner)?;
        self.part(start, inner.depth, Expression::Not(Box::new(inner.expression)))
    }

    fn comparison(&mut self) -> Result<Part> {
        let left = self.term()?;
        let Some(relation) = self.relation() else { return Ok(left) };
        self.advance()?;
        let right = self.term()?;
        self.is_bare = false;
        if self.relation().is_some() {
            let error = self.error("a comparison cannot be followed by another; join them");
            return Err(error.expecting(["and", "or"]));
        }
        let depth = left.depth.max(right.depth);
        let compared = Expression::Compare(Box::new(left.expression), relation, Box::new(right.expression));
        self.part(left.start, depth, compared)
    }

    /// The relation that the current token is, not yet taken.
    fn relation(&self) -> Option<Relation> {
        let written = match &self.token.kind {
            Kind::Symbol(symbol) => symbol,
            Kind::Word { name, is_escaped: false } => name.as_str(),
            _ => return None,
        };
        Relation::ALL.into_iter().find(|relation| relation.symbol() == written)
    }
}

// Steps that everything above is made of.
impl<'a> Parser<'a> {
    /// Takes the current token and looks at the next.
    fn advance(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is_at_keyword(&self, keyword: &str) -> bool {
        matches!(&self.token.kind, Kind::Word { name, is_escaped: false } if name == keyword)
    }

    fn take_symbol(&mut self, symbol: &str) -> Result<bool> {
        let there = matches!(self.token.kind, Kind::Symbol(found) if found == symbol);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn nested<T>(&mut self, start: usize, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.open += 1;
        if self.open > MAX_OPEN {
            return Err(self.too_deep(start));
        }
        let inner = read(self)?;
        self.open -= 1;
        Ok(inner)
    }

    /// An expression around others, the deepest of which is `depth` deep.
    fn part(&self, start: usize, depth: usize, expression: Expression) -> Result<Part> {
        if depth >= MAX_FQL_NESTING {
            return Err(self.too_deep(start));
        }
        Ok(Part { expression, start, depth: depth + 1 })
    }
}
