//! How what is stored is written in columns, and read back.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError, codec};

/// First byte of a body: the version of its form.
const FORM: u8 = 1;

/// Most bytes of a body: what sled keeps, so that one store can be copied to the other.
const MAX_BODY: usize = 1024 * 1024;

/// What most bodies fit into, in bytes.
const BODY_ROOM: usize = 1024;

/// What the rows of a user are spread by; see the migrations.
pub(super) fn shard(user: &UserKey) -> i16 {
    i16::from(Sha256::digest(user.as_str())[0])
}

/// What the rows of an external id are spread by.
pub(super) fn shard_of_external_id(kind: &str, id: &str) -> i16 {
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(id).finalize();
    i16::from(hash[0])
}

/// Sixteen bytes of an id.
pub(super) fn uuid(id: [u8; 16]) -> Uuid {
    Uuid::from_bytes(id)
}

/// A leaf's id; only ever compared, so that half of them are negative does not matter.
pub(super) fn leaf(id: LeafId) -> i64 {
    i64::from_be_bytes(id.to_bytes())
}

/// An instant. Exact: a `timestamptz` has microseconds, and holds all years that a [`Timestamp`] can be in.
pub(super) fn instant(at: Timestamp) -> DateTime<Utc> {
    at.to_chrono()
}

/// The instant in a column.
pub(super) fn read_instant(row: &tokio_postgres::Row, name: &str) -> Result<Timestamp> {
    column(row, name).map(Timestamp::from_chrono)
}

/// What stands for NUL, which PostgreSQL has not got in texts, and for itself.
const ESCAPE: char = '\u{1}';

/// Text as it may stand in a column: NUL is written as `\u{1}\u{1}`, `\u{1}` as `\u{1}\u{2}`. The order of the bytes stays the
/// same.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(ESCAPE, "\u{1}\u{2}").replace('\0', "\u{1}\u{1}"))
}

/// The inverse of [`text`].
pub(super) fn read_text(stored: &str) -> Cow<'_, str> {
    if !stored.contains(ESCAPE) {
        return Cow::Borrowed(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut letters = stored.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE if letters.next() == Some('\u{1}') => text.push('\0'),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// A user's key as it stands in a column.
pub(super) fn key(user: &UserKey) -> Cow<'_, str> {
    text(user.as_str())
}

/// The inverse of [`key`].
pub(super) fn read_key(stored: &str) -> Result<UserKey> {
    UserKey::from_key_text(&read_text(stored))
        .ok_or_else(|| codec::corrupt(&codec::name("user", stored.as_bytes()), "no user key"))
}

/// What a row is called in errors: as sled calls it, so that a log reads the same whatever the backend.
pub(super) fn name_of_user(kind: &str, letter: &[u8], user: &UserKey) -> String {
    codec::name(kind, &[letter, user.as_str().as_bytes()].concat())
}

/// The same of a journey.
pub(super) fn name_of_journey(id: JourneyId) -> String {
    codec::name("journey", &[&b"j"[..], &id.to_bytes()].concat())
}

/// The same of a delivery.
pub(super) fn name_of_delivery(id: DeliveryId) -> String {
    codec::name("delivery", &[&b"d"[..], &id.to_bytes()].concat())
}

/// The same of an event.
pub(super) fn name_of_event(id: EventId) -> String {
    codec::name("event", &[&b"e"[..], &id.to_bytes()].concat())
}

/// A record as a body. `name` names it in errors ([`codec::name`]).
pub(super) fn body<T: Serialize>(name: impl Fn() -> String, record: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BODY_ROOM);
    bytes.push(FORM);
    let body = codec::encode_into(bytes, &name, record)?;
    if body.len() > MAX_BODY {
        return Err(StoreError::TooLarge { key: format!("the record `{}`", name()), bytes: body.len() });
    }
    Ok(body)
}

/// The inverse of [`body`].
pub(super) fn read_body<T: DeserializeOwned>(name: impl FnOnce() -> String, body: &[u8]) -> Result<T> {
    codec::decode(name, body.strip_prefix(&[FORM]).unwrap_or_default())
}

/// A number as the database has it.
pub(super) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The inverse of [`bigint`]; less than nothing is nothing.
pub(super) fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// A bound for `LIMIT`.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A column of a row; an error where it is not what the migrations made it.
pub(super) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r tokio_postgres::Row,
    column: &str,
) -> Result<T> {
    row.try_get(column).map_err(|error| StoreError::Corrupt {
        place: format!("the column `{column}`"),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_comes_back_and_keeps_its_order(a in "[\0\u{1}\u{2}aé]{0,6}", b in "[\0\u{1}\u{2}aé]{0,6}") {
            let (stored_a, stored_b) = (text(&a), text(&b));
            prop_assert!(!stored_a.contains('\0'));
            prop_assert_eq!(read_text(&stored_a), a.as_str());
            prop_assert_eq!(stored_a.as_bytes().cmp(stored_b.as_bytes()), a.as_bytes().cmp(b.as_bytes()));
        }
    }

    #[test]
    fn a_profile_is_called_the_same_by_every_backend() {
        // printf pu:019mr8mf4r | sha256sum
        assert_eq!(name_of_user("profile", b"p", &UserKey::user("019mr8mf4r")), "profile #fa7662aa");
    }

    #[test]
    fn a_body_without_its_version_is_refused() {
        let record = body(|| "x".to_owned(), &7_u32).unwrap();
        assert_eq!(read_body::<u32>(|| "x".to_owned(), &record).unwrap(), 7);
        for damaged in [&record[1..], &[2, 7], &[]] {
            assert!(matches!(read_body::<u32>(|| "x".to_owned(), damaged), Err(StoreError::Corrupt { .. })));
        }
    }
}
