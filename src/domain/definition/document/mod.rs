//! Reads definitions from what was written, and says everything that is wrong with it.
//!
//! A document is a JSON value; TOML files are converted to the same shape:
//! `{"source": […], "team": […], "flow": […], "destination": […], "audience": […], "trait": […]}`, and `"twilio": {…}` for the
//! destination with that key.

mod channel;
mod check;
mod computation;
mod destination;
mod flow;
mod query;
mod reader;
mod source;
mod substitute;
mod suggest;
mod team;

#[cfg(test)]
mod people_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::Value;

use self::reader::{Field, Problems, Table};
use super::{Class, Definition, Destination, Kind, Problem};
use crate::domain::limits::MAX_DEFINITIONS;

pub use check::{email as check_email, http_url as check_http_url};
pub use destination::{EMAIL_DESTINATION, TWILIO_DESTINATION, read_preset};
pub use substitute::{substitute, unreplaced};
pub use suggest::did_you_mean;

/// The tables of a document that hold definitions of this version.
pub const TABLES: [&str; 6] = ["source", "team", "flow", "destination", "audience", "trait"];
/// The table that is one destination, without brackets around its brackets.
pub const TWILIO_TABLE: &str = TWILIO_DESTINATION;

/// What the API shows beside a definition; it says nothing about what is wanted.
const SHOWN_ONLY: [&str; 14] = [
    "id",
    "status",
    "size",
    "progress",
    "deleting",
    "failure",
    "type",
    "configured",
    "health",
    "queue",
    "nextSummaryAt",
    "unsubscribed",
    "createdAt",
    "updatedAt",
];

/// Reads a whole document. The definitions come by kind, in the order of [`Kind::ALL`], and within it as written.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(document: &Value) -> Result<Vec<Definition>, Vec<Problem>> {
    let problems = Problems::default();
    let definitions = Field::new("", document, &problems).table().map(|table| read_tables(table, &problems));
    problems.finish(definitions)
}

fn read_tables(mut document: Table<'_, '_>, problems: &Problems) -> Vec<Definition> {
    let mut definitions = Vec::new();
    for (kind, table) in Kind::ALL.into_iter().zip(TABLES) {
        let mut keys = Vec::new();
        let items = document.optional(table).and_then(|field| field.items(MAX_DEFINITIONS));
        for (index, item) in items.unwrap_or_default().into_iter().enumerate() {
            if let Some(definition) = item.table().and_then(|table| read_definition(kind, None, table)) {
                keys.push((index, definition.key().to_owned()));
                definitions.push(definition);
            }
        }
        if kind == Kind::Destination
            && let Some(destination) = document.optional(TWILIO_TABLE).and_then(|field| twilio(&field, &keys))
        {
            definitions.push(Definition::Destination(destination));
        }
        problems.extend(twice(kind, keys.iter().map(|(index, key)| (*index, key.as_str()))));
    }
    document.close(&[]);
    definitions
}

/// The destination that the table `[twilio]` is; `others` are those that were read before.
fn twilio(field: &Field<'_, '_>, others: &[(usize, String)]) -> Option<Destination> {
    if let Some((index, _)) = others.iter().find(|(_, key)| key == TWILIO_DESTINATION) {
        field.problem(format!("destination `{TWILIO_DESTINATION}` is defined twice; the first is destination[{index}]"));
    }
    destination::read_twilio(field.table()?)
}

/// Reads one definition as the API takes it under an address that ends in `key`; without one, the key is in `body`.
///
/// What the API shows beside a definition (ids, times, status) may be in `body` and is not looked at, so that what was
/// got can be put back.
///
/// # Errors
/// Everything that is wrong with it; fields are named as in `body`.
pub fn read_one(kind: Kind, key: Option<&str>, body: &Value) -> Result<Definition, Vec<Problem>> {
    let problems = Problems::default();
    let completed = complete(kind, key, body, &problems);
    let definition =
        Field::new("", completed.as_ref().unwrap_or(body), &problems).table().and_then(|mut table| {
            table.ignore(&SHOWN_ONLY);
            read_definition(kind, key, table)
        });
    problems.finish(definition)
}

/// `body` with the key of its address in it, where it did not have it; a problem where it has another one.
fn complete(kind: Kind, key: Option<&str>, body: &Value, problems: &Problems) -> Option<Value> {
    let key = key?;
    let field = match kind {
        Kind::Source | Kind::Team | Kind::Destination => "key",
        Kind::Flow => "name",
        Kind::Audience | Kind::Trait => {
            if let Err(message) = check::computation_key(key) {
                problems.add("key", message);
            }
            return None;
        }
    };
    let mut completed = body.as_object()?.clone();
    match completed.get(field) {
        None | Some(Value::Null) => {
            completed.insert(field.to_owned(), Value::from(key));
        }
        Some(Value::String(written)) if written != key => {
            problems.add(field, format!("is not `{key}` as in the address; it can't be changed"));
        }
        Some(_) => {}
    }
    Some(Value::Object(completed))
}

fn read_definition(kind: Kind, key: Option<&str>, mut table: Table<'_, '_>) -> Option<Definition> {
    match kind {
        Kind::Source => {
            let source = source::read(&mut table);
            table.close(&[]);
            source.map(Definition::Source)
        }
        Kind::Team => {
            let team = team::read(&mut table);
            table.close(&[]);
            team.map(Definition::Team)
        }
        Kind::Flow => {
            let flow = flow::read(&mut table);
            table.close(&[]);
            flow.map(Definition::Flow)
        }
        Kind::Destination => destination::read(table).map(Definition::Destination),
        Kind::Audience => {
            let audience = computation::read(Class::Audience, &mut table, key);
            table.close(&[]);
            audience.map(Definition::Audience)
        }
        Kind::Trait => {
            let computed = computation::read(Class::Trait, &mut table, key);
            table.close(&[]);
            computed.map(Definition::Trait)
        }
    }
}

/// A problem for each key that an earlier definition of its kind has; `keys` come with their index in the document.
pub(super) fn twice<'a>(kind: Kind, keys: impl Iterator<Item = (usize, &'a str)>) -> Vec<Problem> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (index, key) in keys {
        let Some(earlier) = first.get(key) else {
            first.insert(key, index);
            continue;
        };
        let table = kind.as_str();
        let (field, message) = match kind {
            Kind::Source | Kind::Team | Kind::Destination => {
                ("key", format!("{table} `{key}` is defined twice"))
            }
            Kind::Flow => ("name", format!("flow `{key}` is defined twice")),
            Kind::Audience | Kind::Trait => {
                ("name", format!("another {table}'s name makes the same key, `{key}`"))
            }
        };
        problems.push(Problem::new(
            format!("{table}[{index}].{field}"),
            format!("{message}; the first is {table}[{earlier}]"),
        ));
    }
    problems
}
