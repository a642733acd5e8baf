//! `[[audience]]`.

use super::check;
use super::query::{audience_key, read_query};
use super::reader::Table;
use crate::domain::definition::{Audience, AudienceStatus, Emit};
use crate::domain::limits::MAX_AUDIENCE_DESTINATIONS;
use crate::domain::time::Timestamp;

const EMITS: [(&str, Emit); 2] = [("identify", Emit::Identify), ("track", Emit::Track)];

/// Reads one; `key` is the one it is to have, where that is not to be made from the name.
pub(super) fn read(table: &mut Table<'_, '_>, key: Option<&str>) -> Option<Audience> {
    let name_field = table.required("name");
    let name = name_field.as_ref().and_then(|field| field.parse(check::name));
    let made = name_field
        .as_ref()
        .zip(name)
        .and_then(|(field, name)| audience_key(name).map_err(|message| field.problem(message)).ok());
    let written = table.optional("key");
    let key = match key {
        Some(key) => Some(key.to_owned()),
        None => made,
    };
    if let (Some(field), Some(key)) = (written, &key)
        && field.text().is_some_and(|written| written != key)
    {
        field.problem(format!("is made from the name, and would be `{key}`; leave it out"));
    }
    let query = table.required("query").and_then(|field| field.parse(read_query));
    let destinations = table
        .optional("destinations")
        .and_then(|field| field.texts(MAX_AUDIENCE_DESTINATIONS, check::key))
        .unwrap_or_default();
    let emit = emit(table);
    let enabled = table.optional("enabled").and_then(|field| field.boolean()).unwrap_or(true);
    Some(Audience {
        // Empty means: keep the one there is, or make one. Status and leaves are the engine's to set.
        id: String::new(),
        key: key?,
        name: name?.to_owned(),
        query: query?,
        destinations,
        emit,
        enabled,
        status: AudienceStatus::Disabled,
        leaves: Vec::new(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

fn emit(table: &mut Table<'_, '_>) -> Vec<Emit> {
    let Some(field) = table.optional("emit") else { return vec![Emit::Identify] };
    let mut emit = Vec::new();
    for item in field.items(EMITS.len()).unwrap_or_default() {
        match item.choice(&EMITS, &[]) {
            Some(chosen) if emit.contains(&chosen) => item.problem("is listed twice"),
            Some(chosen) => emit.push(chosen),
            None => {}
        }
    }
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.problem("name at least one of identify and track");
    }
    emit
}
