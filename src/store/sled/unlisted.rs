//! Records that no list hands out, in the order of their keys. A place is the last key.

use super::disk::Disk;
use super::journeys::IN_PROFILE;
use super::{codec, keys};
use crate::domain::change::{ExternalIdWrite, LeafPageWrite, SeenWrite};
use crate::domain::ids::{EventId, LeafId, UserKey};
use crate::store::{RecordPart, Result, StoreError, Unlisted};

impl Disk {
    pub(super) fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        match kind {
            Unlisted::Events => self.events_after(after, limit),
            Unlisted::LeafPages => self.part(keys::LEAF_PAGES, after, limit, Self::add_page),
            Unlisted::MessageIds => self.part(keys::SEEN, after, limit, Self::add_message),
            Unlisted::ExternalIds => self.part(keys::EXTERNAL_IDS, after, limit, Self::add_external_id),
            Unlisted::ArchivedJourneys => self.part(keys::JOURNEYS, after, limit, Self::add_archived),
            Unlisted::Figures => self.part(keys::FIGURES, after, limit, Self::add_figures),
        }
    }

    fn events_after(&self, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        let read =
            |after: &[u8]| keys::read_id(after).map(EventId::from_bytes).ok_or_else(|| no_place(after));
        let after = after.map(read).transpose()?;
        let log = self.event_log(after, EventId::from_bytes([u8::MAX; 16]), limit, |_, _| Ok(true))?;
        let mut part =
            RecordPart { last: log.last.map(|id| id.to_bytes().to_vec()), ..RecordPart::default() };
        log.events.into_iter().for_each(|event| part.add_event(event));
        Ok(part)
    }

    /// The next `limit` rows under `prefix`, each handed to `add`; fewer of those that hold many points of figures.
    fn part(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        add: impl Fn(&Self, &[u8], &::sled::IVec, &mut RecordPart) -> Result<()>,
    ) -> Result<RecordPart> {
        let from = match after {
            Some(after) if !after.starts_with(prefix) => return Err(no_place(after)),
            Some(after) => [after, &[0]].concat(),
            None => prefix.to_vec(),
        };
        let mut part = RecordPart::default();
        for row in self.rows(from, keys::end(prefix)).take(limit) {
            let (key, row) = row?;
            add(self, &key, &row, &mut part)?;
            part.last = Some(key.to_vec());
            if part.changes.figure_points.len() >= limit {
                break;
            }
        }
        Ok(part)
    }

    fn add_page(&self, key: &[u8], row: &::sled::IVec, part: &mut RecordPart) -> Result<()> {
        let (owner, rest) = read_owner(key)?;
        let wrong = || codec::corrupt(key, "no leaf and page");
        let (leaf, number) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let number = u32::from_be_bytes(number.try_into().map_err(|_| wrong())?);
        if let Some(page) = self.rest_of(key, row)? {
            part.add_page(LeafPageWrite { owner, leaf: LeafId::from_bytes(*leaf), number, page: Some(page) });
        }
        Ok(())
    }

    fn add_message(&self, key: &[u8], row: &::sled::IVec, part: &mut RecordPart) -> Result<()> {
        let wrong = || codec::corrupt(key, "no message id");
        let (user, message) = key[keys::SEEN.len()..].split_last_chunk::<16>().ok_or_else(wrong)?;
        let user = keys::read_user(user).ok_or_else(|| codec::corrupt(key, "no user key"))?;
        let at = keys::read_time(row).ok_or_else(|| codec::corrupt(key, "no time"))?;
        part.add_message(SeenWrite { user, message: *message, at });
        Ok(())
    }

    fn add_external_id(&self, key: &[u8], _: &::sled::IVec, part: &mut RecordPart) -> Result<()> {
        let wrong = || codec::corrupt(key, "no external id");
        let kind = keys::read_sized(key).ok_or_else(wrong)?;
        let behind = keys::behind_sized(key).ok_or_else(wrong)?;
        let id = keys::read_sized(behind).ok_or_else(wrong)?;
        let user = keys::behind_sized(behind).and_then(keys::read_user).ok_or_else(wrong)?;
        let (kind, id) = (kind.to_owned(), id.to_owned());
        part.add_external_id(ExternalIdWrite { kind, id, user, present: true });
        Ok(())
    }

    /// A journey that is still in a profile has a row that says so, and is passed over.
    fn add_archived(&self, key: &[u8], row: &::sled::IVec, part: &mut RecordPart) -> Result<()> {
        if row.first() != Some(&IN_PROFILE)
            && let Some(record) = self.rest_of(key, row)?
        {
            part.add_archived(codec::decode(key, &record)?);
        }
        Ok(())
    }
}

/// Whose the page at `key` is, and what follows in the key.
fn read_owner(key: &[u8]) -> Result<(UserKey, &[u8])> {
    let owner = keys::read_sized(key).and_then(|owner| keys::read_user(owner.as_bytes()));
    let read = owner.zip(keys::behind_sized(key));
    read.ok_or_else(|| codec::corrupt(key, "no user key"))
}

fn no_place(after: &[u8]) -> StoreError {
    StoreError::Cursor(hex::encode(after))
}
