//! A flow definition, kept as the JSON that it came as: unknown keys and the order of all keys survive.

use serde_json::{Map, Value};

use super::check;
use crate::domain::definition::Problem;
use crate::domain::limits::MAX_STUDIO_FLOW_BYTES;

/// The type of the state in which every run begins.
pub(super) const TRIGGER: &str = "trigger";

/// A flow definition whose states and transitions make a graph: names are there and unique, and transitions lead to
/// states that exist. What else Studio asks of widgets is Studio's to check.
#[derive(Clone, Debug, PartialEq)]
pub struct StudioFlow {
    document: Map<String, Value>,
}

impl StudioFlow {
    /// Reads a definition as the console exports it and the API gives it.
    ///
    /// # Errors
    /// All that keeps it from being a flow; the field is the place in the document (`states[3].transitions[0].next`).
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > MAX_STUDIO_FLOW_BYTES {
            let message = format!("is larger than {MAX_STUDIO_FLOW_BYTES} bytes, which no flow is");
            return Err(vec![Problem::new("", message)]);
        }
        let value = serde_json::from_str(text)
            .map_err(|error| vec![Problem::new("", format!("is not JSON: {error}"))])?;
        Self::from_value(value)
    }

    /// The same of JSON that was read before.
    ///
    /// # Errors
    /// As [`StudioFlow::read`].
    pub fn from_value(value: Value) -> Result<Self, Vec<Problem>> {
        let Value::Object(document) = value else {
            return Err(vec![Problem::new(
                "",
                "is no flow: a flow definition is a JSON object with `states`",
            )]);
        };
        let problems = check::problems(&document);
        if problems.is_empty() { Ok(Self { document }) } else { Err(problems) }
    }

    /// The definition as JSON.
    pub fn document(&self) -> &Map<String, Value> {
        &self.document
    }

    /// As text, as the console exports it: two spaces for each level, and a newline at the end.
    pub fn to_text(&self) -> String {
        // Alternate formatting of a value is its pretty form, and can't fail.
        format!("{:#}\n", Value::Object(self.document.clone()))
    }

    /// Its states, in their order.
    pub fn states(&self) -> impl ExactSizeIterator<Item = State<'_>> {
        self.raw_states().iter().map(State)
    }

    /// The place of each state, by name.
    pub(super) fn places(&self) -> std::collections::HashMap<&str, usize> {
        self.states().enumerate().map(|(place, state)| (state.name(), place)).collect()
    }

    pub(super) fn raw_states(&self) -> &[Value] {
        self.document.get("states").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The same flow with other states.
    pub(super) fn with_states(&self, states: Vec<Value>) -> Self {
        let mut document = self.document.clone();
        document.insert("states".to_owned(), Value::Array(states));
        Self { document }
    }

    /// A problem that Studio found at a place such as `#/states/3/properties/timeout`, with the state's name.
    pub fn problem_at(&self, property_path: &str, message: &str) -> Problem {
        let mut field = String::new();
        let parts: Vec<&str> =
            property_path.trim_start_matches('#').split('/').filter(|part| !part.is_empty()).collect();
        let named = match parts.as_slice() {
            ["states", index, ..] => index.parse().ok().and_then(|index| self.states().nth(index)),
            _ => None,
        };
        for part in parts {
            match part.parse::<usize>() {
                Ok(index) => field.push_str(&format!("[{index}]")),
                Err(_) if field.is_empty() => field.push_str(part),
                Err(_) => field.push_str(&format!(".{part}")),
            }
        }
        let message = match named {
            Some(state) => format!("state `{}`: {message}", state.name()),
            None => message.to_owned(),
        };
        Problem::new(field, message)
    }
}

/// One state (widget) of a flow.
#[derive(Clone, Copy, Debug)]
pub struct State<'a>(pub(super) &'a Value);

impl<'a> State<'a> {
    /// One as it stands in a definition; what it lacks is empty.
    pub fn new(state: &'a Value) -> Self {
        Self(state)
    }

    /// Its name, by which transitions and Liquid know it.
    pub fn name(self) -> &'a str {
        text(self.0, "name")
    }

    /// Its type, such as `send-and-wait-for-reply`.
    pub fn kind(self) -> &'a str {
        text(self.0, "type")
    }

    /// One of its properties.
    pub fn property(self, name: &str) -> Option<&'a Value> {
        self.0.get("properties")?.get(name)
    }

    /// Its transitions, in their order.
    pub fn transitions(self) -> impl ExactSizeIterator<Item = Transition<'a>> {
        let transitions = self.0.get("transitions").and_then(Value::as_array);
        transitions.map_or(&[][..], Vec::as_slice).iter().map(Transition)
    }

    /// How its transition at `index` is told from the others: its event, and a number from the second of that event on
    /// (`match`, `match_2`).
    pub fn label(self, index: usize) -> String {
        let event = self.transitions().nth(index).map(Transition::event).unwrap_or_default();
        let before = self.transitions().take(index).filter(|other| other.event() == event).count();
        if before == 0 { event.to_owned() } else { format!("{event}_{}", before + 1) }
    }
}

/// One transition of a state.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a>(pub(super) &'a Value);

impl<'a> Transition<'a> {
    /// The event on which it is taken.
    pub fn event(self) -> &'a str {
        text(self.0, "event")
    }

    /// The state that it leads to; `None` where the flow ends.
    pub fn next(self) -> Option<&'a str> {
        Some(text(self.0, "next")).filter(|next| !next.is_empty())
    }

    /// The conditions of a `match`.
    pub fn conditions(self) -> &'a [Value] {
        self.0.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// A text of a JSON object; empty where it has none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
