//! The tree, read and written as records. A record longer than [`PIECE`] is kept in several rows.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use ::sled::{Batch, Db, IVec};

use super::codec::corrupt;
use super::counts::Totals;
use super::figures::Held;
use super::keys;
use super::progress::Progress;
use super::single::Single;
use super::sync::Syncer;
use crate::store::seal::Sealer;
use crate::store::{Result, StoreError};

/// Most bytes in one row. sled writes a leaf of the tree in one message; a message over [`MAX_MESSAGE`] goes to a file of its
/// own that sled never syncs and may never remove. Rows of this size keep every leaf below that.
pub(super) const PIECE: usize = 5 * 1024;
/// Most bytes of a key. The longest that the limits on ids and names allow is about 770 bytes.
pub(super) const MAX_KEY: usize = 1024;
/// Most bytes of what sled keeps in its log: a quarter of a segment without the segment's header.
const MAX_MESSAGE: usize = 512 * 1024 / 4 - 20;
/// Most rows of a leaf: one that is about to be split has 17, and may have been given the 3 of a neighbour that emptied.
const MAX_LEAF_ROWS: usize = 17 + 3;
/// Most bytes in front of what a record's first row holds of it.
const FORM: usize = 3;
/// What a row takes beside its key and its piece: the form of the record and two lengths.
const ROW_HEAD: usize = FORM + 2 * 4;
/// What a message takes beside its rows and the two keys that bound them.
const MESSAGE_HEAD: usize = 32 + 64;
const _: () =
    assert!(MAX_LEAF_ROWS * (PIECE + MAX_KEY + ROW_HEAD) + 2 * MAX_KEY + MESSAGE_HEAD <= MAX_MESSAGE);
/// Most bytes of one record.
pub(super) const MAX_RECORD: usize = 1024 * 1024;

/// First byte of a record in one row: the version of its form.
const WHOLE: u8 = 1;
/// First byte of a record in several rows; the number of further ones follows.
const PIECES: u8 = 0x81;

/// An open database.
pub(super) struct Disk {
    /// Let go first: it waits for the last sync.
    pub syncer: Syncer,
    pub path: PathBuf,
    /// `None` only while dropping.
    pub db: Option<Db>,
    /// sled's log, opened once more: sled's own flush does not sync it.
    pub log: File,
    /// Held while a batch is applied, so that whoever reads several rows of one record sees them all of one commit.
    pub gate: RwLock<()>,
    /// Held while a commit is applied: no two overlap.
    pub commit: Mutex<()>,
    /// What of that which can be read is on the disk.
    pub progress: Arc<Progress>,
    /// Of what the writer has read, the records in one row.
    pub single: Single,
    /// For records that may hold secrets.
    pub sealer: Sealer,
    pub totals: Mutex<Totals>,
    /// The figures that are counted on just now.
    pub held: Mutex<Held>,
    /// Why nothing is taken any more.
    pub stopped: Arc<OnceLock<String>>,
    /// Keeps other processes out; let go after the database.
    pub _lock: File,
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.stopped.get().is_some() {
            // sled would try to write and sync once more, and panic where it can't.
            std::mem::forget(self.db.take());
        }
    }
}

/// The text of a panic.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic in sled".to_owned())
}

