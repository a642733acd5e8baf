use std::collections::BTreeSet;

use super::*;
use crate::domain::definition::Definition;
use crate::domain::definition::Problem;
use crate::domain::studio_flow::{Settings, instrument};
use crate::starter;

fn address() -> PostAddress {
    PostAddress::new("https://stagepost.example.com", "wk_studio").unwrap()
}

#[test]
fn an_admin_token_is_no_write_key() {
    let problem = PostAddress::new("https://stagepost.example.com", "sp_secret").unwrap_err();
    assert!(problem.contains("admin token") && problem.contains("/studio/wk_"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
}

#[test]
fn the_server_is_given_without_the_path_of_a_source() {
    for server in ["https://stagepost.example.com/studio", "https://stagepost.example.com/studio/wk_1/"] {
        let problem = PostAddress::new(server, "wk_1").unwrap_err();
        assert!(problem.contains("the host only"), "{problem}");
    }
    assert!(PostAddress::new("https://example.com/stagepost/", "wk_1").is_ok());
}

/// The stages that a flow's posts tell of.
fn stages_of(flow: &StudioFlow) -> BTreeSet<String> {
    let parameters = |state: &crate::domain::studio_flow::State<'_>| state.property("parameters").cloned();
    let all =
        flow.states().filter_map(|state| parameters(&state)).flat_map(|all| all.as_array().cloned().unwrap());
    all.filter(|it| it["key"] == "stage").map(|it| it["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_template_is_the_flow_of_the_starter_definitions() {
    let flow = template::made(address(), template::NAME, None).unwrap();
    let starter = starter::starter().unwrap();
    let known = starter.iter().find_map(|definition| match definition {
        Definition::Flow(flow) => Some(flow),
        Definition::Source(_)
        | Definition::Team(_)
        | Definition::Destination(_)
        | Definition::Audience(_)
        | Definition::Trait(_) => None,
    });
    let known = known.unwrap();
    assert_eq!(known.name.as_str(), template::NAME);
    let stages = stages_of(&flow);
    for stage in
        known.initial.iter().chain(&known.terminal).chain(known.escalation.iter().map(|level| &level.stage))
    {
        assert!(stages.contains(stage), "{stage} is not among {stages:?}");
    }
    assert_eq!(
        stages.iter().map(String::as_str).collect::<Vec<_>>(),
        ["cancelled", "confirmed", "failed", "initiation", "no_reply", "other_reply"]
    );
    // Every end of it is told of, so that instrumenting it anew has nothing to do.
    let ends = flow.states().filter(|it| it.kind() != "trigger" && it.kind() != "make-http-request");
    assert!(ends.flat_map(|state| state.transitions()).all(|transition| transition.next().is_some()));
    let stages = vec![("remind/deliveryFailure".to_owned(), "no_reply".to_owned())];
    let again = instrument(&flow, &Settings { stages, ..Settings::new(address(), template::NAME) }).unwrap();
    assert!(!again.changes(&flow));
}

#[test]
fn the_template_sends_from_the_number_that_is_given() {
    let text = template::made(address(), "visits", Some("+15005550006")).unwrap().to_text();
    assert_eq!(text.matches("\"from\": \"+15005550006\"").count(), 5);
    assert!(!text.contains("{{flow.channel.address}}"));
}

#[test]
fn stages_are_texts_by_place() {
    let read =
        stages::parse("\"a b/timeout\" = \" no_reply \"\n# not this one\n\"c/sent\" = \"\"\n").unwrap();
    assert_eq!(
        read,
        [("a b/timeout".to_owned(), "no_reply".to_owned()), ("c/sent".to_owned(), String::new())]
    );
    let problems = stages::parse("\"a/sent\" = 3\n").unwrap_err();
    assert_eq!(
        problems,
        [Problem::new("a/sent", "must be a stage, as in \"send_1/timeout\" = \"no_reply\"")]
    );
    assert!(stages::parse("a/sent = \"x\"").unwrap_err()[0].message.contains("line 1"));
}

#[test]
fn flows_are_known_by_their_sid() {
    assert!(source::is_sid("FW0123456789abcdef0123456789abcdef"));
    for text in [
        "FW0123",
        "flow.json",
        "-",
        "FN0123456789abcdef0123456789abcdef",
        "FW0123456789abcdef0123456789abcdeg",
    ] {
        assert!(!source::is_sid(text), "{text}");
    }
}

#[test]
fn the_list_shows_every_place() {
    let text = r#"{"states":[{"name":"Trigger","type":"trigger","properties":{},"transitions":[{"event":"incomingRequest","next":"ask"}]},
        {"name":"ask","type":"send-and-wait-for-reply","properties":{},"transitions":[{"event":"incomingMessage"},
        {"event":"timeout","next":"bye"},{"event":"deliveryFailure","next":"bye"}]},
        {"name":"bye","type":"send-message","properties":{},"transitions":[{"event":"sent"},{"event":"failed","next":"ask"}]}],
        "initial_state":"Trigger"}"#;
    let settings = Settings::new(address(), "visits");
    let done = instrument(&StudioFlow::read(text).unwrap(), &settings).unwrap();
    assert_eq!(
        table::shown(&done, &settings, Some("FW0123456789abcdef0123456789abcdef")),
        "visits: 8 states, posts to https://stagepost.example.com/studio/…\n\n\
         \x20    place                    what      stage       then\n\
         \x20 +  Trigger/incomingRequest  entry     initiation  ask\n\
         \x20 +  ask/incomingMessage      reply     replied     (end)\n\
         \x20 +  ask/timeout              no reply  no_reply    bye\n\
         \x20 +  ask/deliveryFailure      failure   failed      bye\n\
         \x20    bye/sent                 exit                  (end): no post, runs come here with failed, no_reply\n\
         \x20 +  bye/failed               failure   failed      ask\n\n\
         5 posts: 5 new, 0 changed, 0 as before, 0 taken out; 2 ends, 1 without a post\n\
         stages: initiation, replied, no_reply, failed\n\n\
         For the definitions (stages that complete a journey belong into `terminal`, those that somebody has to look after need a \
         [[flow.escalation]]):\n\n\
         [[flow]]\nname = \"visits\"\nsid = \"FW0123456789abcdef0123456789abcdef\"\ninitial = \"initiation\"\nterminal = [\"replied\"]\n"
    );
}
