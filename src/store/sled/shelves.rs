//! Records on shelves.

use super::disk::{Disk, Old, Writes};
use super::{codec, keys};
use crate::domain::page::{Page, PageRequest};
use crate::domain::shelf::{Entry, EntryWrite, Shelf};
use crate::store::shelves::{self, ShelfKey};
use crate::store::{Result, cursor, paging};

pub(super) fn write(entries: &[EntryWrite], writes: &mut Writes<'_>) -> Result<()> {
    shelves::check(entries)?;
    for entry in entries {
        let key = keys::entry(entry.shelf, &entry.key);
        match &entry.value {
            Some(value) => writes.put(key, value, Old::Unknown)?,
            None => writes.delete(key)?,
        }
    }
    Ok(())
}

impl Disk {
    pub(super) fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>> {
        self.record(&keys::entry(shelf, key))
    }

    pub(super) fn list_entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        let start: Option<ShelfKey> = cursor::read(page.cursor.as_deref())?;
        let prefix = keys::entry(shelf, "");
        let to = start.map_or_else(|| keys::end(&prefix), |ShelfKey(key)| keys::entry(shelf, &key));
        paging::page(
            page,
            self.rows(prefix.clone(), to).rev().map(|row| {
                let (row_key, row) = row?;
                let key = codec::text(&row_key, &row_key[prefix.len()..])?;
                let value = self.rest_of(&row_key, &row)?;
                Ok((ShelfKey(key.clone()), value.map(|value| Entry { key, value })))
            }),
        )
    }
}