impl Disk {
    pub(super) fn db(&self) -> &Db {
        self.db.as_ref().expect("taken only by drop")
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn figures(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read`; a panic of sled's (it asserts on what it reads from the disk) becomes an error.
    pub(super) fn guarded<T>(&self, read: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(|| read(self))).unwrap_or_else(|panic| {
            Err(StoreError::Corrupt {
                place: self.path.display().to_string(),
                detail: panic_text(panic.as_ref()),
            })
        })
    }

    /// What a failed read means.
    pub(super) fn read_error(&self, error: ::sled::Error) -> StoreError {
        match error {
            ::sled::Error::Io(source) => StoreError::Unreadable { path: self.path.clone(), source },
            other => {
                StoreError::Corrupt { place: self.path.display().to_string(), detail: other.to_string() }
            }
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>> {
        self.db().get(key).map_err(|error| self.read_error(error))
    }

    /// The rows from `from` up to, not including, `to`.
    pub(super) fn rows(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec)>> {
        // sled panics on a range that ends before it begins.
        let to = to.max(from.clone());
        self.db().range(from..to).map(|row| row.map_err(|error| self.read_error(error)))
    }

    /// The rows whose keys begin with `prefix`.
    pub(super) fn rows_of<'d>(
        &'d self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec)>> + use<'d> {
        self.rows(prefix.to_vec(), keys::end(prefix))
    }

    /// The record at `key`.
    pub(super) fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.get(key)? {
            Some(row) => self.rest_of(key, &row),
            None => Ok(None),
        }
    }

    /// The record at `key`, for the writer, who is about to write it again.
    pub(super) fn record_to_write(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let commits = self.single.commits();
        let Some(row) = self.get(key)? else { return Ok(None) };
        let record = self.rest_of(key, &row)?;
        if record.is_some() && row.first() == Some(&WHOLE) {
            self.single.remember(key.to_vec(), commits);
        }
        Ok(record)
    }

    /// The record at `key`, of which `row` was just read; `None` where it is gone meanwhile.
    pub(super) fn rest_of(&self, key: &[u8], row: &IVec) -> Result<Option<Vec<u8>>> {
        if let Some((&WHOLE, record)) = row.split_first() {
            return Ok(Some(record.to_vec()));
        }
        // In several rows: all read between two commits, the first one too.
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = self.get(key)? else { return Ok(None) };
        let (further, first) = read_head(key, &row)?;
        let mut record = first.to_vec();
        for number in 0..further {
            let piece = self.get(&keys::piece(key, number))?;
            let piece = piece.ok_or_else(|| corrupt(key, format!("its piece {number} is missing")))?;
            record.extend_from_slice(&piece);
        }
        Ok(Some(record))
    }
}

/// How many further rows a record has, and what the first one holds of it.
fn read_head<'r>(key: &[u8], row: &'r IVec) -> Result<(u16, &'r [u8])> {
    match row.as_ref() {
        [WHOLE, record @ ..] => Ok((0, record)),
        [PIECES, high, low, first @ ..] => Ok((u16::from_be_bytes([*high, *low]), first)),
        [form, ..] => Err(corrupt(key, format!("unknown form {form} of a record"))),
        [] => Err(corrupt(key, "empty")),
    }
}

/// What was at a key before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Old {
    /// Nothing: the record is new.
    Nothing,
    /// Perhaps a record.
    Unknown,
}

fn too_large(key: &[u8], bytes: usize) -> StoreError {
    StoreError::TooLarge { key: format!("the record `{}`", keys::describe(key)), bytes }
}

/// The writes of one commit, as they come together.
pub(super) struct Writes<'d> {
    pub disk: &'d Disk,
    batch: Batch,
    /// Rows in the batch.
    written: usize,
    /// A row that is larger than rows may be: the batch is not to be written.
    too_large: Option<StoreError>,
}

impl<'d> Writes<'d> {
    pub(super) fn new(disk: &'d Disk) -> Self {
        Self { disk, batch: Batch::default(), written: 0, too_large: None }
    }

    /// The batch and the number of its rows, if all of it may be written.
    pub(super) fn into_batch(self) -> Result<(Batch, usize)> {
        match self.too_large {
            Some(error) => Err(error),
            None => Ok((self.batch, self.written)),
        }
    }

    /// Sets a row that is no record: of an index, a pointer, a piece.
    pub(super) fn set(&mut self, key: Vec<u8>, value: impl Into<IVec>) {
        self.written += 1;
        let value = value.into();
        if key.len() > MAX_KEY || value.len() > PIECE + FORM {
            self.too_large.get_or_insert_with(|| too_large(&key, key.len().max(value.len())));
        } else {
            self.batch.insert(key, value);
        }
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.written += 1;
        self.batch.remove(key);
    }

    /// Writes a record.
    pub(super) fn put(&mut self, key: Vec<u8>, record: &[u8], old: Old) -> Result<()> {
        if record.len() > MAX_RECORD {
            return Err(too_large(&key, record.len()));
        }
        let first = record.len().min(PIECE);
        let pieces = record[first..].chunks(PIECE);
        let further = u16::try_from(pieces.len()).expect("MAX_RECORD / PIECE fits 16 bits");
        self.drop_pieces(&key, further, old)?;
        for (number, piece) in (0..).zip(pieces) {
            self.set(keys::piece(&key, number), piece);
        }
        let mut row = Vec::with_capacity(first + FORM);
        if further == 0 {
            row.push(WHOLE);
        } else {
            row.push(PIECES);
            row.extend_from_slice(&further.to_be_bytes());
        }
        row.extend_from_slice(&record[..first]);
        self.set(key, row);
        Ok(())
    }

    /// Removes a record.
    pub(super) fn delete(&mut self, key: Vec<u8>) -> Result<()> {
        self.drop_pieces(&key, 0, Old::Unknown)?;
        self.remove(key);
        Ok(())
    }

    /// Removes a record whose first row was just read.
    pub(super) fn delete_read(&mut self, key: Vec<u8>, row: &IVec) {
        self.drop_pieces_of(&key, row, 0);
        self.remove(key);
    }

    /// Removes the old record's pieces from number `kept` on.
    fn drop_pieces(&mut self, key: &[u8], kept: u16, old: Old) -> Result<()> {
        if old == Old::Nothing || self.disk.single.knows(key) {
            return Ok(());
        }
        if let Some(row) = self.disk.get(key)? {
            self.drop_pieces_of(key, &row, kept);
        }
        Ok(())
    }

    /// The same of a record whose first row was just read.
    fn drop_pieces_of(&mut self, key: &[u8], row: &IVec, kept: u16) {
        if let [PIECES, high, low, ..] = row.as_ref() {
            for number in kept..u16::from_be_bytes([*high, *low]) {
                self.remove(keys::piece(key, number));
            }
        }
    }
}
