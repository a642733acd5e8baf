//! `sources`, `trigger`, `[[destination.filter]]` and `profile_traits`.

use std::borrow::Cow;

use super::super::check;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::definition::{ALLOWED_SECTIONS, Effect, Filter, Routing, cut_path};
use crate::domain::fql::Fql;
use crate::domain::limits::{MAX_DESTINATION_SOURCES, MAX_FIELD_PATH_BYTES, MAX_FIELD_PATHS, MAX_FILTERS};

/// What a receiver needs to know whose event it is and of what kind: a filter can't take it away.
const KEPT: [&str; 8] =
    ["type", "messageId", "userId", "anonymousId", "groupId", "previousId", "event", "timestamp"];

pub(super) fn read(table: &mut Table<'_, '_>) -> Routing {
    let sources = table.optional("sources").and_then(|field| sources(&field));
    let trigger = table.optional("trigger").and_then(|field| field.parse(fql));
    let filters = table.optional("filter").and_then(|field| field.items(MAX_FILTERS)).unwrap_or_default();
    let profile_traits = table.optional("profile_traits");
    Routing {
        sources,
        trigger,
        filters: filters.iter().filter_map(filter).collect(),
        profile_traits: profile_traits
            .and_then(|field| field.texts(MAX_FIELD_PATHS, check::name))
            .unwrap_or_default(),
    }
}

fn sources(field: &Field<'_, '_>) -> Option<Vec<String>> {
    let sources = field.texts(MAX_DESTINATION_SOURCES, check::key)?;
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.problem("name at least one source; leave it out for all of them, and write events = \"computed\" for none");
    }
    Some(sources)
}

/// A condition, or what is wrong with it and where.
fn fql(text: &str) -> Result<Fql, String> {
    Fql::parse(text).map_err(|error| format!("{error}\n{}", error.caret(text)))
}

fn filter(field: &Field<'_, '_>) -> Option<Filter> {
    let mut table = field.table()?;
    let when = table.optional("if").map(|field| field.parse(fql));
    let event = table.optional("drop_event").map(|field| drop_event(&field));
    let drop = table.optional("drop").map(|field| paths(&field, droppable).map(Effect::DropFields));
    let allow = table.optional("allow").map(|field| paths(&field, allowable).map(Effect::AllowFields));
    table.close(&[]);
    let mut effects: Vec<Option<Effect>> = [event, drop, allow].into_iter().flatten().collect();
    if effects.len() != 1 {
        field.problem("does one thing: write one of drop_event = true, drop = [ … ] and allow = [ … ]");
        return None;
    }
    let when = match when {
        Some(when) => Some(when?),
        None => None,
    };
    Some(Filter { when, effect: effects.pop()?? })
}

fn drop_event(field: &Field<'_, '_>) -> Option<Effect> {
    if field.boolean()? {
        return Some(Effect::DropEvent);
    }
    field.problem("is true, or is left out");
    None
}

fn paths(field: &Field<'_, '_>, check: fn(&str) -> Result<&str, String>) -> Option<Vec<String>> {
    if field.value.as_array().is_some_and(Vec::is_empty) {
        field.problem("name at least one field");
        return None;
    }
    field.texts(MAX_FIELD_PATHS, check)
}

fn droppable(path: &str) -> Result<&str, String> {
    let first = field_path(path)?;
    if KEPT.contains(&&*first) {
        return Err(format!("`{first}` can't be left out: it says what the event is, and whose"));
    }
    Ok(path)
}

fn allowable(path: &str) -> Result<&str, String> {
    let first = field_path(path)?;
    if ALLOWED_SECTIONS.contains(&&*first) && cut_path(path).1.is_some() {
        return Ok(path);
    }
    Err("name a field of properties, traits or context, such as properties.total".to_owned())
}

/// The first name of a path whose names are all there.
fn field_path(path: &str) -> Result<Cow<'_, str>, String> {
    if path.len() > MAX_FIELD_PATH_BYTES {
        return Err(format!("is longer than {MAX_FIELD_PATH_BYTES} bytes"));
    }
    if path.starts_with('$') {
        return Err("is the path of a field as in filters: write properties.total, without `$.`".to_owned());
    }
    let (first, mut rest) = cut_path(path);
    let mut is_whole = !first.is_empty();
    while let Some(path) = rest {
        let (name, further) = cut_path(path);
        is_whole &= !name.is_empty();
        rest = further;
    }
    if is_whole { Ok(first) } else { Err("is not the path of a field such as properties.total".to_owned()) }
}
