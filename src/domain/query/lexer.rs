//! Cuts a query text into tokens, one at a time.

use super::MAX_TEXT_CHARACTERS;
use super::error::QueryError;

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: Kind<'a>,
    /// Where it begins.
    pub(super) start: usize,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A keyword, function name or unit.
    Word(&'a str),
    /// A quoted text, its escapes resolved.
    Text(String),
    /// An optional minus, digits, and optionally a fraction.
    Number(&'a str),
    /// An unquoted date or timestamp, not yet checked.
    Date(&'a str),
    /// Punctuation or a relation.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Kind<'_> {
    /// How messages call it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{}`", shorten(word)),
            Self::Text(_) => "a text".to_owned(),
            Self::Number(number) => format!("the number {}", shorten(number)),
            Self::Date(date) => format!("the date {}", shorten(date)),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end of the query".to_owned(),
        }
    }
}

/// At most 40 characters of what the author wrote, so that messages stay one readable line.
pub(in crate::domain) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Longest first, so that `==` is not read as two `=`.
const SYMBOLS: [&str; 16] =
    ["==", "!=", ">=", "<=", "=", ">", "<", "(", ")", "{", "}", "[", "]", ",", ".", ":"];

/// Reads tokens from the front of a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; at the end, [`Kind::End`] again and again.
    pub(super) fn next(&mut self) -> Result<Token<'a>, QueryError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok(Token { kind: Kind::End, start });
        };
        let digits_follow = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        let kind = if matches!(first, '\'' | '"') {
            self.quoted(first)?
        } else if first.is_ascii_digit() || first == '-' && digits_follow {
            self.number_or_date()?
        } else if first.is_alphabetic() || first == '_' {
            Kind::Word(self.take_while(|c| c.is_alphanumeric() || c == '_'))
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            Kind::Symbol(symbol)
        } else {
            return Err(self.stray(first));
        };
        Ok(Token { kind, start })
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A text in `quote`s. A backslash makes a quote or backslash ordinary; before anything else it stays, since
    /// paths use it (`'a\.b'`).
    fn quoted(&mut self, quote: char) -> Result<Kind<'a>, QueryError> {
        let start = self.at;
        let mut value = String::new();
        let mut characters = 0;
        let mut rest = self.text[start + 1..].char_indices().peekable();
        while let Some((index, c)) = rest.next() {
            if c == quote {
                self.at = start + 1 + index + 1;
                return Ok(Kind::Text(value));
            }
            let escaped = rest.next_if(|&(_, next)| c == '\\' && matches!(next, '\'' | '"' | '\\'));
            value.push(escaped.map_or(c, |(_, next)| next));
            characters += 1;
            if characters > MAX_TEXT_CHARACTERS {
                let message = format!("text is too long (more than {MAX_TEXT_CHARACTERS} characters)");
                return Err(QueryError::at(self.text, start, message));
            }
        }
        let closing = quote.to_string();
        Err(QueryError::at(self.text, start, "this text is never closed").expecting([closing.as_str()]))
    }

    fn number_or_date(&mut self) -> Result<Kind<'a>, QueryError> {
        let start = self.at;
        if is_date(&self.text.as_bytes()[start..]) {
            let wanted = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '+' | '.');
            return Ok(Kind::Date(self.take_while(wanted)));
        }
        self.at += usize::from(self.text[start..].starts_with('-'));
        self.take_while(|c| c.is_ascii_digit());
        let fraction = self.text[self.at..].strip_prefix('.');
        if fraction.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit())) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.at - start > MAX_TEXT_CHARACTERS {
            let message = format!("number is too long (more than {MAX_TEXT_CHARACTERS} characters)");
            return Err(QueryError::at(self.text, start, message));
        }
        Ok(Kind::Number(&self.text[start..self.at]))
    }

    /// A character that begins no token, with what its author probably wanted.
    fn stray(&self, character: char) -> QueryError {
        let suggestion = match character {
            '‘' | '’' | '‚' | '“' | '”' | '„' | '«' | '»' | '`' => Some("'"),
            '&' => Some("AND"),
            '|' => Some("OR"),
            '!' => Some("NOT"),
            '≥' => Some(">="),
            '≤' => Some("<="),
            '≠' => Some("!="),
            _ => None,
        };
        let message = format!("unexpected character `{}`", character.escape_debug());
        QueryError::at(self.text, self.at, message).suggesting(suggestion)
    }
}

/// Whether `bytes` begins like `2026-01-31`.
fn is_date(bytes: &[u8]) -> bool {
    bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(place, byte)| match place {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
