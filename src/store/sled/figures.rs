//! Figures over time: a row for each subject and minute, hour or day, with all its details. Those that are counted on are held in
//! memory, so that a commit reads nothing.

use std::collections::{BTreeMap, HashMap};

use ::sled::IVec;

use super::disk::{Disk, Old, PIECE, Writes};
use super::{codec, keys};
use crate::domain::change::ChangeSet;
use crate::domain::figures::{Family, Figure, FigurePoint, FigureWrite, Grain, OldestFigures};
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::{RecordPart, Result, StoreError};

/// Details that are held in memory, of all rows together; when there are more, all are read anew as they are counted on.
const HELD: usize = 50_000;

/// What was counted of each detail.
#[derive(Debug, Default)]
struct Row {
    details: BTreeMap<String, i64>,
    /// Bytes of it on the disk.
    length: usize,
}

impl Row {
    /// A detail shares its beginning with the one before it: how many bytes, what follows them, and how often it was counted. Names of
    /// stages come with each of their waiting times.
    fn pack(&self, key: &[u8]) -> Result<Vec<u8>> {
        let mut before = "";
        let mut packed: Vec<(usize, &str, i64)> = Vec::with_capacity(self.details.len());
        for (detail, count) in &self.details {
            let pairs = before.char_indices().zip(detail.chars()).find(|((_, one), other)| one != other);
            let shared = pairs.map_or(before.len().min(detail.len()), |((at, _), _)| at);
            packed.push((shared, &detail[shared..], *count));
            before = detail;
        }
        codec::encode(key, &packed)
    }

    fn unpack(key: &[u8], record: &[u8]) -> Result<Self> {
        let packed: Vec<(usize, String, i64)> = codec::decode(key, record)?;
        let mut details = BTreeMap::new();
        let mut before = String::new();
        for (shared, rest, count) in packed {
            let shared = before.get(..shared).ok_or_else(|| codec::corrupt(key, "no detail"))?;
            let detail = format!("{shared}{rest}");
            before.clone_from(&detail);
            details.insert(detail, count);
        }
        Ok(Self { details, length: record.len() })
    }

    fn count(&mut self, detail: &str, change: i64, most: Option<usize>) {
        if let Some(count) = self.details.get_mut(detail) {
            *count += change;
            if *count == 0 {
                self.details.remove(detail);
            }
        } else if change != 0 && most.is_none_or(|most| self.details.len() < most) {
            self.details.insert(detail.to_owned(), change);
        }
    }

    /// Writes it, or removes it where nothing is left.
    fn write(&mut self, key: &[u8], aged: Option<Vec<u8>>, writes: &mut Writes<'_>) -> Result<()> {
        let was = self.length;
        let old = if was > PIECE { Old::Unknown } else { Old::Nothing };
        if self.details.is_empty() {
            self.length = 0;
            if was > 0 {
                aged.into_iter().for_each(|aged| writes.remove(aged));
                writes.delete(key.to_vec())?;
            }
            return Ok(());
        }
        let packed = self.pack(key)?;
        self.length = packed.len();
        if let Some(aged) = aged.filter(|_| was == 0) {
            writes.set(aged, &[]);
        }
        writes.put(key.to_vec(), &packed, old)
    }
}

/// The rows that were counted on last, by their keys, as the newest commit has them. One without details is not there.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: HashMap<Vec<u8>, Row>,
    details: usize,
}

impl Held {
    /// Forgets all: a commit came to nothing.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The row as it is now.
    fn row(&mut self, key: &[u8], disk: &Disk) -> Result<&mut Row> {
        if !self.rows.contains_key(key) {
            let record = disk.record(key)?;
            let row = record.map_or(Ok(Row::default()), |record| Row::unpack(key, &record))?;
            self.details += row.details.len();
            self.rows.insert(key.to_vec(), row);
        }
        Ok(self.rows.get_mut(key).expect("it was put there above"))
    }
}

/// What a commit counts in one row.
struct Touched<'c> {
    /// Its key in the index by age, if it has one.
    aged: Option<Vec<u8>>,
    /// Details, how many more, and how many details there may be for it to come new.
    changes: Vec<(&'c str, i64, Option<usize>)>,
}

/// Forgets what is too old, and counts.
pub(super) fn write(changes: &ChangeSet, writes: &mut Writes<'_>) -> Result<()> {
    let disk = writes.disk;
    let mut held = disk.figures();
    if held.details > HELD {
        held.clear();
    }
    if let Some(oldest) = &changes.forget_figures {
        for key in disk.forget_figures(oldest, writes)? {
            held.rows.insert(key, Row::default());
        }
    }
    for (key, touched) in touched(changes) {
        let row = held.row(&key, disk)?;
        let before = row.details.len();
        touched.changes.iter().for_each(|(detail, change, most)| row.count(detail, *change, *most));
        row.write(&key, touched.aged, writes)?;
        let after = row.details.len();
        held.details = (held.details + after).saturating_sub(before);
    }
    Ok(())
}

fn touched(changes: &ChangeSet) -> BTreeMap<Vec<u8>, Touched<'_>> {
    let counted = changes.counted().map(|(figure, grain, start, change)| {
        let most = figure.family.most_details();
        (figure, grain, start, (figure.detail.as_str(), change, most))
    });
    // As they were elsewhere, however many they are.
    let copied = changes.figure_points.iter().map(|FigureWrite { figure, grain, start, count }| {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        (figure, *grain, *start, (figure.detail.as_str(), count, None))
    });
    let mut rows = BTreeMap::new();
    for (Figure { family, subject, .. }, grain, start, change) in counted.chain(copied) {
        let row = rows.entry(row_key(*family, grain, subject, start)).or_insert_with(|| Touched {
            aged: aged_key(*family, grain, subject, start),
            changes: Vec::new(),
        });
        row.changes.push(change);
    }
    rows
}

