//! Reads a query by recursive descent: one token ahead, no backtracking, depth bounded by [`MAX_NESTING`].

mod comparators;
mod durations;
mod errors;
mod leaves;
mod literals;
mod reducers;
mod scalars;
mod streams;
mod tokens;

use super::ast::{Comparison, Scalar, Stream, Term};
use super::error::QueryError;
use super::lexer::{Kind, Lexer, Token};
use super::logic::Logic;
use super::words::{COMPARATORS, RELATIONS};
use super::{Expression, MAX_EXPRESSIONS, MAX_NESTING, MAX_QUERY_BYTES, Part, Quantifier, Query};

use leaves::Leaves;

type Result<T> = std::result::Result<T, QueryError>;

/// Reads a condition.
pub(super) fn condition(text: &str) -> Result<Query> {
    let mut parser = Parser::new(text)?;
    let condition = parser.disjunction(Parser::term)?;
    parser.expect_end()?;
    let (leaves, parts) = (parser.leaves.into_specs(), parser.parts);
    Ok(Query { expression: Expression::Condition(condition), leaves, parts })
}

/// Reads a value.
pub(super) fn value(text: &str) -> Result<Query> {
    let leaves = vec![super::LeafSpec::new(leaf(text)?, None)];
    Ok(Query { expression: Expression::Value, leaves, parts: Vec::new() })
}

/// Reads the stream of a single leaf.
pub(super) fn leaf(text: &str) -> Result<Stream> {
    let mut parser = Parser::new(text)?;
    parser.is_value = true;
    if parser.token.kind != Kind::Word("event") {
        return Err(parser.no_value());
    }
    parser.comparisons = 1;
    let stream = parser.stream()?;
    parser.expect_end_of_value(&stream)?;
    Ok(stream)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The token that is looked at, not yet taken.
    token: Token<'a>,
    /// How many brackets, `NOT`s and the like are open.
    depth: usize,
    /// How many `where` are open: the event streams around.
    wheres: usize,
    /// Whether the query is a value.
    is_value: bool,
    /// Whether an `ANY` or `ALL` is open.
    in_part: bool,
    comparisons: usize,
    streams: usize,
    leaves: Leaves,
    parts: Vec<Part>,
}

