//! Records on shelves.

use std::ops::Bound;

use super::state::State;
use crate::domain::change::ChangeSet;
use crate::domain::page::{Page, PageRequest};
use crate::domain::shelf::{Entry, EntryWrite, Shelf};
use crate::store::shelves::ShelfKey;
use crate::store::{Result, cursor, paging};

impl State {
    pub(super) fn apply_entries(&mut self, changes: &ChangeSet) {
        for write in &changes.entries {
            let key = (write.shelf, write.key.clone());
            match &write.value {
                Some(value) => self.entries.insert(key, value.clone()),
                None => self.entries.remove(&key),
            };
        }
    }

    /// Whether what is there is what it was decided on.
    pub(super) fn is_entry_as_it_was(&self, write: &EntryWrite) -> bool {
        let writes_nothing = write.was.is_none() && write.value.is_none();
        writes_nothing || self.entry(write.shelf, &write.key) == write.was.as_ref()
    }

    pub(super) fn entry(&self, shelf: Shelf, key: &str) -> Option<&Vec<u8>> {
        self.entries.get(&(shelf, key.to_owned()))
    }

    pub(super) fn list_entries(&self, shelf: Shelf, page: &PageRequest) -> Result<Page<Entry>> {
        let start: Option<ShelfKey> = cursor::read(page.cursor.as_deref())?;
        let below = start.map_or(Bound::Unbounded, |ShelfKey(key)| Bound::Excluded((shelf, key)));
        let from = Bound::Included((shelf, String::new()));
        let downwards = self.entries.range((from, below)).rev().skip_while(|((of, _), _)| *of > shelf);
        let entry = |((_, key), value): (&(Shelf, String), &Vec<u8>)| {
            Ok((ShelfKey(key.clone()), Some(Entry { key: key.clone(), value: value.clone() })))
        };
        paging::page(page, downwards.map(entry))
    }
}
