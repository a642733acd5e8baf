use serde_json::json;

use super::*;
use crate::domain::definition::document::{read_one, read_preset};
use crate::domain::definition::{Action, Definition, Destination, Kind, Problem};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn read(body: Value) -> Result<Destination, Vec<Problem>> {
    let Definition::Destination(destination) = read_one(Kind::Destination, Some("d"), &body)? else {
        panic!("a destination")
    };
    Ok(destination)
}

fn action(body: Value) -> Action {
    let destination = read(body).unwrap();
    Action::clone(destination.kind.action().unwrap())
}

/// What is sent for `event`.
fn data(action: &Action, event: Value) -> Value {
    action.data.evaluate(&event).unwrap().unwrap()
}

fn survey() -> Value {
    json!({ "kind": "hello_customer", "api_key": "dG9rZW4=", "touchpoint_id": "tp-1", "language_id": "lang-1" })
}

#[test]
fn every_preset_is_whole() {
    for preset in all() {
        assert!(
            !preset.name.is_empty() && !preset.description.is_empty() && preset.integrations().count() > 0
        );
        let settings: Vec<&str> = preset.settings.iter().map(|it| it.key.as_str()).collect();
        assert!(
            preset.settings.iter().all(|it| it.help.ends_with('.') || it.help.ends_with('}')),
            "{settings:?}"
        );
        // A copy has the one condition in the place of the other.
        assert!(preset.only.is_none() || !preset.definition.contains_key("trigger"));
        let text = format!("{:?} {}", preset.only, serde_json::to_string(&preset.definition).unwrap());
        for named in text.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
            assert!(settings.contains(&named), "{}: ${{{named}}} is no setting", preset.key);
        }
    }
    assert_eq!(
        all().iter().map(|it| it.key.as_str()).collect::<Vec<_>>(),
        ["pendo", "hello_customer", "slack", "teams"]
    );
}

#[test]
fn pendo_has_four_regions() {
    for (region, host) in [
        (json!(null), "data.pendo.io"),
        (json!("us"), "data.pendo.io"),
        (json!("us1"), "us1.data.pendo.io"),
        (json!("eu"), "data.eu.pendo.io"),
        (json!("jp"), "data.jpnpendo.io"),
    ] {
        let made = action(json!({ "kind": "pendo", "region": region, "api_key": KEY }));
        assert_eq!(made.url.constant(), Some(&json!(format!("https://{host}/data/segmentio/{KEY}"))));
        assert_eq!((&made.batch, made.expected.as_slice()), (&None, ["userId".to_owned()].as_slice()));
        let event =
            json!({ "type": "track", "userId": "u", "groupId": "g", "properties": { "b": 1, "a": 2 } });
        assert_eq!(data(&made, event.clone()), event, "as it is");
    }
    let base =
        json!({ "kind": "pendo", "region": "eu", "api_key": KEY, "base_url": "http://127.0.0.1:9000/" });
    let url = format!("http://127.0.0.1:9000/data/segmentio/{KEY}");
    assert_eq!(action(base).url.constant(), Some(&json!(url)));
}

