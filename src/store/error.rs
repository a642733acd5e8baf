//! What can go wrong with a store, and what to do about it.

use std::path::PathBuf;

/// What can go wrong with a store. Each message says what to do; none of them ever removes data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{path} is in use by another process; stop that one, or give this one its own --data-dir")]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory or its files can't be opened.
    #[error(
        "can't open the data directory {path}: {source}; check that it exists and who may read and write it"
    )]
    Unreadable {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Written by a newer stagepost.
    #[error(
        "{path} was written by a newer stagepost (data version {found}; this one knows {known}); \
         run that version, nothing was changed"
    )]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// What is stored can't be understood.
    #[error(
        "the data in {place} is damaged: {detail}; keep a copy of it and restore a backup, nothing was deleted"
    )]
    Corrupt {
        /// The directory or the key.
        place: String,
        /// What was found.
        detail: String,
    },
    /// No space is left, or the disk failed.
    #[error(
        "can't write to {path}: {source}; free space or mend the disk, then start again: what was acknowledged is kept"
    )]
    Write {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store failed before and takes nothing any more.
    #[error("the store stopped after an error: {0}")]
    Stopped(String),
    /// A record grew past what a store keeps in one piece.
    #[error(
        "a record of {bytes} bytes ({key}) is larger than a store keeps; this is a bug, please report it"
    )]
    TooLarge {
        /// What record.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// A cursor that no page ever handed out.
    #[error("`{0}` is not a cursor of this list")]
    Cursor(String),
}

impl StoreError {
    /// Whether the store is done for; otherwise only this call was refused and nothing was written.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Cursor(_) => false,
            Self::Locked { .. }
            | Self::Unreadable { .. }
            | Self::Newer { .. }
            | Self::Corrupt { .. }
            | Self::Write { .. }
            | Self::Stopped(_) => true,
        }
    }
}
