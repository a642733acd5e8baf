//! `event('…')` with its filters, its window and its reducer.

use crate::domain::leaf::Window;
use crate::domain::query::ast::{Filter, Stream, filter_nesting};
use crate::domain::query::lexer::Kind;
use crate::domain::query::words::STREAM_FUNCTIONS;
use crate::domain::query::{MAX_NESTING, MAX_STREAM_NESTING, MAX_STREAMS};
use crate::domain::time::Span;

use super::{Logic, Parser, Result};

/// What may follow a stream of events, for messages.
const STEPS: [&str; 14] = [
    ".count()",
    ".sum(…)",
    ".avg(…)",
    ".min(…)",
    ".max(…)",
    ".first(…)",
    ".last(…)",
    ".mode(…)",
    ".unique(…)",
    ".where(…)",
    ".within(…)",
    ".between(…)",
    ".expires_after(…)",
    ".sources(…)",
];

/// The filters of a stream, as they are found.
#[derive(Default)]
struct Filters {
    wheres: Vec<Filter>,
    excluded: Vec<String>,
    window: Option<(Window, Option<Span>)>,
}

impl Parser<'_> {
    /// `event('…')`, filters and a window in any order, and the reducer; the current token is `event`.
    pub(super) fn stream(&mut self) -> Result<Stream> {
        let start = self.token.start;
        self.admit_stream()?;
        self.advance()?;
        self.expect_symbol("(")?;
        let (event, _) = self.name("a quoted event name")?;
        self.expect_symbol(")")?;
        let mut filters = Filters::default();
        loop {
            if !self.take_symbol(".")? {
                let message = "a stream of events is no value; reduce it to one first";
                return Err(self.error(message).expecting(STEPS).suggesting(Some(".count()")));
            }
            let step = self.token.start;
            let name = self.function_name(&STREAM_FUNCTIONS)?;
            match name {
                "where" => {
                    self.advance()?;
                    filters.wheres.push(self.filter(step)?);
                }
                "sources" => {
                    self.advance()?;
                    self.excluded_sources(&mut filters.excluded)?;
                }
                "within" | "between" | "expires_after" => {
                    if filters.window.is_some() {
                        return Err(self.error("a stream has at most one window"));
                    }
                    filters.window = Some(self.window(name)?);
                }
                name if STREAM_FUNCTIONS.contains(&name) => {
                    self.advance()?;
                    let reducer = self.reducer(name)?;
                    let filter = self.joined(filters.wheres, start)?;
                    let (window, after_parent) = filters.window.unwrap_or((Window::All, None));
                    let excluded = filters.excluded;
                    return Ok(Stream { event, filter, excluded, window, after_parent, reducer });
                }
                name => {
                    let place = "follow a stream of events";
                    return Err(self.wrong_function(name, &STREAM_FUNCTIONS, &STEPS, place));
                }
            }
        }
    }

    /// Whether one more stream is within the limits.
    fn admit_stream(&mut self) -> Result<()> {
        if self.wheres >= MAX_STREAM_NESTING {
            let message =
                format!("event streams are nested too deeply (more than {MAX_STREAM_NESTING} levels)");
            return Err(self.error(message));
        }
        self.streams += 1;
        if self.streams > MAX_STREAMS {
            let message = format!("too many event streams ({} > {MAX_STREAMS})", self.streams);
            return Err(self.error(message));
        }
        Ok(())
    }

    /// `(condition)` or `({condition})` of the `where` at `start`.
    fn filter(&mut self, start: usize) -> Result<Filter> {
        let open = self.token.start;
        self.expect_symbol("(")?;
        let brace = self.token.start;
        let braced = self.take_symbol("{")?;
        self.wheres += 1;
        let filter = self.nested(start, |parser| parser.disjunction(Parser::event_comparison))?;
        self.wheres -= 1;
        if braced {
            self.close("}", brace)?;
        }
        self.close(")", open)?;
        Ok(filter)
    }

    /// All filters of the stream at `start` as one condition.
    fn joined(&self, filters: Vec<Filter>, start: usize) -> Result<Option<Filter>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let joined = Logic::and(filters);
        // In one condition, an OR that was a filter of its own needs parentheses: a level that was not written.
        if self.depth + 1 + filter_nesting(&joined) > MAX_NESTING {
            return Err(self.too_deep(start));
        }
        Ok(Some(joined))
    }

    /// `({exclude: 'a', 'b'})` or `({exclude: ['a', 'b']})`
    fn excluded_sources(&mut self, excluded: &mut Vec<String>) -> Result<()> {
        self.expect_symbol("(")?;
        self.expect_symbol("{")?;
        if !self.take_word("exclude")? {
            return Err(self.unexpected().expecting(["exclude"]));
        }
        self.expect_symbol(":")?;
        let bracketed = self.take_symbol("[")?;
        loop {
            excluded.push(self.name("a quoted source")?.0);
            if !self.take_symbol(",")? {
                break;
            }
        }
        if bracketed {
            self.expect_symbol("]")?;
        }
        excluded.sort();
        excluded.dedup();
        self.expect_symbol("}")?;
        self.expect_symbol(")")
    }

    /// The window that `name` begins, and how soon after the event around.
    fn window(&mut self, name: &str) -> Result<(Window, Option<Span>)> {
        if name == "expires_after" && (!self.is_value || self.wheres > 0) {
            let place = if self.is_value {
                "is not allowed inside `where(…)`"
            } else {
                "is for computed traits only"
            };
            return Err(self.error(format!("`expires_after` {place}")).suggesting(Some("within")));
        }
        self.advance()?;
        self.expect_symbol("(")?;
        let argument = self.token.start;
        let window = match name {
            "between" => {
                let one = self.span("a window")?;
                self.expect_symbol(",")?;
                let other = self.span("a window")?;
                if one == other {
                    let message = "the edges of a window are two different spans";
                    return Err(self.error_at(argument, message));
                }
                (Window::Between { near: one.min(other), far: one.max(other) }, None)
            }
            "expires_after" => (Window::Session(self.session()?), None),
            _ if matches!(self.token.kind, Kind::Word("parent")) => {
                if self.wheres == 0 {
                    let message = "`parent` is only there in an event stream inside another one's `where(…)`";
                    return Err(self
                        .error_at(argument, message)
                        .expecting(["a whole number and hours or days"]));
                }
                self.advance()?;
                self.expect_symbol(":")?;
                (Window::All, Some(self.span("a window")?))
            }
            _ => (Window::Within(self.span("a window")?), None),
        };
        self.expect_symbol(")")?;
        Ok(window)
    }
}
