//! `stagepost.json` beside the database: that there is data, of what version, and under what key.
//!
//! sled takes a log that it can't read for an empty one. The marker tells the two apart, and lets a newer version or a wrong
//! key be refused before sled, which rewrites the end of its log when it opens it, has touched anything.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::{Result, StoreError};

const NAME: &str = "stagepost.json";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The data version.
    pub version: u32,
    /// How many commits there were when the database was last opened; there can't be fewer now.
    #[serde(default)]
    pub commits: u64,
    /// The id of the key that secrets are sealed under; none before version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The marker in `dir`, if there is one.
pub(super) fn read(dir: &Path) -> Result<Option<Marker>> {
    let path = dir.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::Corrupt {
            place: path.display().to_string(),
            detail: error.to_string(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Unreadable { path: dir.to_owned(), source }),
    }
}

/// Puts `marker` in place of the one in `dir`, whole or not at all.
pub(super) fn write(dir: &Path, marker: &Marker) -> Result<()> {
    let replace = || {
        let fresh = dir.join("stagepost.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(marker).map_err(std::io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(NAME))?;
        sync_dir(dir)
    };
    replace().map_err(|source| StoreError::Write { path: dir.to_owned(), source })
}

/// Makes names that were added to `dir` outlive a power cut.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
