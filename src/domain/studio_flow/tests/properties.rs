//! Random flows: every path still reaches what it reached before, and a second run changes nothing.

use std::collections::{BTreeSet, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;

use super::schema::assert_valid;
use super::*;

const KINDS: [(&str, &[&str]); 8] = [
    ("send-and-wait-for-reply", &["incomingMessage", "timeout", "deliveryFailure"]),
    ("send-message", &["sent", "failed"]),
    ("split-based-on", &["noMatch", "match", "match", "match"]),
    ("set-variables", &["next"]),
    ("make-http-request", &["success", "failed"]),
    ("run-function", &["success", "fail"]),
    ("make-outgoing-call-v2", &["answered", "busy", "noAnswer", "failed"]),
    ("a-widget-of-tomorrow", &["done", "done", "gaveUp"]),
];
const NAMES: [&str; 4] = ["Confirmed", "If value equal_to no", "Reschedule", "If value matches_any_of yes,y"];

/// A state's kind, where its transitions lead (over the number of states: to the end), and something to vary its words.
type Sketch = (usize, [usize; 4], usize);

fn sketches() -> impl Strategy<Value = (Vec<Sketch>, [usize; 2])> {
    let target = 0..16_usize;
    let sketch =
        (0..KINDS.len(), [target.clone(), target.clone(), target.clone(), target.clone()], 0..16_usize);
    (vec(sketch, 1..12), [target.clone(), target])
}

fn drawn(sketches: &[Sketch], entries: [usize; 2]) -> StudioFlow {
    let next = |target: usize| (target < sketches.len()).then(|| format!("state {target}"));
    let transition = |event: &str, target: usize, word: usize| {
        let mut transition = json!({ "event": event });
        match next(target) {
            Some(next) => transition["next"] = json!(next),
            None if word.is_multiple_of(2) => transition["next"] = json!(""),
            None => {}
        }
        if event == "match" {
            transition["conditions"] = json!([{ "friendly_name": NAMES[word % 4], "type": "equal_to", "value": "v",
                "arguments": [format!("{{{{widgets.state {}.inbound.Body}}}}", word)] }]);
        }
        transition
    };
    let mut states = vec![
        json!({ "name": "Trigger", "type": "trigger", "properties": { "offset": { "x": 0, "y": 0 } },
        "transitions": [transition("incomingMessage", entries[0], 1), transition("incomingRequest", entries[1], 0)] }),
    ];
    for (number, (kind, targets, word)) in sketches.iter().enumerate() {
        let (kind, events) = KINDS[*kind];
        let transitions: Vec<Value> = events
            .iter()
            .zip(targets)
            .enumerate()
            .map(|(index, (event, target))| transition(event, *target, word + index))
            .collect();
        let properties = match (kind, word % 3) {
            // One in three was made by hand.
            ("make-http-request", 0) => {
                json!({ "method": "POST", "url": "https://stagepost.example.com/studio/wk_studio",
                "content_type": "application/json;charset=utf-8", "parameters": [{ "key": "stage", "value": "by_hand" }] })
            }
            ("make-http-request", _) => json!({ "method": "GET", "url": "https://crm.example.com/",
                "content_type": "application/x-www-form-urlencoded;charset=utf-8" }),
            _ => json!({ "offset": { "x": 10 * number, "y": -5 }, "b": 1.5, "a": [null] }),
        };
        states.push(json!({ "name": format!("state {number}"), "type": kind, "transitions": transitions, "properties": properties }));
    }
    StudioFlow::from_value(
        json!({ "states": states, "initial_state": "Trigger", "description": "", "zz": 1 }),
    )
    .unwrap()
}

/// Where each transition leads, with posts of ours walked through: both their ways have to lead to the same.
fn ways(flow: &StudioFlow) -> HashMap<(String, usize), Option<String>> {
    let is_ours = |name: &str| name.starts_with("stagepost_");
    let through = |next: Option<&str>| {
        let mut at = next.map(str::to_owned);
        while let Some(name) = at.clone().filter(|name| is_ours(name)) {
            let ends: BTreeSet<Option<&str>> =
                State(state(flow, &name)).transitions().map(Transition::next).collect();
            assert_eq!(ends.len(), 1, "success and failure of {name} lead to the same");
            at = ends.first().unwrap().map(str::to_owned);
        }
        at
    };
    let states = flow.states().filter(|state| !is_ours(state.name()));
    states
        .flat_map(|state| {
            let name = state.name().to_owned();
            state
                .transitions()
                .enumerate()
                .map(move |(index, transition)| ((name.clone(), index), transition.next()))
        })
        .map(|(way, next)| (way, through(next)))
        .collect()
}

/// The stages posted on every way of at most so many states, by way.
fn told(flow: &StudioFlow, from: &str, depth: usize, so_far: &[String], ends: &mut BTreeSet<Vec<String>>) {
    let here = state(flow, from);
    let mut so_far = so_far.to_vec();
    so_far.extend(post::is_post(State(here), None).then(|| stage(State(here)).unwrap_or("?").to_owned()));
    for transition in State(here).transitions() {
        match transition.next() {
            Some(next) if depth > 0 => told(flow, next, depth - 1, &so_far, ends),
            Some(_) => {}
            None => {
                ends.insert(so_far.clone());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_path_reaches_what_it_reached_before((sketches, entries) in sketches()) {
        let before = drawn(&sketches, entries);
        let done = instrument(&before, &settings()).unwrap();
        prop_assert_eq!(ways(&before), ways(&done.flow));
        assert_valid(&Value::Object(done.flow.document().clone()));
        // Every exit has a post, or is listed as one that has none.
        for (edge, state, transition) in edges::edges(&done.flow) {
            let ours = post::is_post(state, None);
            if transition.next().is_none() && !ours && state.kind() != "trigger" {
                let listed = done.outcomes.iter().find(|outcome| outcome.point.edge == edge);
                prop_assert!(listed.is_some_and(|it| it.done == Done::LeftOut && !it.point.stands.is_empty()));
            }
        }
    }

    #[test]
    fn a_second_run_changes_nothing_and_a_move_there_and_back_either((sketches, entries) in sketches()) {
        let once = instrument(&drawn(&sketches, entries), &settings()).unwrap().flow;
        let again = instrument(&read(&once.to_text()), &settings()).unwrap();
        prop_assert_eq!(again.flow.to_text(), once.to_text());
        let elsewhere = Settings::new(PostAddress::new("https://b.example.com", "wk_b").unwrap(), "other");
        let moved = instrument(&once, &elsewhere).unwrap();
        // A post made by hand for the old address is still known for one, by its shape.
        let back = instrument(&moved.flow, &settings()).unwrap();
        prop_assert_eq!(back.flow.to_text(), once.to_text());
    }

    #[test]
    fn no_run_ends_by_calling_off_an_earlier_no_reply((sketches, entries) in sketches()) {
        let done = instrument(&drawn(&sketches, entries), &settings()).unwrap().flow;
        let mut ends = BTreeSet::new();
        told(&done, "Trigger", 6, &[], &mut ends);
        for stages in ends {
            let last_two: Vec<&str> = stages.iter().rev().take(2).map(String::as_str).collect();
            prop_assert!(last_two != ["ended", "no_reply"], "{:?}", stages);
        }
    }
}
