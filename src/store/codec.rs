//! Records as bytes: MessagePack with named fields, which a newer stagepost can add to. What backends share of it.
//!
//! Definitions are JSON instead: they hold flattened and tagged parts, which serde buffers and thereby forgets that the
//! format is a binary one.
//!
//! `place` names the record in an error: by its kind and a part of a hash, see [`name`].

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{Result, StoreError};

/// What may be said of a record in a log: its kind, and the beginning of the hash of its key. Keys hold people's ids.
pub(super) fn name(kind: &str, key: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(key));
    format!("{kind} #{}", &hash[..8])
}

/// The damage error of the record with that [`name`]. `detail` may quote what is in the record; that is left out.
pub(super) fn corrupt(name: &str, detail: impl Display) -> StoreError {
    StoreError::Corrupt { place: format!("the record `{name}`"), detail: without_values(&detail.to_string()) }
}

/// serde's message without what it quotes: texts and numbers of the record. The names of fields stay.
fn without_values(message: &str) -> String {
    let mut kept = String::new();
    let mut rest = message;
    while let Some(start) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(start);
        let quote = &quoted[..1];
        kept.push_str(before);
        // A text may hold quotes itself, so it ends at the last one.
        let end =
            if quote == "\"" { quoted.rfind(quote) } else { quoted[1..].find(quote).map(|end| end + 1) };
        let end = end.filter(|end| *end > 0).map_or(quoted.len(), |end| end + 1);
        let is_name = quote == "`" && before.ends_with("field ") && !before.ends_with("unknown field ");
        kept.push_str(if is_name { &quoted[..end] } else { "…" });
        rest = &quoted[end..];
    }
    kept + rest
}

/// Adds the record to `bytes`. Give them room for what is known to be long: growing copies it many times.
pub(super) fn encode_into<T: Serialize>(
    mut bytes: Vec<u8>,
    name: impl FnOnce() -> String,
    record: &T,
) -> Result<Vec<u8>> {
    rmp_serde::encode::write_named(&mut bytes, record).map_err(|error| corrupt(&name(), error))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(name: impl FnOnce() -> String, bytes: &[u8]) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| corrupt(&name(), error))
}

pub(super) fn encode_json<T: Serialize>(name: impl FnOnce() -> String, record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| corrupt(&name(), error))
}

pub(super) fn decode_json<T: DeserializeOwned>(name: impl FnOnce() -> String, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(&name(), error))
}
