use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::super::tests_support::NOW;
use super::*;
use crate::domain::change::ChangeSet;
use crate::domain::definition::Flow;
use crate::domain::event::Call;
use crate::domain::ids::{IdSource, UserKey};
use crate::domain::journey::{Journey, JourneyStatus, Post};
use crate::domain::limits::MAX_NAME_BYTES;
use crate::domain::test_journeys;

const FW: &str = "FW0123456789abcdef0123456789abcdef";
const FN: &str = "FN0123456789abcdef0123456789abcdef";

fn flow() -> Flow {
    Flow {
        sid: Some(FW.to_owned()),
        widgets: [
            ("send_reminder/timeout", "no_reply"),
            ("split_reply/match", "confirmed"),
            ("send_reminder/deliveryFailure", "failed"),
            ("say_bye", "goodbye"),
        ]
        .map(|(widget, stage)| (widget.to_owned(), stage.to_owned()))
        .into(),
        initial: Some("initiation".to_owned()),
        ..test_journeys::flow("appointment_confirmation")
    }
}

fn definitions() -> Definitions {
    let mut definitions = Definitions::default();
    definitions.flows.insert("appointment_confirmation".to_owned(), Arc::new(flow()));
    definitions
}

fn execution(kind: &str, at: &str, reason: Option<&str>) -> Value {
    json!({
        "specversion": "1.0", "id": format!("EZ-{kind}"), "type": format!("com.twilio.studio.flow.execution.{kind}"),
        "data": {
            "execution_sid": FN, "account_sid": "AC1", "flow_sid": FW, "contact_channel_address": "+14155550100",
            "status": "active", "ended_reason": reason, "date_created": "2026-11-21T09:00:00Z",
            "date_updated": at, "flow_revision": 3,
        },
    })
}

fn step(number: usize, from: &str, event: &str, at: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("EZ{number}"), "type": "com.twilio.studio.flow.step.ended", "time": at,
        "data": {
            "execution_sid": FN, "flow_sid": FW, "sid": format!("FT{number:032x}"), "name": event,
            "transitioned_from": from, "transitioned_to": "next", "date_created": at,
        },
    })
}

/// A run: no reply, then confirmed.
fn whole() -> Vec<Value> {
    vec![
        execution("started", "2026-11-21T09:00:00Z", None),
        step(1, "Trigger", "incomingRequest", "2026-11-21T09:00:01Z"),
        step(2, "send_reminder", "timeout", "2026-11-21T09:10:00Z"),
        step(3, "split_reply", "match", "2026-11-21T09:20:00Z"),
        execution("ended", "2026-11-21T09:20:01Z", Some("FLOW_END")),
    ]
}

fn read(items: &[Value]) -> Vec<Event> {
    let batch = Batch::read(json!(items).to_string().as_bytes(), *NOW).unwrap();
    assert_eq!((&batch.rejected[..], batch.passed_over), (&[][..], 0));
    batch.events(&definitions(), &HashMap::new(), "twilio", *NOW)
}

fn told(event: &Event) -> (String, String, String) {
    let Call::Track { event: name, properties } = &event.call else { panic!("no track") };
    let stage = properties.get("stage").and_then(Value::as_str).unwrap_or("-");
    (name.clone(), stage.to_owned(), event.message_id.clone())
}

#[test]
fn a_run_is_told_as_its_widgets_would_post_it() {
    let events = read(&whole());
    let id = |step: &str| format!("studio:{FN}:{step}");
    let step_id = |number: usize| id(&format!("FT{number:032x}"));
    let expected = [
        ("Studio Flow Step", "initiation", id("started")),
        ("Studio Step Ended", "-", step_id(1)),
        ("Studio Flow Step", "no_reply", step_id(2)),
        ("Studio Flow Step", "confirmed", step_id(3)),
        ("Studio Flow Step", "initiation", id("started")),
        ("Studio Flow Ended", "-", id("ended")),
    ];
    let expected = expected.map(|(name, stage, id)| (name.to_owned(), stage.to_owned(), id));
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), expected);
    for event in &events {
        assert_eq!(event.user_id.as_deref(), Some("+14155550100"));
        let run = event.studio_run().unwrap();
        assert!(run.by_studio && run.execution_sid == FN);
        assert_eq!(run.flow, Some("appointment_confirmation"));
    }
    let Call::Track { properties, .. } = &events[2].call else { panic!() };
    assert_eq!(properties["widget"], "send_reminder");
    assert_eq!(properties["event"], "timeout");
    assert_eq!(events[2].timestamp.to_rfc3339(), "2026-11-21T09:10:00.000Z");
    assert_eq!(events[5].studio_end().unwrap().reason, "FLOW_END");
    // A widget that is mapped whole, by whatever event it was left.
    assert_eq!(told(&read(&[step(9, "say_bye", "audioComplete", "2026-11-21T09:00:00Z")])[0]).1, "goodbye");
    assert_eq!(told(&read(&[step(9, "send_reminder", "other", "2026-11-21T09:00:00Z")])[0]).1, "-");
}

