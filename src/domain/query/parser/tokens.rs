//! Taking tokens.

use crate::domain::query::lexer::{Kind, Token};
use crate::domain::query::path::Path;

use super::{Parser, Result};

impl<'a> Parser<'a> {
    /// Takes the current token and looks at the next.
    pub(super) fn advance(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub(super) fn take_keyword(&mut self, keyword: &str) -> Result<bool> {
        let there = matches!(self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword));
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    /// Takes a word that is one in lower case only.
    pub(super) fn take_word(&mut self, word: &str) -> Result<bool> {
        let there = matches!(self.token.kind, Kind::Word(found) if found == word);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> Result<bool> {
        let there = matches!(self.token.kind, Kind::Symbol(found) if found == symbol);
        if there {
            self.advance()?;
        }
        Ok(there)
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.unexpected().expecting([symbol])) }
    }

    /// The name after a dot, not yet taken.
    pub(super) fn function_name(&self, expected: &[&'static str]) -> Result<&'a str> {
        match self.token.kind {
            Kind::Word(name) => Ok(name),
            _ => Err(self.unexpected().expecting(expected.iter().copied())),
        }
    }

    /// A quoted text that is not empty, and where it stands.
    pub(super) fn name(&mut self, what: &str) -> Result<(String, usize)> {
        let Kind::Text(_) = self.token.kind else { return Err(self.unexpected().expecting([what])) };
        let Token { kind, start } = self.advance()?;
        match kind {
            Kind::Text(text) if !text.is_empty() => Ok((text, start)),
            _ => Err(self.error_at(start, "this name is empty").expecting([what])),
        }
    }

    /// A quoted path, and where it stands.
    pub(super) fn path(&mut self) -> Result<(Path, usize)> {
        let (text, start) = self.name("a quoted path")?;
        let path = Path::parse(&text).map_err(|message| self.error_at(start, message))?;
        Ok((path, start))
    }
}
