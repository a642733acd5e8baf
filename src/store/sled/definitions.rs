//! Definitions, of which those that may hold secrets are sealed.

use std::collections::BTreeMap;

use super::codec;
use super::disk::{Disk, Old, Writes};
use super::keys;
use super::sync::flush;
use crate::domain::change::DefinitionWrite;
use crate::domain::definition::{Definition, Kind};
use crate::store::seal::{SealError, is_secret};
use crate::store::{Result, StoreError};

/// Writes the last word on each definition.
pub(super) fn write(changes: &[DefinitionWrite], writes: &mut Writes<'_>) -> Result<()> {
    let mut last = BTreeMap::new();
    for write in changes {
        match write {
            DefinitionWrite::Put(definition) => {
                last.insert((definition.kind(), definition.key()), Some(definition));
            }
            DefinitionWrite::Delete { kind, key } => {
                last.insert((*kind, key), None);
            }
        }
    }
    for ((kind, name), definition) in last {
        match definition {
            Some(definition) => put(definition, writes)?,
            None => writes.delete(keys::definition(kind, name))?,
        }
    }
    Ok(())
}

/// Writes one definition.
pub(super) fn put(definition: &Definition, writes: &mut Writes<'_>) -> Result<()> {
    let key = keys::definition(definition.kind(), definition.key());
    let record = codec::encode_json(&key, definition)?;
    if is_secret(definition.kind()) {
        let sealed = writes.disk.sealer.seal(&key, &record);
        writes.put(key, &sealed, Old::Unknown)
    } else {
        writes.put(key, &record, Old::Unknown)
    }
}

impl Disk {
    /// Every definition, by kind and key.
    pub(super) fn definitions(&self) -> Result<Vec<Definition>> {
        let mut definitions = Vec::new();
        for kind in Kind::ALL {
            definitions.extend(self.definitions_of(kind)?);
        }
        Ok(definitions)
    }

    /// The definitions of that kind, by key.
    pub(super) fn definitions_of(&self, kind: Kind) -> Result<Vec<Definition>> {
        let mut definitions = Vec::new();
        for (key, record) in self.definition_records(kind)? {
            let record = if is_secret(kind) { self.open_seal(&key, &record)? } else { record };
            definitions.push(codec::decode_json(&key, &record)?);
        }
        Ok(definitions)
    }

    /// The records of the definitions of that kind as they are stored, with their keys and in their order.
    fn definition_records(&self, kind: Kind) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut records = Vec::new();
        for row in self.rows_of(&keys::definition(kind, "")) {
            let (key, row) = row?;
            if let Some(record) = self.rest_of(&key, &row)? {
                records.push((key.to_vec(), record));
            }
        }
        Ok(records)
    }

    /// The same of every kind that may hold secrets.
    fn secret_records(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut records = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| is_secret(*kind)) {
            records.extend(self.definition_records(kind)?);
        }
        Ok(records)
    }

    fn open_seal(&self, key: &[u8], record: &[u8]) -> Result<Vec<u8>> {
        self.sealer.open(key, record).map_err(|error| self.seal_error(key, &error))
    }

    fn seal_error(&self, key: &[u8], error: &SealError) -> StoreError {
        match error {
            SealError::Key(sealed) => self.wrong_key(sealed.to_string()),
            SealError::Form | SealError::Broken => codec::corrupt(key, error),
        }
    }

    /// That what is sealed under the key with that id can't be opened.
    fn wrong_key(&self, sealed: String) -> StoreError {
        StoreError::WrongKey { path: self.path.clone(), sealed, given: self.sealer.key_id().to_string() }
    }

    /// Refuses keys that something here is not sealed under. Reads only.
    pub(super) fn check_keys(&self) -> Result<()> {
        for (key, record) in self.secret_records()? {
            self.sealer.is_sealed(&record).map_err(|error| self.seal_error(&key, &error))?;
        }
        Ok(())
    }

    /// Seals what stands here in plain text, as versions before 4 wrote it.
    pub(super) fn seal_plain_records(&self) -> Result<()> {
        let mut plain = Vec::new();
        for (key, record) in self.secret_records()? {
            if !self.sealer.is_sealed(&record).map_err(|error| self.seal_error(&key, &error))? {
                plain.push((key, record));
            }
        }
        let count = self.seal_records(plain)?;
        if count > 0 {
            tracing::warn!(
                definitions = count,
                "secrets are sealed now; until now they stood here in plain text, of which old parts of the database's file and \
                 backups may still hold copies: exchange the secrets if those could be read"
            );
        }
        Ok(())
    }

    /// Opens everything that is sealed, and seals anew what is not under the present key.
    pub(super) fn seal_anew(&self) -> Result<()> {
        let mut under_another = Vec::new();
        for (key, sealed) in self.secret_records()? {
            let record = self.open_seal(&key, &sealed)?;
            if !self.sealer.is_current(&sealed) {
                under_another.push((key, record));
            }
        }
        let count = self.seal_records(under_another)?;
        if count > 0 {
            tracing::info!(
                definitions = count,
                key = %self.sealer.key_id(),
                "sealed anew under the present key; the previous one is needed no more, but for older backups"
            );
        }
        Ok(())
    }

    /// Writes these records sealed under the present key, onto the disk itself; answers how many they are.
    fn seal_records(&self, records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<usize> {
        let count = records.len();
        if count == 0 {
            return Ok(0);
        }
        let mut writes = Writes::new(self);
        for (key, record) in records {
            let sealed = self.sealer.seal(&key, &record);
            writes.put(key, &sealed, Old::Unknown)?;
        }
        let (batch, _) = writes.into_batch()?;
        let written = self.apply(batch).and_then(|()| flush(self.db())).and_then(|()| self.log.sync_data());
        written.map_err(|source| StoreError::Write { path: self.path.clone(), source })?;
        Ok(count)
    }
}
