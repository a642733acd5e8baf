//! What every store asks of records on shelves.

use super::cursor::{self, Place};
use super::{Result, StoreError, codec};
use crate::domain::limits;
use crate::domain::shelf::EntryWrite;

/// A key as the place in the list of its shelf.
pub(super) struct ShelfKey(pub(super) String);

impl Place for ShelfKey {
    const LIST: char = 's';
    fn to_key(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// The cursor of a shelf's list that goes on with the highest key below this one.
pub fn entries_below(key: &str) -> String {
    cursor::write(&ShelfKey(key.to_owned()))
}

/// What a record is called in errors.
pub(super) fn name(key: &[u8]) -> String {
    codec::name("record on a shelf", key)
}

/// Refuses what is larger than a shelf takes, with [`StoreError::TooLarge`].
pub(super) fn check(entries: &[EntryWrite]) -> Result<()> {
    for entry in entries {
        let value = entry.value.as_ref().map_or(0, Vec::len);
        for (bytes, most) in [(entry.key.len(), limits::MAX_SHELF_KEY), (value, limits::MAX_SHELF_VALUE)] {
            if bytes > most {
                return Err(StoreError::TooLarge { key: name(entry.key.as_bytes()), bytes });
            }
        }
    }
    Ok(())
}
