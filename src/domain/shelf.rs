//! Shelves: small records that are kept whole, found by a key and listed in the order of their keys.

/// What a shelf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// People who work with the console and the API.
    People,
    /// Tokens of the API.
    Tokens,
    /// Sessions of the console.
    Sessions,
    /// Who changed what; its keys rise with time.
    Audit,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::People, Self::Tokens, Self::Sessions, Self::Audit];

    /// The name that stores know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Tokens => "tokens",
            Self::Sessions => "sessions",
            Self::Audit => "audit",
        }
    }
}

/// A record on a shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key: 1 to `limits::MAX_SHELF_KEY` bytes, without control characters.
    pub key: String,
    /// What it says, in JSON; at most `limits::MAX_SHELF_VALUE` bytes.
    pub value: Vec<u8>,
}

/// A record that is set or removed. One that was not there and is not to be writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryWrite {
    /// Where.
    pub shelf: Shelf,
    /// Its key.
    pub key: String,
    /// What it said when this was decided; `None`: there was none. A store that several nodes share refuses the change set where
    /// that is no longer so.
    pub was: Option<Vec<u8>>,
    /// What it is to say; `None` removes it.
    pub value: Option<Vec<u8>>,
}
