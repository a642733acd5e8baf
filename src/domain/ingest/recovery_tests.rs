use serde_json::json;

use super::*;
use crate::domain::change::ChangeSet;
use crate::domain::definition::Flow;
use crate::domain::ids::{IdSource, UserKey};
use crate::domain::ingest::execution::Execution;
use crate::domain::journey::Post;
use crate::domain::limits::{MAX_ADDRESS_BYTES, MAX_ID_BYTES, MAX_NAME_BYTES};
use crate::domain::test_journeys;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + minute * 60_000)
}

fn flow() -> Flow {
    Flow {
        sid: Some("FW1".to_owned()),
        widgets: [("ask/timeout".to_owned(), "no_reply".to_owned())].into(),
        initial: Some("initiation".to_owned()),
        ..test_journeys::flow("f")
    }
}

fn execution() -> Execution {
    let user = Some("u1".to_owned());
    Execution { sid: "FN1".to_owned(), flow_sid: Some("FW1".to_owned()), address: None, user }
}

/// Asks twice and reminds in between: posts by `ask/timeout`, and by two widgets of its own.
fn remembered(ended_at: Option<Timestamp>) -> Remembered {
    let steps = [
        ("Trigger", "incomingRequest"),
        ("ask", "timeout"),
        ("post_no_reply", "failed"),
        ("remind", "sent"),
        ("ask", "timeout"),
        ("post_confirmed", "success"),
    ];
    let step = |(minute, (from, event)): (i64, (&str, &str))| Step {
        id: format!("FT{minute}"),
        from: Some(from.to_owned()),
        event: Some(event.to_owned()),
        to: None,
        at: at(minute),
    };
    Remembered { created_at: at(0), ended_at, steps: (1..).zip(steps).map(step).collect() }
}

/// The stages that are missing from a journey with these posts: message id, stage, minute.
fn found(posts: &[(&str, &str, i64)], remembered: &Remembered) -> Vec<String> {
    let (flow, execution) = (flow(), execution());
    let own = [("post_no_reply", "no_reply"), ("post_confirmed", "confirmed"), ("remind", "reminded")];
    let own = own.map(|(widget, stage)| (widget.to_owned(), stage.to_owned())).into();
    let teller = Teller {
        execution: &execution,
        flow_name: Some("f"),
        flow: Some(&flow),
        posts: Some(&own),
        source: "studio",
        recovered: true,
        now: at(60),
    };
    let (mut list, mut changes) = (Vec::new(), ChangeSet::default());
    let (user, mut ids) = (UserKey::user("u1"), IdSource::new([1; 32]));
    for (message_id, stage, minute) in posts {
        let mut event = teller.started(at(*minute));
        if let crate::domain::event::Call::Track { properties, .. } = &mut event.call {
            properties.insert("stage".to_owned(), (*stage).into());
        }
        let step = event.studio_step().unwrap();
        let post = Post { step, at: at(*minute), received_at: at(*minute), message_id };
        changes.journeys_of(&user, &mut list).post(Some(&flow), &post, at(60), &mut ids);
    }
    let events = missing(&teller, remembered, list.first());
    let told = |event: &Event| match event.studio_step() {
        Some(step) => format!("{} {}", event.message_id, step.stage),
        None => event.message_id.clone(),
    };
    events.iter().map(told).collect()
}

#[test]
fn of_a_run_that_never_posted_everything_is_missing() {
    let all = [
        "studio:FN1:started initiation",
        "studio:FN1:FT2 no_reply",
        "studio:FN1:FT4 reminded",
        "studio:FN1:FT5 no_reply",
        "studio:FN1:FT6 confirmed",
    ];
    assert_eq!(found(&[], &remembered(None)), all);
    let with_end = found(&[], &remembered(Some(at(7))));
    assert_eq!((&with_end[..5], with_end[5].as_str()), (&all.map(str::to_owned)[..], "studio:FN1:ended"));
}

