//! Where definitions meet the query language and the making of keys.

use crate::domain::query::Query;

/// The query of `text`, or what is wrong with it and where.
pub(super) fn read_query(text: &str) -> Result<Query, String> {
    Query::parse(text).map_err(|error| format!("{error}"))
}

/// The key that an audience with that name gets.
pub(super) fn audience_key(name: &str) -> Result<String, String> {
    let mut key = String::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some(skipped) = rest.iter().position(u8::is_ascii_alphanumeric) {
        rest = &rest[skipped..];
        let upper = rest.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
        let lower = rest[upper..].iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        let (word, after) = rest.split_at(upper + lower);
        if !key.is_empty() {
            key.push('_');
        }
        key.extend(word.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        rest = after;
    }
    if key.is_empty() { Err("has no letter a-z or digit to make a key from".to_owned()) } else { Ok(key) }
}
