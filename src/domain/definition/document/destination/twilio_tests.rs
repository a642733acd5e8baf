use serde_json::{Value, json};

use crate::domain::definition::document::{read, read_one};
use crate::domain::definition::{Definition, EventsWanted, Kind, render};

fn account() -> Value {
    json!({ "account_sid": format!("AC{:032x}", 1), "auth_token": "t0ken-t0ken", "from": "+15005550006" })
}

fn with(members: Value) -> Value {
    let mut account = account();
    account.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    account
}

/// What is wrong with `[twilio]`, by key.
fn problems(account: Value) -> Vec<String> {
    let problems = read(&json!({ "twilio": account })).unwrap_err();
    problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

#[test]
fn the_table_is_the_destination_with_its_name() {
    let whole = with(json!({
        "api_key": format!("SK{:032x}", 1), "api_secret": "s3cr3t-key", "auth_tokens": ["0ld-t0ken"],
        "messaging_service_sid": format!("MG{:032x}", 1), "workspace_sid": format!("WS{:032x}", 1),
        "api_base_url": "https://api.dublin.ie1.twilio.com/", "rate_limit": 3,
    }));
    let definitions = read(&json!({ "twilio": whole })).unwrap();
    let [Definition::Destination(made)] = definitions.as_slice() else { panic!("{definitions:?}") };
    assert_eq!(
        (made.key.as_str(), made.kind.as_str(), made.events),
        ("twilio", "twilio", EventsWanted::None)
    );
    assert_eq!(made.rate_limit, Some(3));
    let twilio = made.kind.twilio().unwrap();
    assert_eq!(twilio.urls.api, "https://api.dublin.ie1.twilio.com", "without a slash at its end");
    assert!(twilio.urls.are_twilios());
    assert_eq!(twilio.credentials().unwrap().1, "s3cr3t-key");
    assert_eq!(twilio.callback_tokens(), ["t0ken-t0ken", "0ld-t0ken"]);
    // What is shown reads as the same, but for the secrets.
    let shown = render::destination(made);
    for secret in ["t0ken", "s3cr3t"] {
        assert!(!shown.to_string().contains(secret), "{shown}");
    }
    let again = read_one(Kind::Destination, Some("twilio"), &shown).unwrap();
    let Definition::Destination(again) = again else { panic!("a destination") };
    assert_eq!(render::destination(&again)["workspace_sid"], shown["workspace_sid"]);
    assert_eq!(
        (again.rate_limit, again.max_in_flight, again.events),
        (Some(3), made.max_in_flight, made.events)
    );
}

#[test]
fn one_request_a_second_is_what_it_makes_unless_told_otherwise() {
    let definitions = read(&json!({ "twilio": account() })).unwrap();
    let [Definition::Destination(made)] = definitions.as_slice() else { panic!("{definitions:?}") };
    assert_eq!(made.rate_limit, Some(1));
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    for (members, wanted) in [
        (json!({ "account_sid": "AC1" }), "twilio.account_sid: is not a SID"),
        (
            json!({ "auth_token": null }),
            "twilio.auth_token: is missing: write it, or `api_key` and `api_secret`",
        ),
        (json!({ "api_key": format!("SK{:032x}", 1) }), "twilio.api_secret: is missing"),
        (json!({ "from": "tomorrow, or never" }), "twilio.from: is not a telephone number"),
        (json!({ "events": "all" }), "twilio.events: has to be \"none\""),
        (json!({ "trigger": "type = 'track'" }), "twilio.trigger: has no meaning for Twilio"),
        (
            json!({ "api_base_url": "https://x.example/?a=b" }),
            "twilio.api_base_url: must end before the path",
        ),
        (json!({ "kind": "webhook" }), "twilio.kind: unknown key"),
    ] {
        let found = problems(with(members));
        assert!(found.iter().any(|problem| problem.starts_with(wanted)), "{wanted}: {found:?}");
        assert!(!found.iter().any(|problem| problem.contains("t0ken")), "{found:?}");
    }
    let mut other = account();
    other["key"] = "twilio".into();
    other["kind"] = "twilio".into();
    let twice = read(&json!({ "destination": [other], "twilio": account() })).unwrap_err();
    assert!(twice[0].message.contains("defined twice"), "{twice:?}");
}