/// The key of the row that begins there.
fn row_key(family: Family, grain: Grain, subject: &str, start: Timestamp) -> Vec<u8> {
    keys::join(&keys::figures(family, grain, subject), &[&keys::time(start)])
}

/// Its key in the index by age, if it has one.
fn aged_key(family: Family, grain: Grain, subject: &str, start: Timestamp) -> Option<Vec<u8>> {
    grain.span().map(|_| keys::aged_figure(family, grain, subject, start))
}

/// What rows are set to, by what they are of: family, grain, subject and beginning.
pub(super) type Rows = BTreeMap<(Family, Grain, String, Timestamp), BTreeMap<String, i64>>;

/// Sets whole rows, whatever was there, with as many details as they have room for.
pub(super) fn set_rows(rows: Rows, disk: &Disk) -> Result<()> {
    let rows: Vec<_> = rows.into_iter().collect();
    for some in rows.chunks(limits::UPKEEP_STEP) {
        let mut writes = Writes::new(disk);
        for ((family, grain, subject, start), details) in some {
            let most = family.most_details().unwrap_or(usize::MAX);
            let details = details.iter().take(most).map(|(detail, count)| (detail.clone(), *count)).collect();
            let key = row_key(*family, *grain, subject, *start);
            let aged = aged_key(*family, *grain, subject, *start);
            Row { details, length: 0 }.write(&key, aged, &mut writes)?;
        }
        let (batch, _) = writes.into_batch()?;
        disk.apply(batch).map_err(|source| StoreError::Write { path: disk.path.clone(), source })?;
    }
    Ok(())
}

impl Disk {
    /// Keys of points that began too long ago, in the index by age.
    fn figures_before(&self, oldest: OldestFigures) -> impl Iterator<Item = Result<IVec>> {
        Grain::ALL.into_iter().filter_map(move |grain| Some((grain, oldest.of(grain)?))).flat_map(
            |(grain, oldest)| {
                let from = keys::figures_by_age(grain);
                let to = keys::join(&from, &[&keys::time(oldest)]);
                self.rows(from, to).map(|row| Ok(row?.0))
            },
        )
    }

    pub(super) fn has_figures_before(&self, oldest: &OldestFigures) -> Result<bool> {
        Ok(self.figures_before(*oldest).next().transpose()?.is_some())
    }

    /// Removes what is too old; answers the keys of those rows.
    fn forget_figures(&self, oldest: &OldestFigures, writes: &mut Writes<'_>) -> Result<Vec<Vec<u8>>> {
        let mut gone = Vec::new();
        for aged in self.figures_before(*oldest).take(limits::UPKEEP_STEP) {
            let aged = aged?;
            let key = keys::figure_of_age(&aged).ok_or_else(|| codec::corrupt(&aged, "no figure"))?;
            writes.delete(key.clone())?;
            writes.remove(aged.to_vec());
            gone.push(key);
        }
        Ok(gone)
    }

    pub(super) fn figure_points(
        &self,
        family: Family,
        subject: &str,
        grain: Grain,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<FigurePoint>> {
        let prefix = keys::figures(family, grain, subject);
        let bound = |at| keys::join(&prefix, &[&keys::time(at)]);
        let mut points = Vec::new();
        for row in self.rows(bound(from), bound(to)) {
            let (key, row) = row?;
            let start = keys::read_time(&key[prefix.len()..]);
            let start = start.ok_or_else(|| codec::corrupt(&key, "no time"))?;
            for (detail, count) in self.details(&key, &row)? {
                points.push(FigurePoint { start, detail, count });
            }
        }
        Ok(points)
    }

    /// What was counted of each detail in the row at `key`, which was just read.
    fn details(&self, key: &[u8], row: &IVec) -> Result<Vec<(String, u64)>> {
        let record = self.rest_of(key, row)?;
        let row = record.map_or(Ok(Row::default()), |record| Row::unpack(key, &record))?;
        let counts =
            row.details.into_iter().map(|(detail, count)| Some((detail, u64::try_from(count).ok()?)));
        Ok(counts.flatten().filter(|(_, count)| *count > 0).collect())
    }

    /// Adds the points of one row to a part of all of them.
    pub(super) fn add_figures(&self, key: &[u8], row: &IVec, part: &mut RecordPart) -> Result<()> {
        let (family, grain, subject, start) =
            keys::read_figures(key).ok_or_else(|| codec::corrupt(key, "no figure"))?;
        for (detail, count) in self.details(key, row)? {
            let figure = Figure { family, subject: subject.to_owned(), detail };
            part.add_figure(FigureWrite { figure, grain, start, count });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_row_comes_back(details in proptest::collection::btree_map("[aé:1-3]{0,6}|[^x]{0,9}", any::<i64>(), 0..20)) {
            let row = Row { details, length: 0 };
            let back = Row::unpack(b"n", &row.pack(b"n").unwrap()).unwrap();
            prop_assert_eq!(back.details, row.details);
        }
    }

    #[test]
    fn a_day_of_a_busy_flow_fits_into_one_row() {
        let details = (0..12)
            .flat_map(|stage| (20..90).map(move |step| (format!("a_stage_of_it_{stage}:{step}"), 300)));
        let row = Row { details: details.collect(), length: 0 };
        let bytes = row.pack(b"n").unwrap().len();
        assert!(row.details.len() == 840 && bytes < 2 * PIECE, "{bytes}");
    }
}
