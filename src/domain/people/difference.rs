//! What differs between how something was and how it is, place by place.

use serde_json::{Map, Value};

/// One place in which two states differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The place, as `escalation[0].after`; empty for the whole.
    pub place: String,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

/// Where two states differ, in the order of their names. Nothing and `null` are the same.
pub fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(place: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    let (before, after) = (before.filter(|it| !it.is_null()), after.filter(|it| !it.is_null()));
    if before == after {
        return;
    }
    if let Some((before, after)) = both(before, after, Value::as_object) {
        let none = Map::new();
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let added = after.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(added) {
            let inner = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            compare(inner, before.get(name), after.get(name), found);
        }
    } else if let Some((before, after)) = both(before, after, rows) {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        for number in 0..before.len().max(after.len()) {
            compare(format!("{place}[{number}]"), before.get(number), after.get(number), found);
        }
    } else {
        found.push(Difference { place, before: before.cloned(), after: after.cloned() });
    }
}

/// Both of that shape, one of which may be absent; an empty one is a value like any other.
fn both<'v, T: ?Sized>(
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    shape: impl Fn(&'v Value) -> Option<&'v T>,
) -> Option<(Option<&'v T>, Option<&'v T>)> {
    let is_empty = |it: Option<&Value>| {
        it.is_some_and(|it| {
            it.as_object().is_some_and(Map::is_empty) || it.as_array().is_some_and(Vec::is_empty)
        })
    };
    let (old, new) = (before.and_then(&shape), after.and_then(&shape));
    let fits = old.is_some() == before.is_some() && new.is_some() == after.is_some();
    let is_bare = (before.is_none() || is_empty(before)) && (after.is_none() || is_empty(after));
    (fits && !is_bare).then_some((old, new))
}

/// A list of things that have members: those are compared one by one, lists of plain values as wholes.
fn rows(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice).filter(|rows| rows.is_empty() || rows.iter().any(Value::is_object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: Value, after: Value) -> Vec<(String, Value, Value)> {
        let all = differences(Some(&before), Some(&after));
        all.into_iter()
            .map(|it| (it.place, it.before.unwrap_or_default(), it.after.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn only_what_differs_is_told_with_its_place() {
        let before =
            json!({ "query": "a", "enabled": true, "to": ["x"], "level": [{ "after": "5m", "to": ["x"] }] });
        let after = json!({ "query": "b", "enabled": true, "to": ["x", "y"], "level": [{ "after": "5m" }, { "after": "9m" }] });
        assert_eq!(
            told(before, after),
            [
                ("query".to_owned(), json!("a"), json!("b")),
                ("to".to_owned(), json!(["x"]), json!(["x", "y"])),
                ("level[0].to".to_owned(), json!(["x"]), json!(null)),
                ("level[1].after".to_owned(), json!(null), json!("9m")),
            ]
        );
    }

    #[test]
    fn what_was_made_or_removed_is_told_whole() {
        let state = json!({ "name": "Ann", "role": "viewer", "note": null, "in": { "a": 1 }, "empty": [] });
        let made = differences(None, Some(&state));
        assert!(made.iter().all(|it| it.before.is_none()));
        let places: Vec<&str> = made.iter().map(|it| it.place.as_str()).collect();
        let removed = differences(Some(&state), None);
        assert!(removed.iter().all(|it| it.after.is_none()));
        assert_eq!(places, removed.iter().map(|it| it.place.as_str()).collect::<Vec<_>>());
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["empty", "in.a", "name", "role"]);
    }

    #[test]
    fn other_shapes_are_told_as_wholes() {
        assert_eq!(
            told(json!({ "a": { "b": 1 } }), json!({ "a": [1] })),
            [("a".to_owned(), json!({ "b": 1 }), json!([1]))]
        );
        assert_eq!(
            told(json!({ "a": {} }), json!({ "a": null })),
            [("a".to_owned(), json!({}), json!(null))]
        );
        assert_eq!(told(json!("x"), json!("y")), [(String::new(), json!("x"), json!("y"))]);
        assert_eq!(told(json!({ "a": null }), json!({})), []);
        assert_eq!(differences(None, None), []);
    }
}
