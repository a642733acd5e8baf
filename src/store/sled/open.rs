//! Opening a data directory, and everything that may be wrong with one. Nothing is ever deleted here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::Duration;

use ::sled::{Batch, Config, Db};

use super::counts::Totals;
use super::disk::{Disk, panic_text};
use super::figures::Held;
use super::marker::{self, Marker};
use super::progress::Progress;
use super::segments::{self, Log};
use super::single::Single;
use super::sync::{Syncer, Unsynced, flush};
use super::upgrade::{DATA_VERSION, UPGRADES, Upgrade};
use super::{codec, keys};
use crate::store::seal::Sealer;
use crate::store::{Result, StoreError};

/// How long sled may take to let go of a log that this process closed just now.
const CLOSING: u32 = 40;
const CLOSING_STEP: Duration = Duration::from_millis(50);

impl Disk {
    /// Opens the database in `path`, and makes it where there is none.
    pub(super) fn open(path: &Path, cache_bytes: u64, sealer: Sealer) -> Result<Self> {
        let unreadable = |source| StoreError::Unreadable { path: path.to_owned(), source };
        let marker = marker::read(path)?;
        if let Some(marker) = marker.as_ref().filter(|marker| marker.version > DATA_VERSION) {
            return Err(newer(path, marker.version));
        }
        let sealed = marker.as_ref().and_then(|marker| marker.key.clone());
        if let Some(sealed) = sealed.filter(|id| !sealer.knows(id)) {
            let given = sealer.key_id().to_string();
            return Err(StoreError::WrongKey { path: path.to_owned(), sealed, given });
        }
        let is_new_dir = !path.exists();
        // What is kept there is people's data; a directory that is there already stays as it is.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unreadable)?;
        let lock = lock(path)?;
        check_log(path, marker.is_some())?;
        let db = open_sled(path, cache_bytes)?;
        let log = File::open(path.join("db")).map_err(unreadable)?;
        let progress = Arc::new(Progress::default());
        let stopped = Arc::new(OnceLock::new());
        let syncer = Syncer::start(Unsynced {
            db: db.clone(),
            file: log.try_clone().map_err(unreadable)?,
            path: path.to_owned(),
            progress: Arc::clone(&progress),
            stopped: Arc::clone(&stopped),
        });
        let disk = Self {
            syncer: syncer.map_err(unreadable)?,
            path: path.to_owned(),
            log,
            db: Some(db),
            gate: RwLock::new(()),
            commit: Mutex::new(()),
            progress,
            single: Single::default(),
            sealer,
            totals: Mutex::new(Totals::default()),
            held: Mutex::new(Held::default()),
            stopped,
            _lock: lock,
        };
        disk.guarded(|disk| disk.check_data(marker.as_ref(), is_new_dir))?;
        Ok(disk)
    }

    /// Checks the keys, the version and the totals, and writes the latter where the database is new.
    fn check_data(&self, marker: Option<&Marker>, is_new_dir: bool) -> Result<()> {
        self.check_keys()?;
        match (self.data_version()?, marker) {
            (Some(found), _) if found > DATA_VERSION => return Err(newer(&self.path, found)),
            (Some(found), _) => self.upgrade(found, UPGRADES)?,
            (None, Some(_)) => return Err(self.damaged("its log holds nothing, but there was data in it")),
            (None, None) if !self.db().is_empty() => {
                return Err(self.damaged("its database was not written by stagepost"));
            }
            (None, None) => self.create(is_new_dir)?,
        }
        self.seal_anew()?;
        let totals = Totals::load(self)?;
        let commits = totals.commits();
        if let Some(marker) = marker.filter(|marker| marker.commits > commits) {
            return Err(self.damaged(&format!(
                "its log holds {commits} commits, but there were {} when it was last opened",
                marker.commits
            )));
        }
        *self.totals() = totals;
        // The log may hold a commit that was never acknowledged, because the process died between the kernel and the disk. The
        // marker counts it, so it has to be on the disk first; and so has what sled mended at the log's end.
        let synced = self.log.sync_data().and_then(|()| marker::sync_dir(&self.path));
        synced.map_err(|source| StoreError::Write { path: self.path.clone(), source })?;
        let key = Some(self.sealer.key_id().to_string());
        marker::write(&self.path, &Marker { version: DATA_VERSION, commits, key })
    }

    fn damaged(&self, detail: &str) -> StoreError {
        StoreError::Corrupt { place: self.path.display().to_string(), detail: detail.to_owned() }
    }

    fn data_version(&self) -> Result<Option<u32>> {
        let Some(row) = self.get(keys::VERSION)? else { return Ok(None) };
        Ok(Some(u32::from_be_bytes(codec::fixed(keys::VERSION, &row)?)))
    }

