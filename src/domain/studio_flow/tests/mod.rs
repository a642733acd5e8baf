mod cases;
mod properties;
mod refused;
mod schema;

use serde_json::{Value, json};

use super::*;

const CLINIC: &str = include_str!("../../../../tests/fixtures/studio/clinic.json");
const CONFIRMATION: &str = include_str!("../../../../tests/fixtures/studio/confirmation.json");

fn settings() -> Settings {
    let address = PostAddress::new("https://stagepost.example.com/", "wk_studio").unwrap();
    Settings::new(address, "appointment_confirmation")
}

fn with_stages(stages: &[(&str, &str)]) -> Settings {
    let stages = stages.iter().map(|(key, stage)| ((*key).to_owned(), (*stage).to_owned())).collect();
    Settings { stages, ..settings() }
}

fn read(text: &str) -> StudioFlow {
    StudioFlow::read(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A flow of these states after its trigger, which leads to `first`.
fn flow(first: &str, states: Value) -> StudioFlow {
    let trigger = json!({ "name": "Trigger", "type": "trigger", "properties": {},
        "transitions": [{ "event": "incomingMessage" }, { "event": "incomingRequest", "next": first }] });
    let states: Vec<Value> = std::iter::once(trigger).chain(states.as_array().unwrap().clone()).collect();
    read(&json!({ "description": "", "states": states, "initial_state": "Trigger" }).to_string())
}

/// What is posted where: `send_1/timeout` and its stage, or `-`.
fn stages(done: &Instrumented) -> Vec<(&str, &str)> {
    done.outcomes
        .iter()
        .map(|outcome| (outcome.point.key.as_str(), outcome.point.stage.as_deref().unwrap_or("-")))
        .collect()
}

fn state<'a>(flow: &'a StudioFlow, name: &str) -> &'a Value {
    flow.raw_states()
        .iter()
        .find(|state| flow::text(state, "name") == name)
        .unwrap_or_else(|| panic!("a state {name}"))
}

fn next<'a>(flow: &'a StudioFlow, name: &str, event: &str) -> Option<&'a str> {
    State(state(flow, name)).transitions().find(|it| it.event() == event)?.next()
}
