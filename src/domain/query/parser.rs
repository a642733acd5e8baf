//! Reads a query by recursive descent: one token ahead, no backtracking, depth bounded by [`MAX_NESTING`].

mod comparators;
mod streams;

use super::ast::{Comparison, EventScalar, Logic, Scalar};
use super::error::QueryError;
use super::leaf::LeafSpec;
use super::lexer::{Kind, Lexer, Token, shorten};
use super::path::Path;
use super::words::{self, RELATIONS};
use super::{MAX_EXPRESSIONS, MAX_NESTING, MAX_QUERY_BYTES};

use comparators::Left;

type Result<T> = std::result::Result<T, QueryError>;

/// Reads a whole query.
pub(super) fn query(text: &str) -> Result<(Logic<Comparison<Scalar>>, Vec<LeafSpec>)> {
    let mut parser = Parser::new(text)?;
    let expression = parser.disjunction(Parser::query_comparison)?;
    parser.expect_end()?;
    Ok((expression, parser.leaves))
}

/// Reads a single leaf, with the smallest `keep`.
pub(super) fn leaf(text: &str) -> Result<LeafSpec> {
    let mut parser = Parser::new(text)?;
    parser.expect_word("event")?;
    let leaf = parser.stream()?;
    parser.expect_end()?;
    Ok(leaf)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The token that is looked at, not yet taken.
    token: Token<'a>,
    depth: usize,
    comparisons: usize,
    leaves: Vec<LeafSpec>,
}

/// Reads one comparison: in a query, or inside `where`.
type Primary<'a, T> = fn(&mut Parser<'a>) -> Result<T>;

// Boolean structure.
impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        if text.len() > MAX_QUERY_BYTES {
            let message = format!("query text is too long ({} > {MAX_QUERY_BYTES} bytes)", text.len());
            return Err(QueryError::at(text, MAX_QUERY_BYTES, message));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self { text, lexer, token, depth: 0, comparisons: 0, leaves: Vec::new() })
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
        self.comparisons += 1;
        if self.comparisons > MAX_EXPRESSIONS {
            let message = format!("too many expressions ({} > {MAX_EXPRESSIONS})", self.comparisons);
            return Err(self.error(message));
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

    /// A comparison of a query.
    fn query_comparison(&mut self) -> Result<Comparison<Scalar>> {
        let Kind::Word(name) = self.token.kind else { return Err(self.no_condition(&words::CONDITIONS)) };
        match name {
            "event" => {
                self.advance()?;
                let mut leaf = self.stream()?;
                let comparator = self.comparator(Left::Count)?;
                leaf.keep = comparators::keep(&comparator);
                Ok(Comparison { left: Scalar::Leaf(self.intern(leaf)), comparator })
            }
            "trait" => {
                self.advance()?;
                let path = self.path_argument()?;
                Ok(Comparison { left: Scalar::Trait(path), comparator: self.comparator(Left::Trait)? })
            }
            "property" => {
                let message = "`property` is only allowed inside `where(…)`";
                Err(self.error(message).expecting(words::CONDITIONS))
            }
            _ => Err(self.wrong_function(name, &["event", "trait"], &words::CONDITIONS, "begin a condition")),
        }
    }

    /// A comparison inside `where`.
    fn event_comparison(&mut self) -> Result<Comparison<EventScalar>> {
        let Kind::Word(name) = self.token.kind else {
            return Err(self.no_condition(&words::EVENT_CONDITIONS));
        };
        match name {
            "property" => {
                self.advance()?;
                let path = self.path_argument()?;
                let comparator = self.comparator(Left::Property)?;
                Ok(Comparison { left: EventScalar::Property(path), comparator })
            }
            "event" | "trait" => {
                let message = format!("`{name}` inside `where` is not available in this version");
                Err(self.error(message).expecting(words::EVENT_CONDITIONS))
            }
            _ => {
                let place = "begin a condition inside `where`";
                Err(self.wrong_function(name, &["property"], &words::EVENT_CONDITIONS, place))
            }
        }
    }

    /// The index of `leaf` among the query's leaves, where it is put unless it is there.
    fn intern(&mut self, leaf: LeafSpec) -> usize {
        let known = self.leaves.iter_mut().enumerate().find(|(_, known)| known.is_same_aggregate(&leaf));
        if let Some((index, known)) = known {
            known.keep = known.keep.max(leaf.keep);
            return index;
        }
        self.leaves.push(leaf);
        self.leaves.len() - 1
    }
}

