//! Where definitions meet the query language and the making of keys.

use crate::domain::key::snake_case_key;
use crate::domain::query::Query;

/// The query of `text`, or what is wrong with it and where, with a caret beneath the place.
pub(super) fn read_query(text: &str) -> Result<Query, String> {
    Query::parse(text).map_err(|error| format!("{error}\n{}", error.caret(text)))
}

/// The key that an audience with that name gets.
pub(super) fn audience_key(name: &str) -> Result<String, String> {
    snake_case_key(name).map_err(|error| error.to_string())
}
