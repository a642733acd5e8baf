//! `[[source]]`.

use super::check;
use super::reader::Table;
use crate::domain::definition::{Source, SourceKind};
use crate::domain::limits::{MAX_AUTH_TOKENS, MAX_PROPERTY_NAMES};
use crate::domain::time::Timestamp;

const KINDS: [(&str, SourceKind); 3] =
    [("studio", SourceKind::Studio), ("http", SourceKind::Http), ("event_streams", SourceKind::EventStreams)];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Source> {
    let key = table.required("key").and_then(|field| field.parse(check::key));
    let kind = table.required("kind").and_then(|field| field.choice(&KINDS, &[]));
    let write_key = table.optional("write_key").and_then(|field| field.parse(check::write_key));
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
        twilio_auth_tokens: tokens,
        properties,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}
