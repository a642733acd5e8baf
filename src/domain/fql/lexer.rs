//! Cuts the text of a filter into tokens, one at a time.

use crate::domain::query::shorten;

use super::FqlError;

/// A token and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
}

/// The kinds of tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// A keyword, the name of a function, or one name of a path, its escapes resolved.
    Word {
        name: String,
        /// Whether it was written with a backslash: a name of a path then, never a keyword or function.
        is_escaped: bool,
    },
    /// What stood between quotes. Nothing in it is an escape.
    Text(&'a str),
    /// An optional sign, digits, and optionally a dot and digits.
    Number(&'a str),
    /// Punctuation or a relation.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Kind<'_> {
    /// How messages call it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word { name, .. } => format!("`{}`", shorten(name)),
            Self::Text(_) => "a text".to_owned(),
            Self::Number(number) => format!("the number {}", shorten(number)),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end of the filter".to_owned(),
        }
    }
}

/// Longest first, so that `!=` is not read as `!` and `=`.
const SYMBOLS: [&str; 13] = ["!=", ">=", "<=", "=", ">", "<", "!", "(", ")", "[", "]", ",", "."];

/// Relations of other languages, and how they are written here.
const FOREIGN: [(&str, &str); 5] =
    [("==", "="), ("<>", "!="), ("=<", "<="), ("=>", ">="), ("=~", "match(…)")];

/// Whether a character may stand in a name of a path without a backslash.
pub(super) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Whether a plain character may begin the first name of a path: one that cannot begin a number.
pub(super) fn can_begin(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

/// Reads tokens from the front of a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether a dot came before: a name of a path follows, which may begin like a number.
    is_after_dot: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, is_after_dot: false }
    }

    /// The next token; at the end, [`Kind::End`] again and again.
    pub(super) fn next(&mut self) -> Result<Token<'a>, FqlError> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok(Token { kind: Kind::End, start });
        };
        let digits_follow = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        let is_name = can_begin(first) || first == '\\' || self.is_after_dot && is_plain(first);
        self.is_after_dot = false;
        let kind = if matches!(first, '\'' | '"') {
            self.quoted(first)?
        } else if is_name {
            self.word()?
        } else if first.is_ascii_digit() || matches!(first, '+' | '-') && digits_follow {
            self.number()?
        } else if let Some((foreign, ours)) =
            FOREIGN.into_iter().find(|(foreign, _)| rest.starts_with(foreign))
        {
            let error = self.error_at(start, format!("`{foreign}` is no relation"));
            return Err(error.suggesting(Some(ours)));
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            self.is_after_dot = symbol == ".";
            Kind::Symbol(symbol)
        } else {
            return Err(self.stray(first));
        };
        Ok(Token { kind, start })
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> FqlError {
        FqlError::at(self.text, at, message)
    }

    /// A name up to the first character that is neither plain nor escaped.
    fn word(&mut self) -> Result<Kind<'a>, FqlError> {
        let mut name = String::new();
        let mut is_escaped = false;
        let mut rest = self.text[self.at..].chars();
        while let Some(character) = rest.next() {
            let character = match character {
                '\\' => {
                    is_escaped = true;
                    rest.next().ok_or_else(|| {
                        let error =
                            self.error_at(self.text.len() - 1, "this backslash stands before nothing");
                        error.expecting(["the character that it makes part of a name"])
                    })?
                }
                plain if is_plain(plain) => plain,
                _ => break,
            };
            name.push(character);
            self.at = self.text.len() - rest.as_str().len();
        }
        Ok(Kind::Word { name, is_escaped })
    }

    fn quoted(&mut self, quote: char) -> Result<Kind<'a>, FqlError> {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let Some(length) = inside.find(quote) else {
            let closing = quote.to_string();
            return Err(self.error_at(start, "this text is never closed").expecting([closing.as_str()]));
        };
        self.at = start + 1 + length + 1;
        Ok(Kind::Text(&inside[..length]))
    }

    fn number(&mut self) -> Result<Kind<'a>, FqlError> {
        let start = self.at;
        self.at += 1;
        self.skip_digits();
        if self.text[self.at..].starts_with('.') {
            self.at += 1;
            let fraction = self.at;
            self.skip_digits();
            if self.at == fraction {
                return Err(self.error_at(self.at, "a number cannot end with a dot").expecting(["a digit"]));
            }
            if self.text[self.at..].starts_with('.') {
                return Err(self.error_at(self.at, "a number has only one dot"));
            }
        }
        Ok(Kind::Number(&self.text[start..self.at]))
    }

    fn skip_digits(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    }

    /// A character that begins no token, with what its author probably wanted.
    fn stray(&self, character: char) -> FqlError {
        let escaped;
        let suggestion = match character {
            '‘' | '’' | '‚' | '“' | '”' | '„' | '«' | '»' | '`' => Some("\""),
            '&' => Some("and"),
            '|' => Some("or"),
            '≥' => Some(">="),
            '≤' => Some("<="),
            '≠' => Some("!="),
            letter if letter.is_alphanumeric() => {
                escaped = format!("\\{letter}");
                Some(escaped.as_str())
            }
            _ => None,
        };
        let message = format!("unexpected character `{}`", character.escape_debug());
        self.error_at(self.at, message).suggesting(suggestion)
    }
}