#[test]
fn only_what_is_missing_is_told() {
    let lost_second = [
        ("api-1", "initiation", 0),
        ("api-2", "no_reply", 2),
        ("api-3", "reminded", 4),
        ("api-4", "confirmed", 6),
    ];
    assert_eq!(found(&lost_second, &remembered(None)), ["studio:FN1:FT5 no_reply"]);
    // The first is known by its id, so that the widget's post is the second.
    let told = [
        ("studio:FN1:started", "initiation", 0),
        ("studio:FN1:FT2", "no_reply", 2),
        ("api-3", "reminded", 4),
        ("api-5", "no_reply", 5),
    ];
    assert_eq!(found(&told, &remembered(None)), ["studio:FN1:FT6 confirmed"]);
    let all = [&lost_second[..], &[("api-5", "no_reply", 5)]].concat();
    assert_eq!(found(&all, &remembered(None)), [""; 0]);
    assert_eq!(found(&all, &remembered(Some(at(7)))), [""; 0], "it is finished: its end says nothing");
    let open = [("api-1", "initiation", 0)];
    assert_eq!(found(&open, &remembered(Some(at(7)))).last().unwrap(), "studio:FN1:ended");
}

#[test]
fn what_its_own_widgets_post_is_read_from_a_flow() {
    let widget = |name: &str, properties: Value| json!({ "name": name, "type": "make-http-request", "properties": properties });
    let ours = "https://x.example.com/studio/wk_1";
    let parameters = json!([{ "key": "flow", "value": "f" }, { "key": "stage", "value": "a" }]);
    let definition = json!({ "states": [
        widget("one", json!({ "url": ours, "parameters": parameters })),
        widget("stagepost_two", json!({ "url": "https://y.example.com/", "body": "{\"stage\":\"b\"}" })),
        widget("three", json!({ "url": ours, "body": "userID=u1&stage=c+d" })),
        widget("four", json!({ "url": format!("{ours}?stage=e") })),
        widget("filled_in", json!({ "url": ours, "body": "stage={{flow.variables.stage}}" })),
        widget("another", json!({ "url": "https://crm.example.com/hook", "parameters": parameters })),
        widget("bare", json!({ "url": ours })),
        widget("long", json!({ "url": format!("{ours}?stage={}", "x".repeat(MAX_NAME_BYTES + 1)) })),
        { "name": "stagepost_no_post", "type": "send-message", "properties": { "body": "stage=x" } },
        { "name": 3 },
        null,
    ] });
    let found = posts(&definition, |url| url.path() == "/studio/wk_1");
    let expected = [("four", "e"), ("one", "a"), ("stagepost_two", "b"), ("three", "c d")];
    let expected = expected.map(|(widget, stage)| (widget.to_owned(), stage.to_owned()));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    assert!(posts(&json!(null), |_| true).is_empty());
}

#[test]
fn the_user_stands_where_flows_are_started_with_it() {
    let long = "u".repeat(MAX_ID_BYTES + 1);
    for (context, wanted) in [
        (json!({ "flow": { "data": { "userID": "u1" } } }), Some("u1")),
        (json!({ "trigger": { "request": { "parameters": { "user_id": 7 } } } }), Some("7")),
        (json!({ "flow": { "data": { "userID": " " }, "variables": { "userId": "u2" } } }), Some("u2")),
        // What no post could say is not believed here either.
        (json!({ "flow": { "data": { "userID": long, "user_id": "u3" } } }), Some("u3")),
        (json!({ "flow": { "variables": { "userID": "u\u{0}1" } } }), None),
        (json!({ "flow": { "variables": { "userID": long } } }), None),
        (json!({ "flow": { "variables": { "userID": ["u1"] } } }), None),
        (json!({ "flow": {} }), None),
        (json!(null), None),
    ] {
        assert_eq!(user_of(&context).as_deref(), wanted, "{context}");
    }
}

#[test]
fn an_address_is_one_that_a_post_could_have() {
    assert_eq!(address_of("+14155550100").as_deref(), Some("+14155550100"));
    assert_eq!(address_of(" 14155550100").as_deref(), Some("+14155550100"));
    for wrong in ["+1\n".to_owned(), "1".repeat(MAX_ADDRESS_BYTES + 1)] {
        assert_eq!(address_of(&wrong), None, "{wrong:?}");
    }
}
