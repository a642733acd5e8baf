//! Which splits judge a reply, and what stage a branch of such a split stands for.

use std::collections::HashMap;

use serde_json::Value;

use super::flow::{State, StudioFlow, Transition, text};
use crate::domain::key::snake_case_key;

/// A reply that was not understood.
const OTHER_REPLY: &str = "other_reply";

const CONFIRM: [&str; 9] =
    ["confirm", "confirms", "confirmed", "confirmation", "accept", "accepts", "accepted", "agree", "agreed"];
const CANCEL: [&str; 11] = [
    "cancel",
    "cancels",
    "canceled",
    "cancelled",
    "cancellation",
    "decline",
    "declines",
    "declined",
    "reject",
    "rejects",
    "rejected",
];
/// Words that say yes or no only where nothing else is said.
const YES: [&str; 6] = ["yes", "y", "yep", "yeah", "ok", "okay"];
const NO: [&str; 4] = ["no", "n", "nope", "nah"];

/// Whether a state waits for a person, and goes on by `event` with what he said.
pub(super) fn is_reply(kind: &str, event: &str) -> bool {
    matches!(
        (kind, event),
        ("send-and-wait-for-reply", "incomingMessage") | ("gather-input-on-call", "keypress" | "speech")
    )
}

/// Liquid for what was said to the state `name` that waited.
pub(super) fn variable(name: &str, kind: &str, event: &str) -> String {
    let field = match (kind, event) {
        ("gather-input-on-call", "speech") => "SpeechResult",
        ("gather-input-on-call", _) => "Digits",
        _ => "inbound.Body",
    };
    format!("{{{{widgets.{name}.{field}}}}}")
}

/// The splits of a flow that judge a reply: by their place, Liquid for the reply.
#[derive(Debug)]
pub(super) struct ReplySplits {
    variables: HashMap<usize, String>,
}

impl ReplySplits {
    pub fn of(flow: &StudioFlow) -> Self {
        let mut found = Self { variables: HashMap::new() };
        found.add_those_that_read_a_reply(flow);
        found.add_those_that_a_reply_leads_to(flow);
        found
    }

    /// Liquid for the reply that the split at `place` judges.
    pub fn variable(&self, place: usize) -> Option<&str> {
        self.variables.get(&place).map(String::as_str)
    }

    /// Whether a transition leads to such a split, perhaps by way of states that only work on the reply.
    pub fn judge(
        &self,
        flow: &StudioFlow,
        places: &HashMap<&str, usize>,
        transition: Transition<'_>,
    ) -> bool {
        split_after(flow, places, transition).is_some_and(|place| self.variables.contains_key(&place))
    }

    fn add_those_that_read_a_reply(&mut self, flow: &StudioFlow) {
        let splits = || flow.states().enumerate().filter(|(_, state)| is_split(*state));
        for waiting in flow.states() {
            for transition in waiting.transitions().filter(|it| is_reply(waiting.kind(), it.event())) {
                let variable = variable(waiting.name(), waiting.kind(), transition.event());
                let inside = variable.trim_matches(['{', '}']);
                for (place, _) in splits().filter(|(_, split)| reads(*split, inside)) {
                    self.variables.entry(place).or_insert_with(|| variable.clone());
                }
            }
        }
    }

    fn add_those_that_a_reply_leads_to(&mut self, flow: &StudioFlow) {
        let places = flow.places();
        for waiting in flow.states() {
            for transition in waiting.transitions().filter(|it| is_reply(waiting.kind(), it.event())) {
                if let Some(place) = split_after(flow, &places, transition) {
                    let variable = variable(waiting.name(), waiting.kind(), transition.event());
                    self.variables.entry(place).or_insert(variable);
                }
            }
        }
    }
}

fn is_split(state: State<'_>) -> bool {
    state.kind() == "split-based-on"
}

