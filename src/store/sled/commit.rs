//! One change set into one batch, and the batch onto the disk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use ::sled::Batch;
use serde::Serialize;

use super::codec::{self, BlockBuilder};
use super::counts::Delta;
use super::disk::{Disk, Old, PIECE, Writes, panic_text};
use super::{archive, definitions, figures, journeys, keys, lanes, members, shelves};
use crate::domain::change::{
    BackfillWrite, ChangeSet, ExternalIdWrite, HealthWrite, ProfileWrite, ReplayWrite,
};
use crate::domain::copying::CopyWrite;
use crate::domain::event::Event;
use crate::domain::limits;
use crate::store::{Done, Result, StoreError};

impl Disk {
    /// Writes all of `changes` or nothing; calls `done` once it is on the disk itself, or failed.
    pub(super) fn begin_commit(&self, changes: &ChangeSet, done: Done) -> Result<()> {
        let _alone = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match self.apply_changes(changes) {
            Ok(number) => number,
            Err(error) => {
                done(Err(&error));
                return Err(error);
            }
        };
        self.syncer.sync(number, done).map_err(|done| {
            let error = StoreError::Stopped("its syncing ended".to_owned());
            done(Err(&error));
            error
        })
    }

    /// Applies `changes` in memory; answers the number of the batch that is to be synced.
    fn apply_changes(&self, changes: &ChangeSet) -> Result<u64> {
        if let Some(why) = self.stopped.get() {
            return Err(StoreError::Stopped(why.clone()));
        }
        if changes.is_empty() {
            return Ok(self.progress.newest());
        }
        let prepared = self.guarded(|disk| disk.prepare(changes));
        let (batch, written, delta) = prepared.inspect_err(|_| self.figures().clear())?;
        let number = self.progress.begin();
        self.apply(batch).map_err(|source| {
            self.progress.end(number, false);
            StoreError::Write { path: self.path.clone(), source }
        })?;
        self.totals().settle(delta);
        self.reclaim(written)?;
        Ok(number)
    }

    /// Everything that `changes` writes. Nothing is written yet, so an error leaves the store as it was.
    fn prepare(&self, changes: &ChangeSet) -> Result<(Batch, usize, Delta)> {
        let mut writes = Writes::new(self);
        let mut delta = Delta::default();
        log_events(&changes.events, &mut writes, &mut delta)?;
        for write in &changes.profiles {
            put_profile(write, &mut writes, &mut delta)?;
        }
        journeys::write(&changes.journeys, &mut writes, &mut delta);
        archive::write(changes, &mut writes)?;
        put_leaf_pages(changes, &mut writes)?;
        put_progress(changes, &mut writes)?;
        put_external_ids(&changes.external_ids, &mut writes);
        members::write(changes, &mut writes, &mut delta)?;
        lanes::write(&changes.deliveries, &mut writes, &mut delta)?;
        definitions::write(&changes.definitions, &mut writes)?;
        put_seen(changes, &mut writes)?;
        shelves::write(&changes.entries, &mut writes)?;
        figures::write(changes, &mut writes)?;
        let totals = self.totals();
        for flow in &changes.unknown_flows {
            let known = totals.unknown_flows.contains(flow) || delta.unknown_flows.contains(flow);
            let count = totals.unknown_flows.len() + delta.unknown_flows.len();
            if !known && count < limits::MAX_UNKNOWN_FLOWS {
                writes.set(keys::join(keys::UNKNOWN_FLOWS, &[flow.as_bytes()]), &[]);
                delta.unknown_flows.push(flow.clone());
            }
        }
        if let Some(hash) = &changes.admin_token_hash {
            writes.put(keys::ADMIN.to_vec(), hash.as_bytes(), Old::Unknown)?;
        }
        match &changes.copied {
            Some(CopyWrite { is: Some(mark), .. }) => {
                writes.put(keys::COPY.to_vec(), &codec::encode(keys::COPY, mark)?, Old::Unknown)?;
            }
            Some(CopyWrite { is: None, .. }) => writes.delete(keys::COPY.to_vec())?,
            None => {}
        }
        totals.write(&delta, &mut writes)?;
        let (batch, written) = writes.into_batch()?;
        Ok((batch, written, delta))
    }

    /// Applies the batch. After an error nobody knows what sled holds in memory and what on disk: nothing more is taken.
    pub(super) fn apply(&self, batch: Batch) -> std::io::Result<()> {
        let applied = self.apply_batch(batch);
        self.single.forget();
        if let Err(error) = &applied {
            let _ = self.stopped.set(error.to_string());
        }
        applied
    }

    fn apply_batch(&self, batch: Batch) -> std::io::Result<()> {
        let apply = || {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            self.db().apply_batch(batch)
        };
        match catch_unwind(AssertUnwindSafe(apply)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(::sled::Error::Io(source))) => Err(source),
            Ok(Err(error)) => Err(std::io::Error::other(error.to_string())),
            Err(panic) => Err(std::io::Error::other(panic_text(panic.as_ref()))),
        }
    }

    /// sled frees what a batch replaced only as later calls pass by; after a big batch alone it keeps gigabytes. One cheap
    /// read for every two rows written is enough to keep up.
    fn reclaim(&self, written: usize) -> Result<()> {
        for _ in 0..written.div_ceil(2) {
            self.get(keys::VERSION)?;
        }
        Ok(())
    }
}