#[test]
fn envelopes_are_read_leniently() {
    let one = json!({
        "type": "com.twilio.studio.flow.step.ended", "datacontenttype": "2026-11-21T09:00:00Z",
        "data": { "execution_sid": FN, "transitioned_from": "send_reminder", "name": "timeout" },
    });
    let batch = Batch::read(one.to_string().as_bytes(), *NOW).unwrap();
    assert_eq!(batch.without_flow().collect::<Vec<_>>(), [FN]);
    let unknown = batch.events(&definitions(), &HashMap::new(), "twilio", *NOW);
    assert_eq!((unknown[0].user_id.as_deref(), unknown[0].anonymous_id.as_deref()), (None, Some(FN)));
    assert_eq!(told(&unknown[0]).0, "Studio Step Ended");
    assert_eq!(unknown[0].timestamp, *NOW);
    let known = HashMap::from([(FN.to_owned(), "appointment_confirmation".to_owned())]);
    let events = batch.events(&definitions(), &known, "twilio", *NOW);
    assert_eq!(told(&events[0]).1, "no_reply");
    // Without any id, the same message again is the same step.
    assert_eq!(events[0].message_id, unknown[0].message_id);
    // What another of the batch says of the execution holds for it.
    let events = read(&[one, execution("started", "2026-11-21T09:00:00Z", None)]);
    assert!(events.iter().all(|event| event.user_id.as_deref() == Some("+14155550100")));
}

#[test]
fn a_flow_that_no_definition_knows_is_called_by_its_sid() {
    let mut item = execution("started", "2026-11-21T09:00:00Z", None);
    item["data"]["flow_sid"] = json!("FWffffffffffffffffffffffffffffffff");
    let events = read(&[item]);
    let step = events[0].studio_step().unwrap();
    assert_eq!((step.flow, step.stage), ("FWffffffffffffffffffffffffffffffff", "started"));
}

#[test]
fn what_cannot_be_read_loses_none_of_the_rest() {
    let body = json!([
        3,
        { "type": "com.twilio.messaging.message.sent", "data": {} },
        { "type": "com.twilio.studio.flow.step.ended" },
        { "type": "com.twilio.studio.flow.step.ended", "data": {} },
        { "data": {} },
        { "type": "com.twilio.studio.flow.execution.started", "data": { "execution_sid": "FN\n" } },
        execution("started", "2026-11-21T09:00:00Z", None),
        { "type": "com.twilio.eventstreams.test-event", "data": { "test_id": "1" } },
    ]);
    let batch = Batch::read(body.to_string().as_bytes(), *NOW).unwrap();
    let rejected: Vec<_> =
        batch.rejected.iter().map(|item| (item.index, item.error.field.as_deref())).collect();
    let expected = [
        (0, None),
        (2, Some("data")),
        (3, Some("data.execution_sid")),
        (4, Some("type")),
        (5, Some("data.execution_sid")),
    ];
    assert_eq!(rejected, expected);
    assert_eq!(batch.passed_over, 2);
    assert_eq!(batch.events(&definitions(), &HashMap::new(), "twilio", *NOW).len(), 1);
    for (body, code) in [
        ("", Code::MalformedJson),
        ("[{]", Code::MalformedJson),
        ("3", Code::NotAnObject),
        (&format!("[{}]", vec!["{}"; MAX_BATCH_EVENTS + 1].join(",")), Code::BatchTooMany),
        (&"[".repeat(500), Code::TooDeep),
    ] {
        assert_eq!(Batch::read(body.as_bytes(), *NOW).unwrap_err().code, code, "{body:.20}");
    }
}

/// The journey after these events; known message ids are passed over, as intake does.
fn follow(events: &[Event], flow: &Flow) -> Vec<Journey> {
    let (mut list, mut seen) = (Vec::new(), std::collections::HashSet::new());
    let mut changes = ChangeSet::default();
    let (user, mut ids) = (UserKey::user("u1"), IdSource::new([7; 32]));
    for event in events {
        if !seen.insert(event.message_id.clone()) {
            continue;
        }
        let mut journeys = changes.journeys_of(&user, &mut list);
        if let Some(end) = event.studio_end() {
            journeys.end(&end, event.timestamp, *NOW);
        } else if let Some(step) = event.studio_step() {
            let (at, message_id) = (event.timestamp, event.message_id.as_str());
            let post = Post { step, at, received_at: event.received_at, message_id };
            journeys.post(Some(flow), &post, *NOW, &mut ids);
        }
    }
    list
}

