//! Whether a document is a flow.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::flow::TRIGGER;
use crate::domain::definition::Problem;
use crate::domain::definition::document::did_you_mean;
use crate::domain::limits::MAX_STUDIO_STATES;

/// All that keeps `document` from being a flow.
pub(super) fn problems(document: &Map<String, Value>) -> Vec<Problem> {
    let states = match document.get("states") {
        Some(Value::Array(states)) => states,
        Some(_) => return vec![Problem::new("states", "must be a list of states")],
        None if document.get("definition").is_some_and(|inner| inner.get("states").is_some()) => {
            let message = "is a flow as the API answers it; give its `definition` alone, or the flow's SID";
            return vec![Problem::new("", message)];
        }
        None => return vec![Problem::new("states", "is missing: this is no flow definition")],
    };
    if states.len() > MAX_STUDIO_STATES {
        let message = format!("there are {} states; Studio takes {MAX_STUDIO_STATES}", states.len());
        return vec![Problem::new("states", message)];
    }
    let mut problems = Vec::new();
    if document.get("description").is_some_and(|description| !description.is_string()) {
        problems.push(Problem::new("description", "must be a text"));
    }
    if document.get("flags").is_some_and(|flags| !flags.is_object()) {
        problems.push(Problem::new("flags", "must be an object"));
    }
    let names = names(states, &mut problems);
    for (place, state) in states.iter().enumerate() {
        state_problems(place, state, &names, &mut problems);
    }
    if problems.is_empty() {
        problems.extend(beginning(document, states, &names));
    }
    problems
}

/// The place of each name.
fn names<'a>(states: &'a [Value], problems: &mut Vec<Problem>) -> HashMap<&'a str, usize> {
    let mut names = HashMap::new();
    for (place, state) in states.iter().enumerate() {
        let field = format!("states[{place}].name");
        match state.get("name").and_then(Value::as_str) {
            None | Some("") => problems.push(Problem::new(field, "a state needs a name")),
            Some(name) => {
                if let Some(first) = names.insert(name, place) {
                    let message = format!("`{name}` is the name of states[{first}] too; names must differ");
                    problems.push(Problem::new(field, message));
                }
            }
        }
    }
    names
}

fn state_problems(place: usize, state: &Value, names: &HashMap<&str, usize>, problems: &mut Vec<Problem>) {
    let name = state.get("name").and_then(Value::as_str).unwrap_or("?");
    let mut wrong = |field: &str, message: String| {
        problems.push(Problem::new(format!("states[{place}].{field}"), format!("state `{name}`: {message}")));
    };
    if state.get("type").and_then(Value::as_str).is_none_or(str::is_empty) {
        wrong("type", "it needs a type, such as `send-message`".to_owned());
    }
    if state.get("properties").is_some_and(|properties| !properties.is_object()) {
        wrong("properties", "must be an object".to_owned());
    }
    let Some(transitions) = state.get("transitions").and_then(Value::as_array) else {
        wrong("transitions", "it needs a list of transitions, be it empty".to_owned());
        return;
    };
    for (index, transition) in transitions.iter().enumerate() {
        let event = transition.get("event").and_then(Value::as_str).unwrap_or_default();
        if event.is_empty() {
            wrong(&format!("transitions[{index}].event"), "a transition needs an event".to_owned());
        }
        if transition.get("conditions").is_some_and(|conditions| !conditions.is_array()) {
            wrong(&format!("transitions[{index}].conditions"), "must be a list".to_owned());
        }
        match transition.get("next") {
            None | Some(Value::Null) => {}
            Some(Value::String(next)) if next.is_empty() || names.contains_key(next.as_str()) => {}
            Some(Value::String(next)) => {
                let hint = did_you_mean(next, names.keys().copied());
                let message = format!("`{event}` leads to `{next}`, which is no state of this flow{hint}");
                wrong(&format!("transitions[{index}].next"), message);
            }
            Some(_) => wrong(&format!("transitions[{index}].next"), "must be a state's name".to_owned()),
        }
    }
}

/// What is wrong with where the flow begins.
fn beginning(
    document: &Map<String, Value>,
    states: &[Value],
    names: &HashMap<&str, usize>,
) -> Option<Problem> {
    let is_trigger = |state: &Value| state.get("type").and_then(Value::as_str) == Some(TRIGGER);
    let Some(initial) = document.get("initial_state").and_then(Value::as_str) else {
        return Some(Problem::new("initial_state", "is missing: it names the state of the type `trigger`"));
    };
    match names.get(initial) {
        None => {
            let hint = did_you_mean(initial, names.keys().copied());
            let message = format!("`{initial}` is no state of this flow{hint}");
            Some(Problem::new("initial_state", message))
        }
        Some(place) if !is_trigger(&states[*place]) => {
            let message = format!("`{initial}` is not of the type `trigger`, in which every flow begins");
            Some(Problem::new("initial_state", message))
        }
        Some(_) => None,
    }
}
