//! Fields of a call that a filter takes away.
//!
//! A path is names with dots between them (`properties.card.number`; `\.` is a dot in a name). In a list, a number names one entry, and anything else
//! is looked for in each of them: `properties.products.price` is the price of every product.

use serde_json::{Map, Value};

use crate::domain::definition::{ALLOWED_SECTIONS, cut_path};

/// Leaves out the fields at these paths.
pub(super) fn leave_out(call: &mut Value, paths: &[String]) {
    for path in paths {
        remove(call, path);
    }
}

fn remove(value: &mut Value, path: &str) {
    let (name, rest) = cut_path(path);
    match (value, rest) {
        (Value::Object(members), None) => drop(members.shift_remove(&*name)),
        (Value::Object(members), Some(rest)) => {
            if let Some(member) = members.get_mut(&*name) {
                remove(member, rest);
            }
        }
        (Value::Array(items), rest) => match (name.parse::<usize>(), rest) {
            // The others keep their places: what stood there is null.
            (Ok(index), None) => items.get_mut(index).into_iter().for_each(|item| *item = Value::Null),
            (Ok(index), Some(rest)) => items.get_mut(index).into_iter().for_each(|item| remove(item, rest)),
            (Err(_), _) => items.iter_mut().for_each(|item| remove(item, path)),
        },
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => {}
    }
}

/// Of each section that is named, leaves only the fields at these paths.
pub(super) fn keep_only(call: &mut Value, paths: &[String]) {
    let Value::Object(members) = call else { return };
    for section in ALLOWED_SECTIONS {
        let within: Vec<&str> = paths
            .iter()
            .map(|path| cut_path(path))
            .filter(|(first, _)| first == section)
            .filter_map(|(_, within)| within)
            .collect();
        if let Some(value) = members.get_mut(section).filter(|_| !within.is_empty()) {
            *value = kept(value, &within).unwrap_or_else(|| Value::Object(Map::new()));
        }
    }
}

/// What of `value` is at these paths; `None` if nothing is.
fn kept(value: &Value, paths: &[&str]) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let kept = |(name, member): (&String, &Value)| {
                Some((name.clone(), kept_member(member, &below(name, paths))?))
            };
            let kept: Map<String, Value> = members.iter().filter_map(kept).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| kept_member(item, &below_entry(index, paths)))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A member of which this is to be kept: a `None` means all of it.
fn kept_member(member: &Value, paths: &[Option<&str>]) -> Option<Value> {
    if paths.contains(&None) {
        return Some(member.clone());
    }
    let further: Vec<&str> = paths.iter().copied().flatten().collect();
    if further.is_empty() { None } else { kept(member, &further) }
}

/// What these paths say of the entry at that place: those that name it, and those that name no place.
fn below_entry<'p>(index: usize, paths: &[&'p str]) -> Vec<Option<&'p str>> {
    let said = |path: &&'p str| {
        let (first, rest) = cut_path(path);
        match first.parse::<usize>() {
            Ok(named) => (named == index).then_some(rest),
            Err(_) => Some(Some(*path)),
        }
    };
    paths.iter().filter_map(said).collect()
}

/// What these paths say of the member of that name.
fn below<'p>(name: &str, paths: &[&'p str]) -> Vec<Option<&'p str>> {
    paths
        .iter()
        .map(|path| cut_path(path))
        .filter(|(first, _)| *first == name)
        .map(|(_, rest)| rest)
        .collect()
}
