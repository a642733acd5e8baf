//! Where definitions meet the query language and the making of keys.

use crate::domain::definition::Class;
use crate::domain::key::snake_case_key;
use crate::domain::query::Query;

/// The query of `text`, or what is wrong with it and where, with a caret beneath the place.
pub(super) fn read_query(class: Class, text: &str) -> Result<Query, String> {
    let query = match class {
        Class::Audience => Query::parse(text),
        Class::Trait => Query::parse_value(text),
    };
    query.map_err(|error| format!("{error}\n{}", error.caret(text)))
}

/// The key that a computation with that name gets.
pub(super) fn computation_key(name: &str) -> Result<String, String> {
    snake_case_key(name).map_err(|error| error.to_string())
}
