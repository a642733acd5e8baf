//! The sync of what was committed, on a thread of its own: while the disk writes one commit, the writer decides the next.
//!
//! This is the only thread that flushes, as sled's own flusher would be: several at once can wait for each other for ever.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use ::sled::Db;

use super::disk::panic_text;
use super::progress::Progress;
use crate::store::{Done, StoreError};

/// Commits that may be applied and not yet be synced; the next one waits.
const MOST_UNSYNCED: usize = 4;

/// One commit that was applied.
struct Ticket {
    number: u64,
    done: Done,
}

/// What the thread needs to know of the database.
pub(super) struct Unsynced {
    pub db: Db,
    /// sled's log. Its own flush hands the bytes to the kernel and no further: syncing this makes them outlive a power cut.
    pub file: File,
    pub path: PathBuf,
    pub progress: Arc<Progress>,
    pub stopped: Arc<OnceLock<String>>,
}

/// The thread that syncs; dropping it waits for the last sync.
pub(super) struct Syncer {
    tickets: Option<SyncSender<Ticket>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn start(log: Unsynced) -> std::io::Result<Self> {
        let (tickets, waiting) = sync_channel(MOST_UNSYNCED);
        let thread = thread::Builder::new().name("sync".to_owned()).spawn(move || run(&log, &waiting))?;
        Ok(Self { tickets: Some(tickets), thread: Some(thread) })
    }

    /// Has everything synced up to batch `number`, then calls `done`. Gives `done` back when the thread has ended.
    pub(super) fn sync(&self, number: u64, done: Done) -> Result<(), Done> {
        match &self.tickets {
            Some(tickets) => tickets.send(Ticket { number, done }).map_err(|refused| refused.0.done),
            None => Err(done),
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.tickets.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was said already.
            let _ = thread.join();
        }
    }
}

/// Hands everything that was applied to the kernel.
pub(super) fn flush(db: &Db) -> std::io::Result<()> {
    match catch_unwind(AssertUnwindSafe(|| db.flush())) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(::sled::Error::Io(source))) => Err(source),
        Ok(Err(error)) => Err(std::io::Error::other(error.to_string())),
        Err(panic) => Err(std::io::Error::other(panic_text(panic.as_ref()))),
    }
}

fn run(log: &Unsynced, waiting: &Receiver<Ticket>) {
    while let Ok(first) = waiting.recv() {
        let mut tickets = vec![first];
        tickets.extend(waiting.try_iter());
        let last = tickets.last().map_or(0, |ticket| ticket.number);
        let synced = match log.stopped.get() {
            Some(why) => Err(StoreError::Stopped(why.clone())),
            None => flush(&log.db)
                .and_then(|()| log.file.sync_data())
                .map_err(|source| StoreError::Write { path: log.path.clone(), source }),
        };
        if let Err(error) = &synced {
            let _ = log.stopped.set(error.to_string());
        }
        log.progress.end(last, synced.is_ok());
        for ticket in tickets {
            (ticket.done)(synced.as_ref().copied());
        }
    }
}
