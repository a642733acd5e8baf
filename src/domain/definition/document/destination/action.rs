//! `kind = "webhook_action"`: a request made by mappings.

use super::{auth, mapping, signing};
use crate::domain::definition::Action;
use crate::domain::definition::document::reader::{Field, Table};
use crate::domain::limits::{MAX_FIELD_PATH_BYTES, MAX_FIELD_PATHS};

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Action> {
    let signing = signing::read(table);
    let gzip = table.optional("gzip").and_then(|field| field.boolean()).unwrap_or(false);
    let auth = table.optional("auth");
    let has_auth = auth.is_some();
    let auth = auth.and_then(|field| auth::read(&field));
    let mut paths = |key| {
        let field: Option<Field<'_, '_>> = table.optional(key);
        field.and_then(|field| field.texts(MAX_FIELD_PATHS, data_path)).unwrap_or_default()
    };
    let (required, expected) = (paths("required"), paths("expected"));
    // They are Segment's fields of the mapping, and stand there.
    for key in mapping::BATCH_KEYS {
        if table.optional(key).is_some() {
            table.problem(key, format!("stands in [destination.mapping]: mapping.{key}"));
        }
    }
    let mapping = table.required("mapping").and_then(|field| mapping::read(&field, has_auth))?;
    let mapping::Mapped { url, method, headers, data, batch } = mapping;
    Some(Action { url, method, headers, data, signing, gzip, auth, batch, required, expected })
}

/// A path in the data of a call.
fn data_path(path: &str) -> Result<&str, String> {
    if path.len() > MAX_FIELD_PATH_BYTES {
        return Err(format!("is longer than {MAX_FIELD_PATH_BYTES} bytes"));
    }
    if path.starts_with('$') || path.split('.').any(str::is_empty) {
        return Err("is not a path in the data, such as email or user.id".to_owned());
    }
    Ok(path)
}
