//! `[destination.mapping]`: URL, method, headers, data and batching of a webhook action.

use serde_json::{Map, Value, json};

use super::super::check;
use crate::domain::definition::Batch;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::limits::{
    BATCH_WAIT, DEFAULT_BATCH_SIZE, MAX_BATCH_KEYS, MAX_BATCH_SIZE, MAX_BATCH_WAIT, MAX_FIELD_PATH_BYTES,
    MAX_HEADERS,
};
use crate::domain::mapping::{Mapping, MappingProblem};
use crate::domain::time::Span;

/// The keys that say how events share a request.
pub(super) const BATCH_KEYS: [&str; 4] = ["batch_size", "batch_wait", "batch_keys", "enable_batching"];

const METHODS: [&str; 3] = ["POST", "PUT", "PATCH"];
/// What batches are kept apart by unless their destination says otherwise (Segment's hidden default).
const APART: [&str; 3] = ["url", "method", "headers"];

/// What the mapping table says.
pub(super) struct Mapped {
    pub url: Mapping,
    pub method: Mapping,
    pub headers: Mapping,
    pub data: Mapping,
    pub batch: Option<Batch>,
}

/// `has_auth` says that the `Authorization` header is taken.
pub(super) fn read(field: &Field<'_, '_>, has_auth: bool) -> Option<Mapped> {
    let mut table = field.table()?;
    let url = table.required("url").and_then(|field| parse(&field, url));
    let method = match table.optional("method") {
        Some(field) => parse(&field, method),
        None => constant(json!("POST")),
    };
    let headers = match table.optional("headers") {
        Some(field) => parse(&field, |field, _| headers(field, has_auth)),
        None => constant(json!({})),
    };
    let data = match table.optional("data") {
        Some(field) => parse(&field, |_, _| {}),
        None => constant(json!({ "@path": "$." })),
    };
    let batch = batch(&mut table);
    table.close(&[]);
    Some(Mapped { url: url?, method: method?, headers: headers?, data: data?, batch })
}

fn constant(definition: Value) -> Option<Mapping> {
    Mapping::parse(&definition).ok()
}

/// A mapping, which `check` looks at if it is one.
pub(super) fn parse(field: &Field<'_, '_>, check: impl FnOnce(&Field<'_, '_>, &Mapping)) -> Option<Mapping> {
    match Mapping::parse(field.value) {
        Ok(mapping) => {
            check(field, &mapping);
            Some(mapping)
        }
        Err(found) => {
            for problem in found {
                field.problem_within(&place(field.value, &problem), problem.message);
            }
            None
        }
    }
}

/// Where a problem of a mapping stands, as fields are named: `.user.@case`, `.tags[0]`.
fn place(mapping: &Value, problem: &MappingProblem) -> String {
    let mut value = Some(mapping);
    let mut place = String::new();
    for key in problem.path.split('/').skip(1).filter(|key| !key.is_empty()) {
        let key = key.replace("~1", "/").replace("~0", "~");
        let index = value.filter(|value| value.is_array()).and_then(|_| key.parse::<usize>().ok());
        match index {
            Some(index) => place.push_str(&format!("[{index}]")),
            None => place.push_str(&format!(".{key}")),
        }
        value = value.and_then(|value| match index {
            Some(index) => value.get(index),
            None => value.get(&key),
        });
    }
    place
}

fn url(field: &Field<'_, '_>, mapping: &Mapping) {
    if mapping.constant().is_some() {
        field.parse(check::http_url);
    }
}

fn method(field: &Field<'_, '_>, mapping: &Mapping) {
    if mapping.constant().is_some_and(|method| !METHODS.iter().any(|known| method == known)) {
        field.problem("expected POST, PUT or PATCH");
    }
}

/// The names, and the values that are no directives.
fn headers(field: &Field<'_, '_>, has_auth: bool) {
    let Some(members) = field.value.as_object() else {
        field.problem("expected a table of texts such as { X-Team = \"growth\" }");
        return;
    };
    if is_directive(members) {
        return;
    }
    if members.len() > MAX_HEADERS {
        field.problem(format!("has more than {MAX_HEADERS} headers"));
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in field.table().iter().flat_map(Table::entries) {
        if seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            value.problem("is the same header as one above: upper and lower case make no difference");
        } else if let Err(message) = check::mapped_header_name(name) {
            value.problem(message);
        } else if has_auth && name.eq_ignore_ascii_case("authorization") {
            value.problem("`auth` makes this header; write one of the two");
        } else if !value.value.as_object().is_some_and(is_directive) {
            value.parse(check::header_value);
        }
        seen.push(name);
    }
}

fn is_directive(members: &Map<String, Value>) -> bool {
    members.keys().any(|key| key.starts_with('@') || key == "__segment_internal_directive")
}

fn batch(table: &mut Table<'_, '_>) -> Option<Batch> {
    let enabled = table.optional("enable_batching").and_then(|field| field.boolean());
    let size = table.optional("batch_size").and_then(|field| field.number(0..=MAX_BATCH_SIZE));
    let wait = table
        .optional("batch_wait")
        .and_then(|field| field.span(Span::from_millis(100)..=MAX_BATCH_WAIT))
        .unwrap_or(BATCH_WAIT);
    let keys = match table.optional("batch_keys") {
        Some(field) => field.texts(MAX_BATCH_KEYS, batch_key).unwrap_or_default(),
        None => APART.map(str::to_owned).to_vec(),
    };
    if enabled == Some(true) && size == Some(0) {
        table.problem("batch_size", "is 0, which means no batches, but enable_batching is true");
    }
    let size = size.unwrap_or(if enabled == Some(true) { DEFAULT_BATCH_SIZE } else { 0 });
    (size > 0 && enabled != Some(false)).then_some(Batch { size, wait, keys })
}

fn batch_key(text: &str) -> Result<&str, String> {
    let is_path = text.starts_with("$.") && text.len() > 2 && text.len() <= MAX_FIELD_PATH_BYTES;
    if APART.contains(&text) || is_path {
        return Ok(text);
    }
    Err("expected url, method, headers or a path in the event such as $.type".to_owned())
}