/// Whether a split's input or conditions name `variable`.
fn reads(split: State<'_>, variable: &str) -> bool {
    let names = |value: &Value| value.as_str().is_some_and(|text| text.contains(variable));
    let arguments = |condition: &Value| {
        condition.get("arguments").and_then(Value::as_array).is_some_and(|all| all.iter().any(names))
    };
    split.property("input").is_some_and(names)
        || split.transitions().any(|transition| transition.conditions().iter().any(arguments))
}

/// The split that a transition leads to, past states that only work on what was said.
fn split_after(
    flow: &StudioFlow,
    places: &HashMap<&str, usize>,
    transition: Transition<'_>,
) -> Option<usize> {
    let mut next = transition.next()?;
    for _ in 0..flow.states().len() {
        let place = *places.get(next)?;
        let state = State(&flow.raw_states()[place]);
        let event = match state.kind() {
            "split-based-on" => return Some(place),
            "set-variables" => "next",
            "run-function" | "make-http-request" => "success",
            _ => return None,
        };
        next = state.transitions().find(|it| it.event() == event)?.next()?;
    }
    None
}

/// The stage that a branch of a split stands for: by its name, or else by the value that it asks for.
pub(super) fn stage_of_branch(transition: Transition<'_>) -> Option<String> {
    let Some(condition) = transition.conditions().first() else {
        return (transition.event() == "noMatch").then(|| OTHER_REPLY.to_owned());
    };
    let kind = text(condition, "type");
    let name = text(condition, "friendly_name");
    // Unless somebody gave it a name, Studio calls a branch `If value equal_to yes`.
    let said = name.strip_prefix("If value ").map_or(name, |rest| rest.strip_prefix(kind).unwrap_or(rest));
    let said = if said.trim().is_empty() { text(condition, "value") } else { said };
    let key = snake_case_key(said).ok()?;
    if name.starts_with("If value ") && (kind.starts_with("not_") || kind.starts_with("does_not_")) {
        return Some(format!("not_{key}"));
    }
    Some(known_word(&key).map_or(key, str::to_owned))
}

/// `confirmed` or `cancelled`, where words say just that.
fn known_word(key: &str) -> Option<&'static str> {
    let words: Vec<&str> = key.split('_').collect();
    let any = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let only = |lists: [&[&str]; 2]| words.iter().all(|word| lists.iter().any(|list| list.contains(word)));
    let negated = any(&["not", "un", "never", "dont"]);
    let yes = any(&CONFIRM) && !any(&NO) || only([&YES, &CONFIRM]);
    let no = any(&CANCEL) && !any(&YES) || only([&NO, &CANCEL]);
    match (yes, no) {
        (true, false) if !negated => Some("confirmed"),
        (false, true) if !negated => Some("cancelled"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn branches_have_the_stages_that_their_names_say() {
        for (name, kind, value, stage) in [
            ("If value equal_to yes", "equal_to", "yes", "confirmed"),
            ("If value matches_any_of Yes, Y, confirm", "matches_any_of", "Yes, Y, confirm", "confirmed"),
            ("If value matches_any_of no,n", "matches_any_of", "no,n", "cancelled"),
            ("Confirmed", "equal_to", "1", "confirmed"),
            ("Patient cancels", "contains", "c", "cancelled"),
            ("Reschedule", "equal_to", "3", "reschedule"),
            ("If value equal_to 1", "equal_to", "1", "1"),
            ("", "equal_to", "yes", "confirmed"),
            ("If value does_not_match_any_of yes,y", "does_not_match_any_of", "yes,y", "not_yes_y"),
            ("Not confirmed", "equal_to", "no", "not_confirmed"),
            ("No preference", "equal_to", "x", "no_preference"),
            ("Confirm or cancel", "equal_to", "x", "confirm_or_cancel"),
        ] {
            let condition = json!({ "friendly_name": name, "type": kind, "value": value, "arguments": [] });
            let branch = json!({ "event": "match", "conditions": [condition] });
            assert_eq!(stage_of_branch(Transition(&branch)).as_deref(), Some(stage), "{name}");
        }
        let none = json!({ "event": "noMatch" });
        assert_eq!(stage_of_branch(Transition(&none)).as_deref(), Some("other_reply"));
    }
}
