//! Single records and the writer's short lists.

use serde::de::DeserializeOwned;

use super::codec::{self, Block};
use super::disk::Disk;
use super::journeys::IN_PROFILE;
use super::keys;
use crate::domain::copying::CopyMark;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, JourneyId, LeafId, UserKey};
use crate::domain::journey::Journey;
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::time::Timestamp;
use crate::store::{LogPart, Result};

impl Disk {
    pub(super) fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        let key = keys::profile(user);
        self.record(&key)?.map(|record| codec::decode(&key, &record)).transpose()
    }

    /// The same for the writer, who is about to write it again.
    pub(super) fn profile_to_write(&self, user: &UserKey) -> Result<Option<Profile>> {
        let key = keys::profile(user);
        self.record_to_write(&key)?.map(|record| codec::decode(&key, &record)).transpose()
    }

    /// A page of a leaf, for the writer.
    pub(super) fn leaf_page(&self, owner: &UserKey, leaf: LeafId, number: u32) -> Result<Option<Vec<u8>>> {
        self.record_to_write(&keys::leaf_page(owner, leaf, number))
    }

    /// All records under `prefix`, in the order of their keys.
    pub(super) fn all<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<T>> {
        let mut records = Vec::new();
        for row in self.rows_of(prefix) {
            let (key, row) = row?;
            if let Some(record) = self.rest_of(&key, &row)? {
                records.push(codec::decode(&key, &record)?);
            }
        }
        Ok(records)
    }

    pub(super) fn users_by_external_id(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<UserKey>> {
        let prefix = keys::external_id(kind, id);
        let rows = self.rows_of(&prefix).take(limit);
        rows.map(|row| {
            let (key, _) = row?;
            keys::read_user(&key[prefix.len()..]).ok_or_else(|| codec::corrupt(&key, "no user key"))
        })
        .collect()
    }

    pub(super) fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        let key = keys::delivery(id);
        self.record(&key)?.map(|record| codec::decode(&key, &record)).transpose()
    }

    pub(super) fn journey(&self, id: JourneyId) -> Result<Option<Journey>> {
        let key = keys::journey(id);
        // Twice, because between the two reads a commit may have moved it from the profile to the archive.
        for _ in 0..2 {
            let Some(row) = self.get(&key)? else { return Ok(None) };
            let Some((&IN_PROFILE, user)) = row.split_first() else {
                let record = self.rest_of(&key, &row)?;
                return record.map(|record| codec::decode(&key, &record)).transpose();
            };
            let user = keys::read_user(user).ok_or_else(|| codec::corrupt(&key, "no user key"))?;
            let profile = self.profile(&user)?;
            let journeys = profile.map(|profile| profile.journeys).unwrap_or_default();
            if let Some(journey) = journeys.into_iter().find(|journey| journey.id == id) {
                return Ok(Some(journey));
            }
        }
        Ok(None)
    }

    pub(super) fn seen(&self, user: &UserKey, message: &MessageHash) -> Result<Option<Timestamp>> {
        let key = keys::seen(user, message);
        let Some(row) = self.get(&key)? else { return Ok(None) };
        keys::read_time(&row).map(Some).ok_or_else(|| codec::corrupt(&key, "no time"))
    }

    pub(super) fn due_timers(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>> {
        let mut due = Vec::new();
        for row in self.rows_of(keys::TIMERS).take(limit) {
            let (key, _) = row?;
            let timer = read_timer(&key)?;
            if timer.0 > now {
                break;
            }
            due.push(timer);
        }
        Ok(due)
    }

    pub(super) fn next_timer(&self) -> Result<Option<Timestamp>> {
        let first = self.rows_of(keys::TIMERS).next().transpose()?;
        first.map(|(key, _)| read_timer(&key).map(|(at, _)| at)).transpose()
    }

    /// The block at `key`, of which `row` was just read.
    pub(super) fn block(&self, key: &[u8], row: &::sled::IVec) -> Result<Block> {
        let bytes = self.rest_of(key, row)?.unwrap_or_default();
        Block::read(key, &bytes)
    }

    /// A part of the log, with those events whose records `is_wanted` accepts.
    pub(super) fn event_log(
        &self,
        after: Option<EventId>,
        until: EventId,
        limit: usize,
        is_wanted: impl Fn(EventId, &[u8]) -> Result<bool>,
    ) -> Result<LogPart> {
        let mut part = LogPart::default();
        // The block that holds `after` may go on behind it.
        let from = match after {
            Some(after) => self.block_of(after)?.unwrap_or_else(|| keys::event(after)),
            None => keys::EVENTS.to_vec(),
        };
        for row in self.rows(from, keys::end(keys::EVENTS)) {
            let (key, row) = row?;
            let block = self.block(&key, &row)?;
            for (id, record) in &block.events {
                if *id > until {
                    return Ok(part);
                }
                if after.is_some_and(|after| *id <= after) {
                    continue;
                }
                if is_wanted(*id, record)? {
                    part.events.push(codec::event(*id, record)?);
                }
                part.looked_at += 1;
                part.last = Some(*id);
            }
            if block.ends_commit && part.looked_at >= limit && part.looked_at > 0 {
                break;
            }
        }
        Ok(part)
    }

    /// The key of the block that `id` is in, if it is kept.
    pub(super) fn block_of(&self, id: EventId) -> Result<Option<Vec<u8>>> {
        let mut to = keys::event(id);
        to.push(0);
        let row = self.rows(keys::EVENTS.to_vec(), to).next_back().transpose()?;
        Ok(row.map(|(key, _)| key.to_vec()))
    }

    pub(super) fn event(&self, id: EventId) -> Result<Option<Event>> {
        let Some(key) = self.block_of(id)? else { return Ok(None) };
        let Some(row) = self.get(&key)? else { return Ok(None) };
        let block = self.block(&key, &row)?;
        let event = block.events.iter().find(|(found, _)| *found == id);
        event.map(|(id, record)| codec::event(*id, record)).transpose()
    }

    pub(super) fn last_event(&self) -> Result<Option<EventId>> {
        let Some(row) = self.rows_of(keys::EVENTS).next_back() else { return Ok(None) };
        let (key, row) = row?;
        Ok(self.block(&key, &row)?.events.last().map(|(id, _)| *id))
    }

    pub(super) fn profiles_after(
        &self,
        after: Option<&UserKey>,
        limit: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        let mut from = after.map_or_else(|| keys::PROFILES.to_vec(), keys::profile);
        if after.is_some() {
            from.push(0);
        }
        let (mut profiles, mut last) = (Vec::new(), None);
        for row in self.rows(from, keys::end(keys::PROFILES)).take(limit) {
            let (key, row) = row?;
            if let Some(record) = self.rest_of(&key, &row)? {
                profiles.push(codec::decode(&key, &record)?);
            }
            last = Some(key);
        }
        let last = last.map(|key| {
            let user = keys::read_user(&key[keys::PROFILES.len()..]);
            user.ok_or_else(|| codec::corrupt(&key, "no user key"))
        });
        Ok((profiles, last.transpose()?))
    }

    pub(super) fn expired_seen(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(UserKey, MessageHash)>> {
        let to = keys::join(keys::SEEN_BY_AGE, &[&keys::time(before)]);
        let rows = self.rows(keys::SEEN_BY_AGE.to_vec(), to).take(limit);
        rows.map(|row| {
            let (key, _) = row?;
            let parts =
                key[keys::SEEN_BY_AGE.len()..].get(8..).and_then(|rest| rest.split_last_chunk::<16>());
            let (user, message) = parts.ok_or_else(|| codec::corrupt(&key, "no message id"))?;
            let user = keys::read_user(user).ok_or_else(|| codec::corrupt(&key, "no user key"))?;
            Ok((user, *message))
        })
        .collect()
    }

    pub(super) fn copy_mark(&self) -> Result<Option<CopyMark>> {
        self.record(keys::COPY)?.map(|record| codec::decode(keys::COPY, &record)).transpose()
    }

    pub(super) fn admin_token_hash(&self) -> Result<Option<String>> {
        self.record(keys::ADMIN)?.map(|record| codec::text(keys::ADMIN, &record)).transpose()
    }
}

fn read_timer(key: &[u8]) -> Result<(Timestamp, UserKey)> {
    let (at, user) = key[keys::TIMERS.len()..].split_at_checked(8).unwrap_or_default();
    match (keys::read_time(at), keys::read_user(user)) {
        (Some(at), Some(user)) => Ok((at, user)),
        _ => Err(codec::corrupt(key, "no time and user")),
    }
}
