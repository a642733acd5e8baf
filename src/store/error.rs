//! What can go wrong with a store, and what to do about it.

use std::path::PathBuf;

/// What can go wrong with a store. Each message says what to do; none of them ever removes data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{path} is in use by another process; stop that one first (two servers need a --data-dir each)")]
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
    /// Its secrets are sealed under a key that was not given.
    #[error(
        "the secrets in {path} are sealed under another key (its id is {sealed}) than the one given (its id is {given}); \
         give that key as secret_key (STAGEPOST_SECRET_KEY) or secret_key_file (STAGEPOST_SECRET_KEY_FILE), or, beside a new \
         one, as secret_key_previous (STAGEPOST_SECRET_KEY_PREVIOUS); nothing was changed"
    )]
    WrongKey {
        /// The data directory.
        path: PathBuf,
        /// The id of the key that is needed.
        sealed: String,
        /// The id of the one that was given.
        given: String,
    },
    /// What is stored can't be understood.
    ///
    /// A record is named by its kind and the first eight hex digits of the SHA-256 of its key: keys hold people's ids, which
    /// have no business in a log. Whose it is can be checked, though: the key of a profile is `p` and the user's key, so
    /// `printf pu:019mr8mf4r | sha256sum` gives the digits for the user `019mr8mf4r`. The other keys are in `store::sled::keys`.
    #[error(
        "the data in {place} is damaged: {detail}; keep a copy of it and restore a backup, nothing was deleted"
    )]
    Corrupt {
        /// The directory, or the record.
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
    /// A record or its key is longer than what a store keeps. Nothing of the change set was written, and the store goes on.
    #[error(
        "{key}, or its key, has {bytes} bytes, which is more than a store keeps; nothing was written; \
         this is a bug, please report it"
    )]
    TooLarge {
        /// What record; named as in [`Self::Corrupt`].
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// What was to be written was decided on something that is not whole. Nothing of it was written, and the store goes on.
    #[error(
        "{place}: {detail}; nothing was written; keep a copy of the data and restore a backup, or report a bug"
    )]
    Unsound {
        /// Whose; named as in [`Self::Corrupt`].
        place: String,
        /// What is missing or can't be read.
        detail: &'static str,
    },
    /// Something that it was decided on is no longer so: another node was first. Nothing was written; read again and decide
    /// again.
    #[error("another node was first: {0} changed meanwhile; nothing was written")]
    Conflict(&'static str),
    /// The database can't be reached, or went away before it answered. It is tried again by itself.
    #[error("the database {place} can't be reached: {detail}")]
    Away {
        /// Where, without user and password.
        place: String,
        /// What was said.
        detail: String,
    },
    /// The database is there, and was too busy for this: it took too long, or found no order for it among others at the same time.
    #[error("the database {place} takes too long: {detail}; try again in a moment")]
    Overloaded {
        /// Where, without user and password.
        place: String,
        /// What was said.
        detail: String,
    },
    /// The database refuses what is asked of it at the start: its URL is no URL, the password is wrong, a right or a table is missing.
    #[error("can't use the database {place}: {detail}")]
    Refused {
        /// Where, without user and password.
        place: String,
        /// What is wrong, in the database's own words where it said it.
        detail: String,
    },
    /// A cursor that no page ever handed out.
    #[error("`{0}` is not a cursor of this list")]
    Cursor(String),
}

impl StoreError {
    /// The same error for one more of those who wait (what the system said can't be copied, but its kind and text can).
    pub(super) fn told_again(&self) -> Self {
        match self {
            Self::Write { path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Self::Write { path: path.clone(), source }
            }
            Self::Conflict(what) => Self::Conflict(what),
            Self::Away { place, detail } => Self::Away { place: place.clone(), detail: detail.clone() },
            Self::Overloaded { place, detail } => {
                Self::Overloaded { place: place.clone(), detail: detail.clone() }
            }
            other => Self::Stopped(other.to_string()),
        }
    }

    /// Whether the same call may well succeed in a moment, though nothing about it is changed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Away { .. } | Self::Overloaded { .. })
    }

    /// Whether it is about this one change set, and would be as it is however often it was tried.
    pub fn is_about_this(&self) -> bool {
        !self.is_fatal() && !self.is_passing()
    }

    /// Whether the store is of no use any more. Where not, the one call was refused: nothing was written, nothing is wrong with
    /// what is stored, and the next call may well succeed.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::TooLarge { .. }
            | Self::Unsound { .. }
            | Self::Cursor(_)
            | Self::Conflict(_)
            | Self::Away { .. }
            | Self::Overloaded { .. } => false,
            Self::Locked { .. }
            | Self::Unreadable { .. }
            | Self::Newer { .. }
            | Self::WrongKey { .. }
            | Self::Corrupt { .. }
            | Self::Write { .. }
            | Self::Refused { .. }
            | Self::Stopped(_) => true,
        }
    }
}
