//! Flows from and to Twilio.

use std::fs;

use serde_json::Value;

use crate::command::{KEY, SERVER, Said, fixture, studio_in};
use crate::studio_api::{ACCOUNT, FLOW, StudioApi, TOKEN, closing};
use crate::support::receiver::{Receiver, Reply};

fn definition(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).expect("the fixture")).expect("JSON")
}

fn instrument(flow: &str, url: &str, more: &[&str], environment: &[(&str, &str)]) -> Said {
    let words = ["instrument", flow, "--server", SERVER, "--key", KEY, "--studio-base-url", url];
    let all = [environment, &[("STAGEPOST_ALLOW_PRIVATE_DESTINATIONS", "127.0.0.0/8")]].concat();
    studio_in(&[&words[..], more].concat(), &all, "")
}

const CREDENTIALS: [(&str, &str); 2] = [("TWILIO_ACCOUNT_SID", ACCOUNT), ("TWILIO_AUTH_TOKEN", TOKEN)];

#[test]
fn a_flow_is_fetched_checked_and_saved_as_a_draft() {
    let twilio = StudioApi::with(definition("clinic.json"));
    let said = instrument(FLOW, &twilio.url(), &[], &CREDENTIALS).ok();
    assert!(said.err.starts_with("visit_confirmation: "), "{}", said.err);
    assert_eq!(twilio.calls(), [format!("GET /v2/Flows/{FLOW}")], "nothing is saved without being asked");

    let pushed = instrument(FLOW, &twilio.url(), &["--push"], &CREDENTIALS).ok();
    assert_eq!(pushed.out, "");
    assert!(
        pushed.err.ends_with(&format!("{FLOW}: revision 8 saved as a draft; publish it in the console\n")),
        "{}",
        pushed.err
    );
    assert_eq!(twilio.flow()["status"], "draft");
    assert_eq!(twilio.flow()["definition"], said.json());

    let again = instrument(FLOW, &twilio.url(), &["--push"], &CREDENTIALS).ok();
    assert!(again.err.ends_with("has all of this already: nothing was pushed\n"), "{}", again.err);
    assert_eq!(twilio.flow()["revision"], 8);
}

#[test]
fn a_file_is_pushed_to_the_flow_that_is_named_and_published_when_confirmed() {
    let twilio = StudioApi::with(definition("confirmation.json"));
    let clinic = fixture("clinic.json");
    let push = |more: &[&str]| instrument(&clinic, &twilio.url(), more, &CREDENTIALS);
    push(&["--push"]).failed(1, "give --flow-sid FW…");
    push(&["--push", "--flow-sid", "FW12"]).failed(1, "is no SID of a flow");
    push(&["--push", "--flow-sid", FLOW, "--publish"]).failed(1, "say --confirm-publish too");
    push(&["--publish"]).failed(2, "--push");
    assert!(twilio.calls().is_empty(), "{:?}", twilio.calls());
    let said = push(&["--push", "--flow-sid", FLOW, "--publish", "--confirm-publish"]).ok();
    assert!(said.err.ends_with("revision 8 published\n"), "{}", said.err);
    assert_eq!(twilio.flow()["status"], "published");
    assert_eq!(twilio.calls()[1], "POST /v2/Flows/Validate");
}

#[test]
fn what_twilio_finds_wrong_is_shown_with_the_states_name() {
    let twilio = StudioApi::with(definition("confirmation.json"));
    let said = instrument(FLOW, &twilio.url(), &["--push"], &CREDENTIALS);
    said.failed(1, "Twilio: states[15].type: state `experiment`: is no known type\n1 problem\n");
    assert_eq!(twilio.flow()["revision"], 7, "nothing is saved");
}

#[test]
fn without_permission_or_an_answer_nothing_is_tried() {
    let twilio = StudioApi::with(definition("clinic.json"));
    instrument(FLOW, &twilio.url(), &[], &[]).failed(2, "set TWILIO_API_KEY and TWILIO_API_SECRET");
    let key = [("TWILIO_API_KEY", "SK1"), ("TWILIO_API_SECRET", "wrong")];
    let both = [&key[..], &CREDENTIALS].concat();
    instrument(FLOW, &twilio.url(), &[], &both)
        .failed(2, "does not accept these credentials (401): Authenticate");
    let other = FLOW.replace('0', "1");
    instrument(&other, &twilio.url(), &[], &CREDENTIALS).failed(1, "there is no flow FW");
    for (status, words) in [(429, "too many calls"), (503, "answered 503: out of order")] {
        let busy = Receiver::start(move |_, _| closing(status, r#"{"message":"out of order"}"#));
        instrument(FLOW, &busy.url(""), &[], &CREDENTIALS).failed(2, words);
    }
    let page = Receiver::start(|_, _| closing(200, "<html>"));
    instrument(FLOW, &page.url(""), &[], &CREDENTIALS).failed(2, "Twilio's answer can't be read");
    instrument(FLOW, "studio.twilio.com", &[], &CREDENTIALS).failed(1, "is not a URL");
    instrument(FLOW, "http://10.0.0.1", &[], &CREDENTIALS).failed(2, "STAGEPOST_ALLOW_PRIVATE_DESTINATIONS");
}

#[test]
fn an_answer_that_is_lost_while_saving_is_told_as_such() {
    let clinic = definition("clinic.json").to_string();
    let twilio = Receiver::start(move |request, _| match (request.method.as_str(), request.path.as_str()) {
        ("GET", _) => closing(200, &format!(r#"{{"definition":{clinic},"friendly_name":"Clinic"}}"#)),
        (_, "/v2/Flows/Validate") => closing(200, r#"{"valid":true}"#),
        _ => Reply::Close,
    });
    let said = instrument(FLOW, &twilio.url(""), &["--push"], &CREDENTIALS);
    said.failed(2, "may have been saved all the same: look at its revisions in the console");
}