#[test]
fn pendo_sends_what_is_asked_for() {
    for (calls, only) in [
        (json!(null), r#"type in ["identify", "group", "track"]"#),
        (json!(["track"]), r#"type in ["track"]"#),
    ] {
        let read = read(json!({ "kind": "pendo", "api_key": KEY, "calls": calls })).unwrap();
        assert_eq!(read.kind.only().unwrap().to_string(), only);
        assert_eq!(read.routing.trigger, None);
    }
    // What is written beside the settings goes before what the preset has, but not before its condition.
    let own = json!({ "kind": "pendo", "api_key": KEY, "trigger": "event = 'Signed Up'", "rate_limit": 5 });
    let own = read(own).unwrap();
    assert_eq!(
        (own.routing.trigger.unwrap().to_string().as_str(), own.rate_limit),
        ("event = \"Signed Up\"", Some(5))
    );
    assert!(own.kind.only().is_some());
}

#[test]
fn a_survey_is_asked_for_as_hello_customer_wants_it() {
    let made = action(survey());
    assert_eq!(
        made.url.constant(),
        Some(&json!("https://api.hellocustomer.com/V1.0/EN/Campaign/tp-1/Respondent/Add"))
    );
    assert_eq!(made.headers.constant(), Some(&json!({ "Authorization": "basic dG9rZW4=" })));
    assert_eq!(made.required, ["email"]);
    let read = read(survey()).unwrap();
    assert_eq!((read.rate_limit, read.burst, read.max_in_flight), (Some(1), None, 1));
    assert_eq!(read.names().collect::<Vec<_>>(), ["d", "Hello Customer"]);
    let only = read.kind.only().unwrap();
    for (type_name, sent) in [
        ("identify", true),
        ("track", true),
        ("page", true),
        ("screen", true),
        ("group", true),
        ("alias", false),
        ("delete", false),
    ] {
        let dialect = crate::domain::fql::Dialect::Trigger;
        assert_eq!(only.matches(&json!({ "type": type_name, "userId": "u1" }), dialect), sent, "{type_name}");
    }
    let mut with_values = survey();
    with_values["key_values"] = json!({ "team": "Brugge", "plan": { "@path": "$.properties.plan" } });
    let event = json!({
        "type": "track", "userId": "u1", "event": "Bought",
        "properties": { "email": "a@b.io", "firstName": "Ann", "last_name": "Bee", "plan": "pro" },
    });
    assert_eq!(
        data(&action(with_values), event).to_string(),
        r#"{"firstName":"Ann","lastName":"Bee","email":"a@b.io","custom_UniqueID":"u1","campaign_UniqueID":"tp-1","language_UniqueID":"lang-1","keyValues":{"team":"Brugge","plan":"pro"}}"#
    );
}

#[test]
fn a_respondent_is_found_where_each_call_has_him() {
    let made = action(survey());
    let person = |first: &str| json!({ "email": format!("{first}@x.io"), "firstname": first });
    for (event, found) in [
        (
            json!({ "type": "identify", "traits": person("t"), "context": { "traits": person("c") } }),
            Some("t"),
        ),
        (
            json!({ "type": "track", "properties": person("p"), "context": { "traits": person("c") } }),
            Some("p"),
        ),
        (json!({ "type": "page", "properties": person("p") }), Some("p")),
        (json!({ "type": "screen", "properties": person("p") }), Some("p")),
        (json!({ "type": "track", "properties": {}, "context": { "traits": person("c") } }), Some("c")),
        (json!({ "type": "track", "properties": {}, "profile": { "traits": person("q") } }), Some("q")),
        (
            json!({ "type": "track", "context": { "traits": null }, "profile": { "traits": person("q") } }),
            Some("q"),
        ),
        // The traits of a group are not a person's.
        (json!({ "type": "group", "traits": person("t"), "profile": { "traits": person("q") } }), Some("q")),
        (json!({ "type": "group", "traits": person("t"), "context": { "traits": person("c") } }), Some("c")),
        (json!({ "type": "group", "traits": person("t") }), None),
        (json!({ "type": "track", "properties": {} }), None),
        // Nothing of it is a person.
        (
            json!({ "type": "track", "properties": { "email": "" }, "context": { "traits": "x" }, "profile": 1 }),
            None,
        ),
    ] {
        let sent = data(&made, event.clone());
        assert_eq!(sent.get("firstName").and_then(Value::as_str), found, "{event}");
        assert_eq!(sent.get("email").cloned(), found.map(|it| json!(format!("{it}@x.io"))), "{event}");
        assert!(sent.get("keyValues").is_none(), "it is left out when it is not set");
    }
    // Each name may come from another place; of one place, the first way of writing it counts.
    let mixed = json!({
        "type": "identify",
        "traits": { "first_name": "one", "firstname": "two", "lastName": null, "email": "a@b.io" },
        "context": { "traits": { "firstName": "three", "lastname": "four" } },
    });
    let sent = data(&made, mixed);
    assert_eq!((&sent["firstName"], &sent["lastName"]), (&json!("one"), &json!("four")));
}

#[test]
fn problems_are_those_of_what_was_written() {
    let fields = |body: Value| {
        let problems = read(body).unwrap_err();
        problems.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect::<Vec<_>>()
    };
    for (body, expected) in [
        (json!({ "kind": "pendo" }), vec!["api_key: is missing"]),
        (json!({ "kind": "pendo", "api_key": "short" }), vec!["api_key: must be 32 or 36 characters long"]),
        (
            json!({ "kind": "pendo", "api_key": "../../../../../../../../../../..", "region": "eur" }),
            vec![
                "region: expected us or us1 or eu or jp, found another text; did you mean `eu`?",
                "api_key: must be letters, digits, - and _ only, since it stands in an address",
            ],
        ),
        (
            json!({ "kind": "pendo", "api_key": KEY, "base_url": "ftp://x" }),
            vec!["base_url: must begin with http:// or https://"],
        ),
        (
            json!({ "kind": "pendo", "api_key": KEY, "calls": ["page"], "trigger": "type =" }),
            vec!["calls[0]: expected identify or group or track, found another text", "trigger: …"],
        ),
        (
            json!({ "kind": "pendo", "api_key": KEY, "rate_limit": 0, "reigon": "eu" }),
            vec![
                "rate_limit: expected a whole number from 1 to 10000, found the number 0",
                "reigon: unknown key `reigon`; did you mean `region`?",
            ],
        ),
        (
            json!({ "kind": "hello_customer", "api_key": "a\nb", "touchpoint_id": "x/y", "language_id": "l" }),
            vec![
                "api_key: can't be sent: only printable ASCII without spaces at its ends",
                "touchpoint_id: must be letters, digits, - and _ only, since it stands in an address",
            ],
        ),
        (
            json!({ "kind": "hello_customer", "api_key": "a", "touchpoint_id": "x", "language_id": "l", "key_values": { "a": { "@nope": 1 } } }),
            vec!["key_values.a: …"],
        ),
        (
            json!({ "kind": "hello_customer", "burst": 5, "touchpoint_id": "x", "language_id": "l" }),
            vec!["api_key: is missing"],
        ),
        (json!({ "kind": "pendo", "api_key": KEY, "mapping": {} }), vec!["mapping: unknown key `mapping`"]),
    ] {
        let found = fields(body.clone());
        for wanted in &expected {
            // What the mapping engine says of a directive is its own.
            let is_there = |it: &String| {
                it == wanted || wanted.strip_suffix('…').is_some_and(|start| it.starts_with(start))
            };
            assert!(found.iter().any(is_there), "{wanted}\nin {found:#?}\nof {body}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}\nof {body}");
    }
}

#[test]
fn destinations_of_one_token_share_a_rate_that_tells_nothing() {
    let key = |body: Value| read(body).unwrap().rate_key;
    let mut other_touchpoint = survey();
    other_touchpoint["touchpoint_id"] = json!("tp-2");
    let mut other_token = survey();
    other_token["api_key"] = json!("b3RoZXI=");
    let shared = key(survey()).unwrap();
    assert_eq!(Some(&shared), key(other_touchpoint).as_ref());
    assert_ne!(Some(&shared), key(other_token).as_ref());
    assert!(shared.starts_with("sha256:") && !shared.contains("dG9rZW4"));
    assert_eq!(key(json!({ "kind": "pendo", "api_key": KEY })), None);
}

#[test]
fn a_destination_is_stored_as_its_settings_and_made_anew() {
    let made = read(survey()).unwrap();
    let stored = rmp_serde::to_vec_named(&made).unwrap();
    assert!(stored.len() < 1000, "{}", stored.len());
    assert_eq!(rmp_serde::from_slice::<Destination>(&stored).unwrap(), made);
    let mut unknown = serde_json::to_value(&made).unwrap();
    unknown["preset"] = json!("gone");
    let error = serde_json::from_value::<Destination>(unknown).unwrap_err().to_string();
    assert!(error.contains("the preset `gone` can't be filled in"), "{error}");
    assert!(read_preset("gone", &Map::new()).is_err());
}

#[test]
fn a_text_with_settings_in_it() {
    let preset: Preset = toml::from_str(
        r#"
        key = "p"
        name = "P"
        description = "x"
        setting = [{ key = "a", help = "." }, { key = "l", help = ".", type = "list" }]
        [destination]
        plain = "$5 and ${"
        whole = "${a}"
        within = "x-${a}-${l}-${b}"
        list = ["${a}", "${l}", 1]
        "#,
    )
    .unwrap();
    let settings = json!({ "l": ["x", "y"] });
    let expanded = Value::Object(preset.expand(settings.as_object().unwrap()));
    assert_eq!(
        expanded,
        json!({ "plain": "$5 and ${", "within": "x--[\"x\",\"y\"]-", "list": [["x", "y"], 1] })
    );
}

fn stalled() -> Value {
    json!({
        "type": "track", "event": "Journey Stalled", "userId": "<!channel> [x](http://e.vil)",
        "properties": {
            "summary": "u1 has been in no_reply of booking for 30 minutes.", "phoneNumber": "+15551234567", "flow": "booking",
            "stage": "no_reply", "level": 1, "levels": 2,
            "links": { "acknowledge": "https://s.example/act/a", "resolve": "https://s.example/act/r", "snoozeHour": "https://s.example/act/h" },
        },
    })
}

#[test]
fn a_stall_reads_well_in_slack_and_teams_and_is_acknowledged_from_there() {
    for kind in ["slack", "teams"] {
        let url = "https://hooks.example.com/services/T0/B0/s3cr3t?sig=x%2F1";
        let made = action(json!({ "kind": kind, "webhook_url": url }));
        assert_eq!(made.url.constant(), Some(&json!(url)), "as it is");
        let sent = data(&made, stalled());
        for said in [
            "u1 has been in no_reply",
            "+15551234567",
            "level 1 of 2",
            "https://s.example/act/a",
            "https://s.example/act/h",
        ] {
            assert!(sent.to_string().contains(said), "{kind}: {said} in {sent}");
        }
        let only = read(json!({ "kind": kind, "webhook_url": url })).unwrap();
        assert_eq!(only.kind.only().unwrap().to_string(), "event = \"Journey Stalled\"");
        assert_eq!((only.events.as_str(), only.rate_limit), ("none", Some(1)));
        assert!(read(json!({ "kind": kind, "webhook_url": "no url" })).is_err());
    }
}

#[test]
fn what_comes_from_outside_is_no_markup_in_slack() {
    let made = action(json!({ "kind": "slack", "webhook_url": "https://hooks.example.com/x" }));
    let sent = data(&made, stalled());
    let marked: Vec<&Value> =
        sent["blocks"].as_array().unwrap().iter().filter(|it| it["text"]["type"] == "mrkdwn").collect();
    assert_eq!(marked.len(), 1);
    assert!(!marked[0].to_string().contains("channel"), "{}", marked[0]);
    assert_eq!(sent["mrkdwn"], false);
    let text = sent["text"].as_str().unwrap();
    assert!(text.ends_with(" has stalled: alarm 1 of 2") && !text.contains("channel"), "{text}");
}
