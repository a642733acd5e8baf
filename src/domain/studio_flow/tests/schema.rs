//! What Studio asks of a flow, as far as it is known; written apart from what is tested.

use std::collections::HashSet;

use serde_json::Value;

/// Fails with the first thing in `flow` that Studio would refuse.
pub(super) fn assert_valid(flow: &Value) {
    let states = flow["states"].as_array().expect("states");
    assert!(states.len() <= 2000);
    assert!(flow["description"].is_string() || flow["description"].is_null());
    assert!(flow["flags"].is_object() || flow["flags"].is_null());
    let names: HashSet<&str> = states.iter().map(|state| state["name"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), states.len(), "names are unique");
    let initial = flow["initial_state"].as_str().expect("initial_state");
    assert!(states.iter().any(|state| state["name"] == initial && state["type"] == "trigger"));
    for state in states {
        assert!(state["type"].is_string(), "{state}");
        assert!(state["properties"].is_object(), "{state}");
        for transition in state["transitions"].as_array().expect("transitions") {
            assert!(transition["event"].is_string(), "{state}");
            match transition.get("next") {
                None => {}
                Some(next) => {
                    let next = next.as_str().expect("a name");
                    assert!(next.is_empty() || names.contains(next), "{state} leads to {next}");
                }
            }
            let conditions = transition.get("conditions");
            assert!(conditions.is_none() || transition["event"] == "match", "{state}");
            for condition in conditions.and_then(Value::as_array).into_iter().flatten() {
                assert!(condition["friendly_name"].is_string() && condition["type"].is_string(), "{state}");
                assert!(condition["arguments"].is_array() && condition["value"].is_string(), "{state}");
            }
        }
        if state["type"] == "make-http-request" {
            assert_valid_request(state);
        }
    }
}

fn assert_valid_request(state: &Value) {
    let properties = &state["properties"];
    assert!(matches!(properties["method"].as_str(), Some("GET" | "POST")), "{state}");
    let types = ["application/x-www-form-urlencoded;charset=utf-8", "application/json;charset=utf-8"];
    assert!(types.contains(&properties["content_type"].as_str().expect("a content type")), "{state}");
    assert!(properties["url"].as_str().is_some_and(|url| url.starts_with("http")), "{state}");
    if let Some(offset) = properties.get("offset") {
        assert!(offset["x"].is_i64() && offset["y"].is_i64(), "{state}");
    }
    for parameter in properties.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let key = parameter["key"].as_str().expect("a key");
        assert!(key != "method", "Studio reserves it");
        assert!(parameter["value"].is_string(), "{state}");
    }
    let events: Vec<&str> = state["transitions"]
        .as_array()
        .expect("transitions")
        .iter()
        .map(|transition| transition["event"].as_str().expect("an event"))
        .collect();
    assert_eq!(events, ["success", "failed"], "{state}");
}