    fn set_data_version(&self, version: u32) -> Result<()> {
        let mut batch = Batch::default();
        batch.insert(keys::VERSION, &version.to_be_bytes());
        let written = self.apply(batch).and_then(|()| flush(self.db())).and_then(|()| self.log.sync_data());
        written.map_err(|source| StoreError::Write { path: self.path.clone(), source })
    }

    /// Runs the upgrades that `found` still lacks, each followed by its version, so that one that was cut short runs again.
    fn upgrade(&self, found: u32, upgrades: &[Upgrade]) -> Result<()> {
        if found == 0 {
            return Err(self.damaged("there is no data version 0"));
        }
        for (version, upgrade) in (1..).zip(upgrades).filter(|(version, _)| *version >= found) {
            upgrade(self)?;
            self.set_data_version(version + 1)?;
        }
        Ok(())
    }

    /// Writes the first record, and syncs every name that was made on the way.
    fn create(&self, is_new_dir: bool) -> Result<()> {
        self.set_data_version(DATA_VERSION)?;
        let sync = || {
            File::open(self.path.join("conf"))?.sync_all()?;
            marker::sync_dir(&self.path)?;
            match self.path.parent() {
                Some(parent) if is_new_dir && parent.as_os_str().is_empty() => {
                    marker::sync_dir(Path::new("."))
                }
                Some(parent) if is_new_dir => marker::sync_dir(parent),
                _ => Ok(()),
            }
        };
        sync().map_err(|source| StoreError::Write { path: self.path.clone(), source })
    }
}

fn newer(path: &Path, found: u32) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: DATA_VERSION }
}

/// Keeps other processes out of `path`, and waits for sled to let go of what this process closed.
fn lock(path: &Path) -> Result<File> {
    let unreadable = |source| StoreError::Unreadable { path: path.to_owned(), source };
    let name = path.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(name).map_err(unreadable)?;
    for _ in 0..CLOSING {
        let free = match lock.try_lock() {
            Ok(()) => is_log_free(path).map_err(unreadable)?,
            // A lock of ours is let go at once; that of another process means what it says.
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => return Err(unreadable(source)),
        };
        if free {
            return Ok(lock);
        }
        thread::sleep(CLOSING_STEP);
    }
    Err(StoreError::Locked { path: path.to_owned() })
}

/// Whether nobody holds sled's own lock.
fn is_log_free(path: &Path) -> io::Result<bool> {
    let log = match File::open(path.join("db")) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match log.try_lock() {
        Ok(()) => log.unlock().map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Refuses a log that sled would misread.
fn check_log(path: &Path, has_data: bool) -> Result<()> {
    let unreadable = |source| StoreError::Unreadable { path: path.to_owned(), source };
    let name = path.join("db");
    let found = match File::open(&name) {
        Ok(log) => segments::inspect(&log).map_err(unreadable)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Log::Empty,
        Err(source) => return Err(unreadable(source)),
    };
    let detail = match found {
        Log::Damaged(at) => format!("a segment's header at byte {at} is not sound"),
        Log::Empty if has_data => "the file is empty or missing, but there was data in it".to_owned(),
        Log::Empty | Log::Sound => return Ok(()),
    };
    Err(StoreError::Corrupt { place: name.display().to_string(), detail })
}

fn open_sled(path: &Path, cache_bytes: u64) -> Result<Db> {
    // No flusher thread: every commit flushes, and the thread dies silently on an error. sled's `mode` does nothing in 0.34.
    let config = Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None);
    let damaged = |detail: String| StoreError::Corrupt { place: path.display().to_string(), detail };
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(::sled::Error::Io(source))) => Err(StoreError::Unreadable { path: path.to_owned(), source }),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        // sled asserts on much of what it reads.
        Err(panic) => Err(damaged(panic_text(panic.as_ref()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_a(disk: &Disk) -> Result<()> {
        disk.db().insert(b"u-steps", b"a").map(drop).map_err(|error| disk.read_error(error))
    }

    fn step_b(disk: &Disk) -> Result<()> {
        let before = disk.get(b"u-steps")?.unwrap_or_default();
        let after = [&before[..], b"b"].concat();
        disk.db().insert(b"u-steps", after).map(drop).map_err(|error| disk.read_error(error))
    }

    #[test]
    fn upgrades_run_in_order_and_only_those_that_lack() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), 1 << 20, Sealer::for_tests()).unwrap();
        disk.upgrade(1, &[step_a, step_b]).unwrap();
        assert_eq!(disk.get(b"u-steps").unwrap().unwrap(), b"ab");
        assert_eq!(disk.data_version().unwrap(), Some(3));
        disk.upgrade(2, &[step_a, step_b]).unwrap();
        assert_eq!(disk.get(b"u-steps").unwrap().unwrap(), b"abb");
        assert!(matches!(disk.upgrade(0, &[]), Err(StoreError::Corrupt { .. })));
    }
}
