//! What two stores are compared by: for each kind the number of its records and a checksum that does not ask in which order a
//! store hands them out.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite, HealthWrite, ReplayWrite};
use crate::domain::figures::{Figure, FigureWrite};
use crate::store::{Result, codec};

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// Records are summed up by a part of the hash of their key, so that the one that differs is found again among few.
pub(super) const BUCKETS: usize = 4096;

/// A record as it is compared.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// The hash of its key. Keys hold people's ids.
    pub key: Hash,
    /// The hash of all of it.
    pub record: Hash,
}

impl Entry {
    fn new(key: &[&[u8]], record: &[u8]) -> Self {
        let key: Hash = Sha256::digest(key.concat()).into();
        Self { key, record: Sha256::new().chain_update(key).chain_update(record).finalize().into() }
    }

    /// The bucket that it is summed up in.
    pub(super) fn bucket(&self) -> usize {
        usize::from(u16::from_be_bytes([self.key[0], self.key[1]]) >> 4)
    }
}

/// The records that `changes` write, whose keys are as in errors of the store.
pub(super) fn entries(changes: &ChangeSet) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut add = |key: &[&[u8]], record: &[u8]| entries.push(Entry::new(key, record));
    for event in &changes.events {
        add(&[b"e", &event.id.to_bytes()], &packed(event)?);
    }
    for write in &changes.profiles {
        add(&[b"p", write.profile.key.as_str().as_bytes()], &packed(&write.profile)?);
    }
    for write in &changes.leaf_pages {
        let owner = write.owner.as_str().as_bytes();
        let page = write.page.as_deref().unwrap_or_default();
        add(&[b"l", owner, &write.leaf.to_bytes(), &write.number.to_be_bytes()], page);
    }
    for write in &changes.seen {
        add(&[b"h", write.user.as_str().as_bytes(), &write.message], &packed(&write.at)?);
    }
    for write in &changes.external_ids {
        add(&[b"i", &packed(&(&write.kind, &write.id, &write.user))?], &[]);
    }
    for journey in &changes.archived {
        add(&[b"j", &journey.id.to_bytes()], &packed(journey)?);
    }
    for write in &changes.memberships {
        add(&[b"m", &packed(&(&write.audience_id, &write.user))?], &packed(&write.since)?);
    }
    for write in &changes.sizes {
        let point = write.point;
        let key = packed(&(&write.audience_id, write.per.as_str(), point.start))?;
        add(&[b"z", &key], &packed(&(point.entered, point.exited, point.size))?);
    }
    for FigureWrite { figure, grain, start, count } in &changes.figure_points {
        let Figure { family, subject, detail } = figure;
        let key = packed(&(family.as_str(), subject, grain.as_str(), start, detail))?;
        add(&[b"n", &key], &count.to_be_bytes());
    }
    for write in &changes.deliveries {
        add(&[b"d", &write.delivery.id.to_bytes()], &packed(&write.delivery)?);
    }
    few(changes, &mut add)?;
    Ok(entries)
}

fn few(changes: &ChangeSet, add: &mut impl FnMut(&[&[u8]], &[u8])) -> Result<()> {
    for write in &changes.definitions {
        if let DefinitionWrite::Put(definition) = write {
            let key = [b"f", definition.kind().as_str().as_bytes(), b"\0", definition.key().as_bytes()];
            add(&key, &codec::encode_json(name, definition)?);
        }
    }
    for write in &changes.backfills {
        if let BackfillWrite::Put(backfill) = write {
            add(&[b"b", &backfill.id.to_bytes()], &packed(backfill)?);
        }
    }
    for write in &changes.healths {
        if let HealthWrite::Put(health) = write {
            add(&[b"y", health.destination.as_bytes()], &packed(health)?);
        }
    }
    for write in &changes.replays {
        if let ReplayWrite::Put(replay) = write {
            add(&[b"r", &replay.id.to_bytes()], &packed(replay)?);
        }
    }
    changes.unknown_flows.iter().for_each(|flow| add(&[b"u", flow.as_bytes()], &[]));
    changes.admin_token_hash.iter().for_each(|hash| add(&[b"k"], hash.as_bytes()));
    for write in &changes.entries {
        let value = write.value.as_deref().unwrap_or_default();
        add(&[b"g", write.shelf.as_str().as_bytes(), b"\0", write.key.as_bytes()], value);
    }
    Ok(())
}

fn packed<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    codec::encode_into(Vec::with_capacity(512), name, record)
}

fn name() -> String {
    "a record that is compared".to_owned()
}

/// The records of a bucket, summed up.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    /// The sum of their hashes, in four parts that wrap around.
    hashes: [u64; 4],
}

/// The records of a kind, summed up.
pub(super) struct Digest {
    buckets: Vec<Sum>,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { buckets: vec![Sum::default(); BUCKETS] }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let sum = &mut self.buckets[entry.bucket()];
        sum.count += 1;
        let (parts, _) = entry.record.as_chunks::<8>();
        for (total, part) in sum.hashes.iter_mut().zip(parts) {
            *total = total.wrapping_add(u64::from_be_bytes(*part));
        }
    }

    /// How many records there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|sum| sum.count).sum()
    }

    /// The checksum over all of them, as people compare it.
    pub(super) fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        for sum in &self.buckets {
            hash.update(sum.count.to_be_bytes());
            sum.hashes.iter().for_each(|part| hash.update(part.to_be_bytes()));
        }
        hex::encode(&hash.finalize()[..8])
    }

    /// The first bucket that is not the same.
    pub(super) fn first_difference(&self, other: &Self) -> Option<usize> {
        self.buckets.iter().zip(&other.buckets).position(|(one, other)| one != other)
    }
}