/// Reads one test: in a query, or inside `where`.
type Primary<'a, T> = fn(&mut Parser<'a>) -> Result<T>;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        if text.len() > MAX_QUERY_BYTES {
            let message = format!("query text is too long ({} > {MAX_QUERY_BYTES} bytes)", text.len());
            return Err(QueryError::at(text, MAX_QUERY_BYTES, message));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self {
            text,
            lexer,
            token,
            depth: 0,
            wheres: 0,
            is_value: false,
            in_part: false,
            comparisons: 0,
            streams: 0,
            leaves: Leaves::default(),
            parts: Vec::new(),
        })
    }

    fn disjunction<T>(&mut self, primary: Primary<'a, T>) -> Result<Logic<T>> {
        let mut items = vec![self.conjunction(primary)?];
        while self.take_keyword("OR")? {
            items.push(self.conjunction(primary)?);
        }
        Ok(Logic::or(items))
    }

    fn conjunction<T>(&mut self, primary: Primary<'a, T>) -> Result<Logic<T>> {
        let mut items = vec![self.unary(primary)?];
        while self.take_keyword("AND")? {
            items.push(self.unary(primary)?);
        }
        Ok(Logic::and(items))
    }

    fn unary<T>(&mut self, primary: Primary<'a, T>) -> Result<Logic<T>> {
        let start = self.token.start;
        if self.take_keyword("NOT")? {
            let inner = self.nested(start, |parser| parser.unary(primary))?;
            return Ok(Logic::Not(Box::new(inner)));
        }
        if self.take_symbol("(")? {
            let inner = self.nested(start, |parser| parser.disjunction(primary))?;
            self.close(")", start)?;
            return Ok(inner);
        }
        primary(self).map(Logic::Test)
    }

    fn nested<T>(&mut self, start: usize, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.too_deep(start));
        }
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    /// A test of a query: a comparison, or a condition on an account's users.
    fn term(&mut self) -> Result<Term> {
        match self.quantifier() {
            Some((quantifier, word)) => self.part(quantifier, word).map(Term::Part),
            None => self.comparison().map(Term::Compare),
        }
    }

    /// `ANY` or `ALL`, as written.
    fn quantifier(&self) -> Option<(Quantifier, &'a str)> {
        let Kind::Word(word) = self.token.kind else { return None };
        let known = [("ANY", Quantifier::Any), ("ALL", Quantifier::All)];
        let found = known.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        found.map(|(_, quantifier)| (quantifier, word))
    }

    /// What follows `ANY` or `ALL`, as the part of the index that is answered.
    fn part(&mut self, quantifier: Quantifier, word: &str) -> Result<usize> {
        let start = self.token.start;
        if self.in_part {
            return Err(self.error(format!("`{word}` cannot stand inside another `ANY` or `ALL`")));
        }
        self.advance()?;
        self.in_part = true;
        // What the users are asked are leaves of their own.
        let of_account = std::mem::take(&mut self.leaves);
        let condition = self.nested(start, |parser| parser.unary(Parser::term))?;
        let leaves = std::mem::replace(&mut self.leaves, of_account).into_specs();
        self.in_part = false;
        let condition = Query { expression: Expression::Condition(condition), leaves, parts: Vec::new() };
        let part = Part { quantifier, condition };
        let known = self.parts.iter().position(|known| *known == part);
        Ok(known.unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        }))
    }

    /// A test inside `where`.
    fn event_comparison(&mut self) -> Result<Comparison<Scalar>> {
        match self.quantifier() {
            Some((_, word)) => Err(self.error(format!("`{word}` cannot stand inside `where`"))),
            None => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Result<Comparison<Scalar>> {
        self.comparisons += 1;
        if self.comparisons > MAX_EXPRESSIONS {
            let message = format!("too many expressions ({} > {MAX_EXPRESSIONS})", self.comparisons);
            return Err(self.error(message));
        }
        let left = self.left()?;
        let comparator = self.comparator(&left)?;
        if let Scalar::Leaf(index) = left {
            self.leaves.compared(index, leaves::most(&comparator));
        }
        Ok(Comparison { left, comparator })
    }
}

// Ends.
impl Parser<'_> {
    /// Takes the bracket that closes the one at `start`, after a condition.
    fn close(&mut self, bracket: &str, start: usize) -> Result<()> {
        if self.take_symbol(bracket)? {
            return Ok(());
        }
        let mut error = self.after_condition(&["AND", "OR", bracket]);
        if self.token.kind == Kind::End {
            let opened = QueryError::at(self.text, start, "");
            let (line, column) = (opened.line, opened.column);
            error.message = format!("the bracket opened at line {line}, column {column} is never closed");
        }
        Err(error)
    }

    fn expect_end(&self) -> Result<()> {
        match self.token.kind {
            Kind::End => Ok(()),
            Kind::Symbol(")" | "}") => {
                Err(self.error("this bracket was never opened").expecting(["AND", "OR", "the end"]))
            }
            _ => Err(self.after_condition(&["AND", "OR", "the end"])),
        }
    }

    /// The end of a computed trait, whose stream has been read.
    fn expect_end_of_value(&mut self, stream: &Stream) -> Result<()> {
        const NO_CONDITION: &str = "a computed trait is a value, not a condition";
        let start = self.token.start;
        match self.token.kind {
            Kind::End => Ok(()),
            Kind::Symbol(")" | "}") => {
                Err(self.error("this bracket was never opened").expecting(["the end"]))
            }
            Kind::Symbol(symbol) if RELATIONS.contains(&symbol) => {
                Err(self.error(NO_CONDITION).expecting(["the end"]))
            }
            Kind::Symbol(".") => {
                self.advance()?;
                match self.function_name(&["the end"])? {
                    name if COMPARATORS.contains(&name) => {
                        Err(self.error_at(start, NO_CONDITION).expecting(["the end"]))
                    }
                    name => {
                        let place = format!("follow {}", errors::reduced(stream));
                        Err(self.wrong_function(name, &[], &["the end"], &place))
                    }
                }
            }
            Kind::Word(word) if ["AND", "OR"].iter().any(|known| word.eq_ignore_ascii_case(known)) => {
                Err(self.error(NO_CONDITION).expecting(["the end"]))
            }
            _ => Err(self.unexpected().expecting(["the end"])),
        }
    }

    /// The text of a computed trait begins with something else than an event stream.
    fn no_value(&self) -> QueryError {
        const EXPECTED: [&str; 1] = ["event('…')"];
        let message = match self.token.kind {
            Kind::Word(word @ ("trait" | "literal" | "property" | "context")) => {
                format!("`{word}` makes no computed trait; it is made of events")
            }
            Kind::Word(word)
                if ["NOT", "ANY", "ALL"].iter().any(|known| word.eq_ignore_ascii_case(known)) =>
            {
                "a computed trait is a value, not a condition".to_owned()
            }
            Kind::Word(word) => {
                return self.wrong_function(word, &["event"], &EXPECTED, "begin a computed trait");
            }
            _ => format!("a computed trait cannot begin with {}", self.token.kind.describe()),
        };
        self.error(message).expecting(EXPECTED)
    }
}
