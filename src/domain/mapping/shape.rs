//! `@merge`, `@flatten` and `@excludeWhenNull`: objects put together, made flat, and rid of nulls.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde_json::Value;

use super::budget::{Budget, check_depth};
use super::error::Failure;
use super::resolved::{Members, Opened, Resolved};

/// Objects laid over each other, member by member, later ones winning; nested objects are not merged. A key keeps the
/// place that it first had. A missing value wins as well, so that it takes the key out; a null wins as a null.
///
/// Of an array the indexes are keys. Of what is neither (a missing part of the event) nothing is taken; the original
/// takes the letters of a text, which nobody wants.
pub(super) fn merge<'a>(objects: Vec<Resolved<'a>>, budget: &mut Budget) -> Result<Resolved<'a>, Failure> {
    let mut merged: IndexMap<Cow<'a, str>, Resolved<'a>> = IndexMap::new();
    for object in objects {
        match object.open(budget)? {
            Opened::Object(members) => merged.extend(members),
            Opened::Array(entries) => merged.extend(indexed(entries)),
            Opened::Plain(_) => {}
        }
    }
    Ok(Resolved::Object(merged.into_iter().collect()))
}

/// One level of everything, with the keys that lead there joined by the separator. Empty objects (and arrays) vanish; a
/// value that is no object has the empty key.
pub(super) fn flatten<'a>(
    value: Resolved<'a>,
    separator: &str,
    omit_arrays: bool,
    budget: &mut Budget,
) -> Result<Resolved<'a>, Failure> {
    let mut flattening = Flattening { separator, omit_arrays, flat: IndexMap::new(), budget };
    flattening.add(String::new(), value, 0)?;
    Ok(Resolved::Object(flattening.flat.into_iter().map(|(key, value)| (Cow::Owned(key), value)).collect()))
}

struct Flattening<'a, 'b> {
    separator: &'b str,
    omit_arrays: bool,
    flat: IndexMap<String, Resolved<'a>>,
    budget: &'b mut Budget,
}

impl<'a> Flattening<'a, '_> {
    fn add(&mut self, prefix: String, value: Resolved<'a>, depth: usize) -> Result<(), Failure> {
        check_depth(depth)?;
        let members = match value.open(self.budget)? {
            Opened::Object(members) => members,
            Opened::Array(entries) if !self.omit_arrays => indexed(entries),
            Opened::Array(entries) => {
                self.flat.insert(prefix, Resolved::Array(entries));
                return Ok(());
            }
            Opened::Plain(plain) => {
                self.flat.insert(prefix, plain);
                return Ok(());
            }
        };
        for (key, member) in members {
            let key = if prefix.is_empty() {
                key.into_owned()
            } else {
                self.budget.make(prefix.len() + self.separator.len())?;
                format!("{prefix}{}{key}", self.separator)
            };
            self.budget.value(key.len())?;
            self.add(key, member, depth + 1)?;
        }
        Ok(())
    }
}

/// A null becomes missing, and so do the null members of objects at every depth; entries of arrays stay as they are.
pub(super) fn exclude_nulls<'a>(value: Resolved<'a>, budget: &mut Budget) -> Result<Resolved<'a>, Failure> {
    exclude_at(value, 0, budget)
}

fn exclude_at<'a>(value: Resolved<'a>, depth: usize, budget: &mut Budget) -> Result<Resolved<'a>, Failure> {
    check_depth(depth)?;
    match value.open(budget)? {
        Opened::Plain(Resolved::Borrowed(Value::Null) | Resolved::Owned(Value::Null)) => {
            Ok(Resolved::Missing)
        }
        Opened::Plain(plain) => Ok(plain),
        Opened::Array(entries) => Ok(Resolved::Array(entries)),
        Opened::Object(members) => {
            let mut kept: Members<'a> = Vec::with_capacity(members.len());
            for (key, member) in members {
                kept.push((key, exclude_at(member, depth + 1, budget)?));
            }
            Ok(Resolved::Object(kept))
        }
    }
}

fn indexed(entries: Vec<Resolved<'_>>) -> Members<'_> {
    entries.into_iter().enumerate().map(|(index, entry)| (Cow::Owned(index.to_string()), entry)).collect()
}
