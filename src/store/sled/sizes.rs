//! Sizes of audiences over time: a row per hour and one per day in which somebody entered or left, written with the
//! memberships.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ::sled::IVec;

use super::counts::Delta;
use super::disk::{Disk, Writes};
use super::{codec, keys};
use crate::domain::change::ChangeSet;
use crate::domain::limits;
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::Timestamp;
use crate::store::Result;

/// Who entered and left an audience within one commit.
#[derive(Default)]
pub(super) struct Moves {
    entered: u64,
    exited: u64,
}

impl Moves {
    /// Somebody was in or not, and is in or not.
    pub(super) fn count(&mut self, was_in: bool, is_in: bool) {
        self.entered += u64::from(!was_in && is_in);
        self.exited += u64::from(was_in && !is_in);
    }
}

/// What a row holds: its point without the instant, which is in the key.
fn pack(point: &SizePoint) -> Vec<u8> {
    [point.entered, point.exited, point.size].map(u64::to_be_bytes).concat()
}

fn unpack(key: &[u8], start: Timestamp, row: &IVec) -> Result<SizePoint> {
    let bytes: [u8; 24] = codec::fixed(key, row)?;
    let (numbers, _) = bytes.as_chunks::<8>();
    let [entered, exited, size] = [0, 1, 2].map(|place: usize| u64::from_be_bytes(numbers[place]));
    Ok(SizePoint { start, entered, exited, size })
}

/// Forgets what is too old, counts `moves` in, and removes rows of the audiences that are gone.
pub(super) fn write(
    changes: &ChangeSet,
    moves: &BTreeMap<&str, Moves>,
    writes: &mut Writes<'_>,
    delta: &mut Delta,
) -> Result<()> {
    let mut gone = Gone::default();
    if let Some((hours_before, days_before)) = changes.forget_sizes_before {
        gone.forget(hours_before, days_before, writes)?;
    }
    for (audience_id, moves) in moves {
        let is_gone = changes.drop_members.iter().any(|gone| gone == audience_id);
        if moves.entered + moves.exited > 0 && changes.at != Timestamp::default() && !is_gone {
            let change = delta.members.get(*audience_id).copied().unwrap_or(0);
            let size = writes.disk.totals().members(audience_id).saturating_add_signed(change);
            for per in Per::ALL {
                let start = per.start_of(changes.at);
                let point = SizePoint { start, entered: moves.entered, exited: moves.exited, size };
                count_in(audience_id, per, point, &gone, writes)?;
            }
            delta.sized.insert((*audience_id).to_owned(), true);
        }
    }
    for write in &changes.sizes {
        let key = keys::join(&keys::sizes(write.per, &write.audience_id), &[&keys::time(write.point.start)]);
        writes.set(key, pack(&write.point));
        delta.sized.insert(write.audience_id.clone(), true);
    }
    for audience_id in &changes.drop_members {
        gone.drop(audience_id, changes.drop_members_limit, writes)?;
    }
    for audience_id in &gone.audiences {
        if !gone.leaves_any_of(audience_id, writes.disk)? {
            delta.sized.entry(audience_id.clone()).or_insert(false);
        }
    }
    Ok(())
}

/// Adds `point` to the row of its hour or day.
fn count_in(
    audience_id: &str,
    per: Per,
    point: SizePoint,
    gone: &Gone,
    writes: &mut Writes<'_>,
) -> Result<()> {
    let key = keys::join(&keys::sizes(per, audience_id), &[&keys::time(point.start)]);
    let row = if gone.rows.contains(&key) { None } else { writes.disk.get(&key)? };
    let was = row.map(|row| unpack(&key, point.start, &row)).transpose()?;
    let (entered, exited) = was.map_or((0, 0), |was| (was.entered, was.exited));
    let sum = SizePoint { entered: entered + point.entered, exited: exited + point.exited, ..point };
    writes.set(key, pack(&sum));
    Ok(())
}

/// Rows that a commit removes.
#[derive(Default)]
struct Gone {
    rows: HashSet<Vec<u8>>,
    /// Audiences that may have lost their last row.
    audiences: BTreeSet<String>,
}

impl Gone {
    fn forget(
        &mut self,
        hours_before: Timestamp,
        days_before: Timestamp,
        writes: &mut Writes<'_>,
    ) -> Result<()> {
        for row in writes.disk.sizes_before(hours_before, days_before).take(limits::UPKEEP_STEP) {
            let (audience_id, key) = row?;
            writes.remove(key.to_vec());
            self.rows.insert(key.to_vec());
            self.audiences.insert(audience_id);
        }
        Ok(())
    }

    fn drop(&mut self, audience_id: &str, limit: usize, writes: &mut Writes<'_>) -> Result<()> {
        let mut left = limit;
        for per in Per::ALL {
            for row in writes.disk.rows_of(&keys::sizes(per, audience_id)) {
                let (key, _) = row?;
                if left == 0 {
                    break;
                }
                if self.rows.insert(key.to_vec()) {
                    writes.remove(key.to_vec());
                    left -= 1;
                }
            }
        }
        self.audiences.insert(audience_id.to_owned());
        Ok(())
    }

    /// Whether the store has a row of that audience that stays.
    fn leaves_any_of(&self, audience_id: &str, disk: &Disk) -> Result<bool> {
        for per in Per::ALL {
            for row in disk.rows_of(&keys::sizes(per, audience_id)) {
                if !self.rows.contains(row?.0.as_ref()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Ids of the audiences that have rows; looks at one row of each.
pub(super) fn audiences(disk: &Disk) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for per in Per::ALL {
        let letter = [keys::letter_of_sizes(per)];
        let (mut from, to) = (letter.to_vec(), keys::end(&letter));
        while let Some(row) = disk.rows(from, to.clone()).next() {
            let (key, _) = row?;
            let id = keys::read_sized(&key).ok_or_else(|| codec::corrupt(&key, "no audience"))?;
            from = keys::end(&keys::sizes(per, id));
            found.insert(id.to_owned());
        }
    }
    Ok(found)
}

impl Disk {
    /// The rows that began too long ago, with their audience: those of the first audience first, its hours before its days.
    fn sizes_before(
        &self,
        hours_before: Timestamp,
        days_before: Timestamp,
    ) -> impl Iterator<Item = Result<(String, IVec)>> {
        let audiences: Vec<String> = self.totals().sized.iter().cloned().collect();
        audiences.into_iter().flat_map(move |audience_id| {
            [(Per::Hour, hours_before), (Per::Day, days_before)].into_iter().flat_map(move |(per, before)| {
                let from = keys::sizes(per, &audience_id);
                let to = keys::join(&from, &[&keys::time(before)]);
                let audience_id = audience_id.clone();
                self.rows(from, to).map(move |row| Ok((audience_id.clone(), row?.0)))
            })
        })
    }

    pub(super) fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> Result<bool> {
        Ok(self.sizes_before(hours_before, days_before).next().transpose()?.is_some())
    }

    pub(super) fn audience_sizes(
        &self,
        audience_id: &str,
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SizePoint>> {
        let prefix = keys::sizes(per, audience_id);
        let bound = |at| keys::join(&prefix, &[&keys::time(at)]);
        let rows = self.rows(bound(from), bound(to));
        rows.map(|row| {
            let (key, row) = row?;
            let start = keys::read_time(&key[prefix.len()..]);
            unpack(&key, start.ok_or_else(|| codec::corrupt(&key, "no time"))?, &row)
        })
        .collect()
    }
}
