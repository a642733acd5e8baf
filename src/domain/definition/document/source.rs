//! `[[source]]`.

use chrono::DateTime;

use super::check;
use super::reader::Table;
use crate::domain::definition::secrets::stands_for_one;
use crate::domain::definition::{PreviousWriteKey, Source, SourceKind};
use crate::domain::limits::{MAX_AUTH_TOKENS, MAX_PROPERTY_NAMES};
use crate::domain::time::Timestamp;

const KINDS: [(&str, SourceKind); 3] =
    [("studio", SourceKind::Studio), ("http", SourceKind::Http), ("event_streams", SourceKind::EventStreams)];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Source> {
    let key = table.required("key").and_then(|field| field.parse(check::key));
    let kind = table.required("kind").and_then(|field| field.choice(&KINDS, &[]));
    let write_key = table.optional("write_key").and_then(|field| field.parse(key_or_kept));
    let previous = previous(table, write_key);
    let tokens = table.optional("twilio_auth_tokens");
    let properties = table.optional("properties");
    let (has_tokens, has_properties) = match kind {
        Some(SourceKind::Studio) | None => (true, true),
        Some(SourceKind::EventStreams) => (true, false),
        Some(SourceKind::Http) => (false, false),
    };
    if let Some(field) = tokens.as_ref().filter(|_| !has_tokens) {
        field.problem("only a source of the kind studio or event_streams has this");
    }
    if let Some(field) = properties.as_ref().filter(|_| !has_properties) {
        field.problem("only a source of the kind studio has this");
    }
    let tokens = tokens.and_then(|field| field.items(MAX_AUTH_TOKENS)).unwrap_or_default();
    let tokens = tokens.iter().filter_map(|item| item.parse(check::secret)).map(str::to_owned).collect();
    let properties = properties.and_then(|field| field.texts(MAX_PROPERTY_NAMES, check::name));
    Some(Source {
        key: key?.to_owned(),
        kind: kind?,
        // An empty key means: keep the one there is, or make one.
        write_key: write_key.unwrap_or_default().to_owned(),
        previous_write_key: previous,
        twilio_auth_tokens: tokens,
        properties,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

/// The key before, and until when it may be used; neither is there without the other.
fn previous(table: &mut Table<'_, '_>, write_key: Option<&str>) -> Option<PreviousWriteKey> {
    let (key, until) = (table.optional("previous_write_key"), table.optional("previous_write_key_until"));
    match (&key, &until) {
        (Some(key), None) => {
            key.problem("write `previous_write_key_until` beside it: from when on nobody may post with it")
        }
        (None, Some(until)) => until.problem("says when `previous_write_key` ends, but there is none"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let key = key.and_then(|field| {
        let key = field.parse(key_or_kept)?;
        if Some(key) == write_key {
            field.problem("is the write key itself");
        }
        Some(key.to_owned())
    });
    let instant = |text: &str| {
        let at = DateTime::parse_from_rfc3339(text).map(|at| Timestamp::from_chrono(at.to_utc()));
        at.map_err(|_| "must be an instant such as \"2026-11-29T09:00:00Z\"".to_owned())
    };
    let until = until.and_then(|field| field.parse(instant));
    Some(PreviousWriteKey { write_key: key?, until: until? })
}

/// A write key, or what is shown in its place to those who may not know it.
fn key_or_kept(text: &str) -> Result<&str, String> {
    if stands_for_one(text) { Ok(text) } else { check::write_key(text) }
}