/// Cuts the events into blocks of one row each; an event longer than that has a block of its own.
fn log_events(events: &[Event], writes: &mut Writes<'_>, delta: &mut Delta) -> Result<()> {
    let mut block = BlockBuilder::default();
    for event in events {
        let record = codec::encode(&keys::event(event.id), event)?;
        if block.is_full_for(record.len(), PIECE) {
            finish_block(&mut block, false, writes)?;
        }
        block.push(event.id, &record);
        delta.events += 1;
    }
    finish_block(&mut block, true, writes)
}

fn finish_block(block: &mut BlockBuilder, ends_commit: bool, writes: &mut Writes<'_>) -> Result<()> {
    match block.finish(ends_commit) {
        Some((first, bytes)) => writes.put(keys::event(first), &bytes, Old::Nothing),
        None => Ok(()),
    }
}

/// What most profiles fit into, in bytes.
const PROFILE_ROOM: usize = 8 * 1024;

fn put_profile(write: &ProfileWrite, writes: &mut Writes<'_>, delta: &mut Delta) -> Result<()> {
    let profile = &write.profile;
    let key = keys::profile(&profile.key);
    let record = codec::encode_into(Vec::with_capacity(PROFILE_ROOM), &key, profile)?;
    writes.put(key, &record, if write.is_new { Old::Nothing } else { Old::Unknown })?;
    if write.wake_was != profile.wake_at {
        if let Some(was) = write.wake_was {
            writes.remove(keys::timer(was, &profile.key));
        }
        if let Some(at) = profile.wake_at {
            writes.set(keys::timer(at, &profile.key), &[]);
        }
    }
    delta.profiles += write.adds();
    Ok(())
}

fn put_leaf_pages(changes: &ChangeSet, writes: &mut Writes<'_>) -> Result<()> {
    for (owner, leaf) in &changes.drop_leaves {
        for row in writes.disk.rows_of(&keys::leaf(owner, *leaf)) {
            let (key, row) = row?;
            writes.delete_read(key.to_vec(), &row);
        }
    }
    for write in &changes.leaf_pages {
        let key = keys::leaf_page(&write.owner, write.leaf, write.number);
        match &write.page {
            Some(page) => writes.put(key, page, Old::Unknown)?,
            None => writes.delete(key)?,
        }
    }
    Ok(())
}

/// Writes records of which there are few: how far backfills and replays got, how destinations fare.
fn put_progress(changes: &ChangeSet, writes: &mut Writes<'_>) -> Result<()> {
    let backfills = changes.backfills.iter().map(|write| match write {
        BackfillWrite::Put(backfill) => (keys::backfill(backfill.id), Some(&**backfill)),
        BackfillWrite::Delete(id) => (keys::backfill(*id), None),
    });
    put_last(backfills, writes)?;
    let healths = changes.healths.iter().map(|write| match write {
        HealthWrite::Put(health) => (keys::health(&health.destination), Some(health)),
        HealthWrite::Delete(destination) => (keys::health(destination), None),
    });
    put_last(healths, writes)?;
    let replays = changes.replays.iter().map(|write| match write {
        ReplayWrite::Put(replay) => (keys::replay(replay.id), Some(&**replay)),
        ReplayWrite::Delete(id) => (keys::replay(*id), None),
    });
    put_last(replays, writes)
}

/// Writes what the last word on each key is.
fn put_last<'r, T: Serialize + 'r>(
    words: impl Iterator<Item = (Vec<u8>, Option<&'r T>)>,
    writes: &mut Writes<'_>,
) -> Result<()> {
    for (key, record) in words.collect::<BTreeMap<_, _>>() {
        match record {
            Some(record) => {
                let record = codec::encode(&key, record)?;
                writes.put(key, &record, Old::Unknown)?;
            }
            None => writes.delete(key)?,
        }
    }
    Ok(())
}

fn put_external_ids(changes: &[ExternalIdWrite], writes: &mut Writes<'_>) {
    for write in changes {
        let prefix = keys::external_id(&write.kind, &write.id);
        let key = keys::join(&prefix, &[write.user.as_str().as_bytes()]);
        if write.present {
            writes.set(key, &[]);
        } else {
            writes.remove(key);
        }
    }
}

fn put_seen(changes: &ChangeSet, writes: &mut Writes<'_>) -> Result<()> {
    let mut last = BTreeMap::new();
    for write in &changes.seen {
        last.insert((&write.user, &write.message), Some(write.at));
    }
    for (user, message) in &changes.forget_seen {
        last.insert((user, message), None);
    }
    for ((user, message), at) in last {
        let key = keys::seen(user, message);
        if let Some(was) = writes.disk.get(&key)? {
            writes.remove(keys::join(keys::SEEN_BY_AGE, &[&was, user.as_str().as_bytes(), message]));
        }
        match at {
            Some(at) => {
                writes.set(keys::seen_by_age(at, user, message), &[]);
                writes.set(key, &keys::time(at));
            }
            None => writes.remove(key),
        }
    }
    Ok(())
}
