//! Records on shelves, read and written as what they are.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::Person;
use crate::domain::shelf::{EntryWrite, Shelf};
use crate::store::{Store, StoreError};

/// The record of the set-up among the people: that it was done once. No address is like it.
pub(super) const SET_UP: &str = "set-up";

/// A record as it was read.
#[derive(Clone)]
pub(super) struct Record<T> {
    pub shelf: Shelf,
    pub key: String,
    pub was: Vec<u8>,
    pub value: T,
}

impl<T: DeserializeOwned> Record<T> {
    /// The record with that key.
    pub async fn read(store: &dyn Store, shelf: Shelf, key: &str) -> Result<Option<Self>, StoreError> {
        // What is longer is no key; it comes from outside.
        if key.is_empty() || key.len() > limits::MAX_LOGIN_BYTES || key.chars().any(char::is_control) {
            return Ok(None);
        }
        let found = store.entry(shelf, key).await?;
        found.map(|was| Self::parse(shelf, key.to_owned(), was)).transpose()
    }

    pub fn parse(shelf: Shelf, key: String, was: Vec<u8>) -> Result<Self, StoreError> {
        let value = serde_json::from_slice(&was).map_err(|error| {
            // Which it is can't be named: keys are addresses and hashes of secrets.
            let place = format!("a record of {}", shelf.as_str());
            StoreError::Corrupt { place, detail: error.to_string() }
        })?;
        Ok(Self { shelf, key, was, value })
    }
}

impl<T> Record<T> {
    /// Writes another value in its place.
    pub fn put(self, value: &impl Serialize) -> EntryWrite {
        EntryWrite { value: Some(json(value)), ..self.remove() }
    }

    /// Removes it.
    pub fn remove(self) -> EntryWrite {
        EntryWrite { shelf: self.shelf, key: self.key, was: Some(self.was), value: None }
    }

    /// Has the store make sure that it is still as it was read.
    pub fn hold(&self) -> EntryWrite {
        let was = Some(self.was.clone());
        EntryWrite { shelf: self.shelf, key: self.key.clone(), value: was.clone(), was }
    }
}

/// A record that was not there.
pub(super) fn new(shelf: Shelf, key: &str, value: &impl Serialize) -> EntryWrite {
    EntryWrite { shelf, key: key.to_owned(), was: None, value: Some(json(value)) }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have text keys and no failing parts")
}

/// All records of a shelf that is small, in the order of their keys.
pub(super) async fn all<T: DeserializeOwned>(
    store: &dyn Store,
    shelf: Shelf,
) -> Result<Vec<Record<T>>, StoreError> {
    let mut request = PageRequest { limit: limits::MAX_PAGE, cursor: None };
    let mut records = Vec::new();
    loop {
        let page = store.entries(shelf, &request).await?;
        for entry in page.rows.into_iter().filter(|entry| entry.key != SET_UP) {
            records.push(Record::parse(shelf, entry.key, entry.value)?);
        }
        request.cursor = page.cursor;
        if request.cursor.is_none() {
            records.reverse();
            return Ok(records);
        }
    }
}

/// All people.
pub(super) async fn staff(store: &dyn Store) -> Result<Vec<Record<Person>>, StoreError> {
    all(store, Shelf::People).await
}