#[test]
fn an_end_without_a_terminal_stage_is_a_death() {
    let mut items = whole();
    items.remove(3);
    let journeys = follow(&read(&items), &flow());
    let died = journeys[0].died.as_ref().unwrap();
    assert_eq!(
        (died.at.to_rfc3339().as_str(), died.reason.as_str()),
        ("2026-11-21T09:20:01.000Z", "FLOW_END")
    );
    assert_eq!((journeys[0].status, journeys[0].stage.as_str()), (JourneyStatus::Active, "no_reply"));
    // The terminal stage comes late.
    items.push(whole()[3].clone());
    for items in [items.clone(), items.iter().rev().cloned().collect()] {
        let events: Vec<Event> = items.iter().flat_map(|item| read(std::slice::from_ref(item))).collect();
        let journeys = follow(&events, &flow());
        assert_eq!((journeys[0].status, &journeys[0].died), (JourneyStatus::Completed, &None));
    }
    // The end alone says that there was a run.
    let journeys = follow(&read(&[whole()[4].clone()]), &flow());
    assert_eq!((journeys[0].stage.as_str(), journeys[0].died.is_some()), ("initiation", true));
}

/// What of a journey does not depend on when what was told.
fn shape(journeys: &[Journey]) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let steps = |journey: &Journey| {
        journey.steps.iter().map(|step| (step.stage.clone(), step.at)).collect::<Vec<_>>()
    };
    let shape = |it: &Journey| {
        let state = (it.status, it.stage.clone(), it.stage_at, it.started_at, it.ended_at);
        (state, it.execution_sid.clone(), it.phone_number.clone(), it.died.clone(), steps(it))
    };
    journeys.iter().map(shape).collect()
}

/// The posts that the flow's widgets would have sent.
fn posted(items: &[Value]) -> Vec<Event> {
    let mut events = read(items);
    events.retain(|event| event.studio_step().is_some());
    let mut seen = std::collections::HashSet::new();
    events.retain(|event| seen.insert(event.message_id.clone()));
    for (number, event) in events.iter_mut().enumerate() {
        event.message_id = format!("api-{number}");
    }
    events
}

proptest! {
    #[test]
    fn any_order_any_split_and_repetitions_give_the_journey_of_the_widgets(
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0..5_usize, 0..6),
        cuts in prop::collection::vec(1..4_usize, 1..12),
        left_out in prop::option::of(1..4_usize),
    ) {
        let all = whole();
        let is_in = |number: &&usize| Some(**number) != left_out;
        let items: Vec<Value> =
            order.iter().chain(&again).filter(is_in).map(|number| all[*number].clone()).collect();
        let (mut rest, mut events) = (&items[..], Vec::new());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at((*cut).min(rest.len()));
            events.extend(read(batch));
            rest = after;
        }
        let in_order: Vec<Value> =
            (0..5).filter(|number| Some(*number) != left_out).map(|number| all[number].clone()).collect();
        let journeys = follow(&events, &flow());
        let mut expected = follow(&posted(&in_order), &flow());
        if left_out == Some(3) {
            // Of the end, widgets say nothing.
            let end = read(&all[4..]).pop().unwrap();
            let (user, mut changes) = (UserKey::user("u1"), ChangeSet::default());
            changes.journeys_of(&user, &mut expected).end(&end.studio_end().unwrap(), end.timestamp, *NOW);
        }
        prop_assert_eq!(shape(&journeys), shape(&expected));
    }

    #[test]
    fn nothing_that_is_posted_panics(text in "\\PC{0,200}") {
        drop(Batch::read(text.as_bytes(), *NOW));
    }
}

/// What a journey keeps of it is small, whatever is posted.
#[test]
fn what_is_longer_than_twilio_writes_it_is_refused_or_cut() {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let reason = "y".repeat(MAX_REASON + 1);
    let items = [
        step(1, &long, "timeout", "2026-11-21T09:10:00Z"),
        step(2, "send_reminder", &long, "2026-11-21T09:10:00Z"),
        step(3, "send\u{0}reminder", "timeout", "2026-11-21T09:10:00Z"),
        execution("ended", "2026-11-21T09:20:01Z", Some(&reason)),
    ];
    let batch = Batch::read(json!(items).to_string().as_bytes(), *NOW).unwrap();
    let rejected: Vec<_> =
        batch.rejected.iter().map(|item| (item.index, item.error.field.as_deref())).collect();
    let from = Some("data.transitioned_from");
    assert_eq!(rejected, [(0, from), (1, Some("data.name")), (2, from)]);
    let events = batch.events(&definitions(), &HashMap::new(), "twilio", *NOW);
    let Call::Track { properties, .. } = &events[1].call else { panic!("no track") };
    assert_eq!(properties["reason"], "y".repeat(MAX_REASON));
}
