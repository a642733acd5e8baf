//! Cursors: the key of the last row looked at, in hex behind a letter for the list. Opaque to callers.

use super::{Result, StoreError};
use crate::domain::ids::{DeliveryId, EventId, JourneyId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::time::Timestamp;

/// A row's key that a list can go on after.
pub(crate) trait Place: Sized {
    /// The list's letter, so that a cursor of one list is refused by another.
    const LIST: char;
    /// The key as bytes.
    fn to_key(&self) -> Vec<u8>;
    /// The inverse of [`Self::to_key`].
    fn from_key(bytes: &[u8]) -> Option<Self>;
}

macro_rules! id_place {
    ($id:ty, $letter:literal) => {
        impl Place for $id {
            const LIST: char = $letter;
            fn to_key(&self) -> Vec<u8> {
                self.to_bytes().to_vec()
            }
            fn from_key(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_bytes(bytes.try_into().ok()?))
            }
        }
    };
}

id_place!(EventId, 'e');
id_place!(JourneyId, 'j');
id_place!(DeliveryId, 'd');

impl Place for UserKey {
    const LIST: char = 'm';
    fn to_key(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        Self::from_key_text(std::str::from_utf8(bytes).ok()?)
    }
}

/// A row of the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InboxRow {
    /// Since when the journey is in its stage.
    pub since: Timestamp,
    /// Which it is.
    pub id: JourneyId,
}

impl InboxRow {
    /// That of a journey.
    pub(crate) fn of(journey: &Journey) -> Self {
        Self { since: journey.stage_at, id: journey.id }
    }
}

impl Place for InboxRow {
    const LIST: char = 'i';
    fn to_key(&self) -> Vec<u8> {
        [&self.since.millis().to_be_bytes()[..], &self.id.to_bytes()].concat()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (since, id) = bytes.split_first_chunk::<8>()?;
        let since = Timestamp::from_millis(i64::from_be_bytes(*since));
        Some(Self { since, id: JourneyId::from_bytes(id.try_into().ok()?) })
    }
}

/// The cursor that goes on after `place`.
pub(crate) fn write<P: Place>(place: &P) -> String {
    format!("{}{}", P::LIST, hex::encode(place.to_key()))
}

/// What [`write()`] made a cursor of; `None` for the first page.
pub(crate) fn read<P: Place>(cursor: Option<&str>) -> Result<Option<P>> {
    let Some(text) = cursor else { return Ok(None) };
    text.strip_prefix(P::LIST)
        .and_then(|digits| hex::decode(digits).ok())
        .and_then(|bytes| P::from_key(&bytes))
        .map(Some)
        .ok_or_else(|| StoreError::Cursor(text.chars().take(100).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_known_by_its_own_list_only() {
        let event = EventId::from_bytes([7; 16]);
        let cursor = write(&event);
        assert_eq!(read::<EventId>(Some(&cursor)).unwrap(), Some(event));
        assert_eq!(read::<EventId>(None).unwrap(), None);
        assert!(matches!(read::<JourneyId>(Some(&cursor)), Err(StoreError::Cursor(_))));
        let row = InboxRow { since: Timestamp::from_millis(-5), id: JourneyId::from_bytes([3; 16]) };
        assert_eq!(read::<InboxRow>(Some(&write(&row))).unwrap(), Some(row));
        for wrong in ["", "e", "e0", "ezz", "é", "e0707"] {
            assert!(matches!(read::<EventId>(Some(wrong)), Err(StoreError::Cursor(_))), "{wrong}");
        }
        let user = UserKey::user("\0naïve");
        assert_eq!(read::<UserKey>(Some(&write(&user))).unwrap(), Some(user));
    }
}
