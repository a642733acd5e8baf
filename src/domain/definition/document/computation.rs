//! `[[audience]]` and `[[trait]]`.

use super::check;
use super::query::{computation_key, read_query};
use super::reader::Table;
use crate::domain::definition::{Class, Computation, Emit, History, LEAF_FORM, Status};
use crate::domain::limits::{MAX_AUDIENCE_DESTINATIONS, MAX_DESCRIPTION, MAX_HISTORY};
use crate::domain::query::{Query, Target};
use crate::domain::time::{Span, Timestamp};

const EMITS: [(&str, Emit); 2] = [("identify", Emit::Identify), ("track", Emit::Track)];
const TARGETS: [(&str, Target); 2] = [("users", Target::Users), ("accounts", Target::Accounts)];

/// Reads one; `key` is the one it is to have, where that is not to be made from the name.
pub(super) fn read(class: Class, table: &mut Table<'_, '_>, key: Option<&str>) -> Option<Computation> {
    let (name, key) = names(table, key);
    let query = table.required("query").and_then(|field| field.parse(|text| read_query(class, text)));
    let target = target(table, query.as_ref());
    let destinations = table
        .optional("destinations")
        .and_then(|field| field.texts(MAX_AUDIENCE_DESTINATIONS, check::key))
        .unwrap_or_default();
    let emit = emit(table, target);
    let enabled = table.optional("enabled").and_then(|field| field.boolean()).unwrap_or(true);
    let include_anonymous =
        table.optional("include_anonymous").and_then(|field| field.boolean()).unwrap_or(false);
    let description = table.optional("description").and_then(|field| field.parse(description));
    let history = history(table);
    Some(Computation {
        class,
        // Empty means: keep the one there is, or make one. Status, leaves and parts are the engine's to set.
        id: String::new(),
        key: key?,
        name: name?,
        description: description.unwrap_or_default().to_owned(),
        query: query?,
        target,
        destinations,
        emit,
        enabled,
        include_anonymous,
        history,
        status: Status::Disabled,
        leaves: Vec::new(),
        parts: Vec::new(),
        announcements: Vec::new(),
        form: LEAF_FORM,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

/// The name, and the key that is made of it unless the address gave one.
fn names(table: &mut Table<'_, '_>, key: Option<&str>) -> (Option<String>, Option<String>) {
    let name_field = table.required("name");
    let name = name_field.as_ref().and_then(|field| field.parse(check::name));
    let made = name_field
        .as_ref()
        .zip(name)
        .and_then(|(field, name)| computation_key(name).map_err(|message| field.problem(message)).ok());
    let written = table.optional("key");
    let key = key.map(str::to_owned).or(made);
    if let (Some(field), Some(key)) = (written, &key)
        && field.text().is_some_and(|written| written != key)
    {
        field.problem(format!("is made from the name, and would be `{key}`; leave it out"));
    }
    (name.map(str::to_owned), key)
}

/// Whose values are computed. A query with ANY or ALL says it by itself.
fn target(table: &mut Table<'_, '_>, query: Option<&Query>) -> Target {
    let said = query.map(Query::target).unwrap_or_default();
    let Some(field) = table.optional("target") else { return said };
    let Some(target) = field.choice(&TARGETS, &[]) else { return said };
    if target == Target::Users && said == Target::Accounts {
        field.problem(
            "ANY and ALL ask about the users of an account; say \"accounts\", or leave `target` out",
        );
    }
    target
}

fn emit(table: &mut Table<'_, '_>, target: Target) -> Vec<Emit> {
    let Some(field) = table.optional("emit") else { return vec![Emit::Identify] };
    let mut emit = Vec::new();
    for item in field.items(EMITS.len()).unwrap_or_default() {
        match item.choice(&EMITS, &[]) {
            Some(chosen) if emit.contains(&chosen) => item.problem("is listed twice"),
            Some(Emit::Track) if target == Target::Accounts => {
                item.problem("what is computed of accounts is sent as group calls; leave `emit` out");
            }
            Some(chosen) => emit.push(chosen),
            None => {}
        }
    }
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.problem("name at least one of identify and track");
    }
    emit
}

fn description(text: &str) -> Result<&str, String> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(format!("is longer than {MAX_DESCRIPTION} characters"));
    }
    Ok(text)
}

/// `true` (all of it, the default), `false`, or how far back: `"90d"`.
fn history(table: &mut Table<'_, '_>) -> History {
    let Some(field) = table.optional("history") else { return History::All };
    match field.value.as_bool() {
        Some(true) => History::All,
        Some(false) => History::Off,
        None => match field.value.as_str() {
            Some("all") => History::All,
            Some("off") => History::Off,
            _ => field.span(Span::from_hours(1)..=MAX_HISTORY).map_or(History::All, History::Last),
        },
    }
}
