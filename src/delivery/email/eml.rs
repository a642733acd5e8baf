//! Mails as files, where no mail server is set.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::ids::DeliveryId;

/// Writes `mail` to `<folder>/<id>.eml`, whole or not at all; a repetition replaces the same file.
pub(super) fn write(folder: &Path, id: DeliveryId, mail: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{id}.eml"));
    let unfinished = folder.join(format!(".{id}.eml.part"));
    let mut file = File::create(&unfinished)?;
    file.write_all(mail)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}