// Tokens.
impl<'a> Parser<'a> {
    /// Takes the current token and looks at the next.
    fn advance(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        matches!(self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> Result<bool> {
        let there = self.at_keyword(keyword);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn take_symbol(&mut self, symbol: &str) -> Result<bool> {
        let there = matches!(self.token.kind, Kind::Symbol(found) if found == symbol);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.unexpected().expecting([symbol])) }
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.token.kind != Kind::Word(word) {
            return Err(self.unexpected().expecting([word]));
        }
        self.advance().map(|_| ())
    }

    /// The name after a dot, not yet taken.
    fn function_name(&self, expected: &[&'static str]) -> Result<&'a str> {
        match self.token.kind {
            Kind::Word(name) => Ok(name),
            _ => Err(self.unexpected().expecting(expected.iter().copied())),
        }
    }

    /// `('…')`
    fn text_argument(&mut self, what: &str) -> Result<(String, usize)> {
        self.expect_symbol("(")?;
        if let Kind::Word(word) = self.token.kind
            && words::is_later(word)
        {
            return Err(self.later(word));
        }
        let Kind::Text(_) = self.token.kind else { return Err(self.unexpected().expecting([what])) };
        let Token { kind, start } = self.advance()?;
        self.expect_symbol(")")?;
        let text = if let Kind::Text(text) = kind { text } else { String::new() };
        if text.is_empty() {
            return Err(self.error_at(start, "this name is empty").expecting([what]));
        }
        Ok((text, start))
    }

    fn path_argument(&mut self) -> Result<Path> {
        let (text, start) = self.text_argument("a quoted path")?;
        Path::parse(&text).map_err(|message| self.error_at(start, message))
    }

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
}

// Errors.
impl Parser<'_> {
    fn error_at(&self, start: usize, message: impl Into<String>) -> QueryError {
        QueryError::at(self.text, start, message)
    }

    fn error(&self, message: impl Into<String>) -> QueryError {
        self.error_at(self.token.start, message)
    }

    fn too_deep(&self, start: usize) -> QueryError {
        self.error_at(start, format!("nested too deeply (more than {MAX_NESTING} levels)"))
    }

    fn unexpected(&self) -> QueryError {
        self.error(format!("unexpected {}", self.token.kind.describe()))
    }

    fn no_condition(&self, expected: &[&'static str]) -> QueryError {
        let message = format!("a condition is missing before {}", self.token.kind.describe());
        self.error(message).expecting(expected.iter().copied())
    }

    fn later(&self, word: &str) -> QueryError {
        self.error(format!("`{word}` is not available in this version"))
    }

    /// The current word is no function that may stand here: of a later version, of another place, or of none.
    fn wrong_function(
        &self,
        name: &str,
        allowed: &[&'static str],
        expected: &[&'static str],
        place: &str,
    ) -> QueryError {
        let short = shorten(name);
        if name == "entity" {
            return self.error("linked audiences are not supported");
        }
        let message = if words::is_later(name) {
            format!("`{short}` is not available in this version")
        } else if words::is_function(name) {
            format!("`{short}` cannot {place}")
        } else {
            let error = self.error(format!("unknown function `{short}`"));
            return error.expecting(expected.iter().copied()).suggesting(words::near_miss(name, allowed));
        };
        self.error(message).expecting(expected.iter().copied())
    }

    /// A comparison is complete, and what comes now neither joins nor ends it.
    fn after_condition(&self, expected: &[&str]) -> QueryError {
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
