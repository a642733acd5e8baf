//! Definitions as they are stored: JSON, sealed where they may hold secrets, and the key that they are sealed under.

use std::path::PathBuf;

use tokio_postgres::{Error, Row};

use super::connect::Connection;
use super::{errors, rows};
use crate::domain::definition::{Definition, Kind};
use crate::store::seal::{SealError, Sealer, is_secret};
use crate::store::{Result, StoreError, codec};

/// What a definition is called in errors.
fn name(kind: Kind, key: &str) -> String {
    codec::name("definition", &seal_place(kind, key))
}

/// What the seal of a definition covers beside it, so that it opens in its place only.
fn seal_place(kind: Kind, key: &str) -> Vec<u8> {
    [b"definition\0", kind.as_str().as_bytes(), b"\0", key.as_bytes()].concat()
}

/// A definition as it is stored.
pub(super) fn seal(sealer: &Sealer, definition: &Definition) -> Result<Vec<u8>> {
    let (kind, key) = (definition.kind(), definition.key());
    let json = codec::encode_json(|| name(kind, key), definition)?;
    Ok(if is_secret(kind) { sealer.seal(&seal_place(kind, key), &json) } else { json })
}

/// The inverse of [`seal`]: the definition in a row with `kind`, `key` and `body`, of the database at `place`.
pub(super) fn open(sealer: &Sealer, place: &str, row: &Row) -> Result<Definition> {
    let Stored { kind, key, body } = stored(row)?;
    let json = if is_secret(kind) { open_seal(sealer, place, kind, &key, &body)? } else { body };
    codec::decode_json(|| name(kind, &key), &json)
}

/// A row of the table.
struct Stored {
    kind: Kind,
    key: String,
    body: Vec<u8>,
}

fn stored(row: &Row) -> Result<Stored> {
    let (kind, key): (&str, &str) = (rows::column(row, "kind")?, rows::column(row, "key")?);
    let known = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = known
        .ok_or_else(|| codec::corrupt(&codec::name("definition", key.as_bytes()), "of no known kind"))?;
    Ok(Stored { kind, key: rows::read_text(key).into_owned(), body: rows::column(row, "body")? })
}

fn open_seal(sealer: &Sealer, place: &str, kind: Kind, key: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    sealer.open(&seal_place(kind, key), sealed).map_err(|error| match error {
        SealError::Key(id) => wrong_key(place, id.to_string(), sealer),
        SealError::Form | SealError::Broken => codec::corrupt(&name(kind, key), &error),
    })
}

fn wrong_key(place: &str, sealed: String, sealer: &Sealer) -> StoreError {
    StoreError::WrongKey { path: PathBuf::from(place), sealed, given: sealer.key_id().to_string() }
}

/// Refuses a key that is not the one here, and seals anew what is under the previous one. Part of a transaction that no other node
/// has open at the same time.
pub(super) async fn prepare(connection: &Connection, place: &str, sealer: &Sealer) -> Result<()> {
    let failed = |error: Error| errors::of_call(place, &error);
    let query = "SELECT value FROM meta WHERE key = 'sealing_key'";
    let row = connection.query_opt(query, &[]).await.map_err(failed)?;
    let sealed: Option<String> = row.map(|row| rows::column(&row, "value")).transpose()?;
    if let Some(sealed) = sealed.filter(|id| !sealer.knows(id)) {
        return Err(wrong_key(place, sealed, sealer));
    }
    let query = "SELECT kind, key, body FROM definitions ORDER BY kind, key FOR UPDATE";
    let mut count = 0;
    for row in connection.query(query, &[]).await.map_err(failed)? {
        let Stored { kind, key, body } = stored(&row)?;
        if !is_secret(kind) {
            continue;
        }
        let json = open_seal(sealer, place, kind, &key, &body)?;
        if !sealer.is_current(&body) {
            let body = sealer.seal(&seal_place(kind, &key), &json);
            let update = "UPDATE definitions SET body = $3 WHERE kind = $1 AND key = $2";
            let key = rows::text(&key);
            connection.execute(update, &[&kind.as_str(), &key, &body]).await.map_err(failed)?;
            count += 1;
        }
    }
    if count > 0 {
        tracing::info!(
            definitions = count,
            key = %sealer.key_id(),
            "sealed anew under the present key; once every node has it, the previous one is needed no more, but for older backups"
        );
    }
    let update = "INSERT INTO meta (key, value) VALUES ('sealing_key', $1) \
                  ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";
    connection.execute(update, &[&sealer.key_id().to_string()]).await.map_err(failed)?;
    Ok(())
}
