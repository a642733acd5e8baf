//! What is different between two flows, for people.

use std::collections::HashMap;

use serde_json::Value;

use super::flow::{State, StudioFlow};

/// The differences as text, state by state in the manner of a unified diff; empty where there are none.
pub fn diff(before: &StudioFlow, after: &StudioFlow) -> String {
    let old: HashMap<&str, State<'_>> = before.states().map(|state| (state.name(), state)).collect();
    let new: HashMap<&str, State<'_>> = after.states().map(|state| (state.name(), state)).collect();
    let mut text = String::new();
    for state in before.states() {
        let lines = lines(state.0);
        match new.get(state.name()) {
            Some(now) => section(&mut text, state, "", &lines, &self::lines(now.0)),
            None => section(&mut text, state, ", removed", &lines, &[]),
        }
    }
    for state in after.states().filter(|state| !old.contains_key(state.name())) {
        section(&mut text, state, ", new", &[], &lines(state.0));
    }
    text
}

type Lines = [(String, String)];

/// What differs in one state, by path.
fn section(text: &mut String, state: State<'_>, what: &str, before: &Lines, after: &Lines) {
    let old: HashMap<&str, &str> =
        before.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    let new: HashMap<&str, &str> =
        after.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    let mut changes = String::new();
    for (path, value) in before.iter().filter(|(path, value)| new.get(path.as_str()) != Some(&value.as_str()))
    {
        changes.push_str(&format!("-  {path}: {value}\n"));
        if let Some(now) = new.get(path.as_str()) {
            changes.push_str(&format!("+  {path}: {now}\n"));
        }
    }
    for (path, value) in after.iter().filter(|(path, _)| !old.contains_key(path.as_str())) {
        changes.push_str(&format!("+  {path}: {value}\n"));
    }
    if !changes.is_empty() {
        text.push_str(&format!("@@ {} ({}{what})\n{changes}", state.name(), state.kind()));
    }
}

/// Every value in a state under a path that people can read: transitions by their event, parameters by their key.
fn lines(state: &Value) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (index, transition) in State(state).transitions().enumerate() {
        let path = format!("on {}", State(state).label(index));
        lines.push((path.clone(), transition.next().unwrap_or("(end)").to_owned()));
        for (key, value) in transition.0.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "event" | "next") {
                flatten(&format!("{path}.{key}"), value, &mut lines);
            }
        }
    }
    for (key, value) in state.as_object().into_iter().flatten() {
        match key.as_str() {
            "name" | "transitions" => {}
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    flatten(key, value, &mut lines);
                }
            }
            _ => flatten(key, value, &mut lines),
        }
    }
    lines
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&format!("{path}.{key}"), value, lines);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match (item.get("key").and_then(Value::as_str), item.get("value")) {
                    (Some(key), Some(value)) => flatten(&format!("{path}.{key}"), value, lines),
                    _ => flatten(&format!("{path}[{index}]"), item, lines),
                }
            }
        }
        Value::String(text) => lines.push((path.to_owned(), text.clone())),
        other => lines.push((path.to_owned(), other.to_string())),
    }
}
