use serde_json::{Value, json};

use super::*;
use crate::domain::definition::{Channel, DestinationKind, Emit, EventsWanted, Recipient, SourceKind};

/// The fields and messages of everything wrong with `document`.
fn problems(document: Value) -> Vec<(String, String)> {
    let problems = read(&document).expect_err("a document with problems");
    problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
}

fn sample() -> Value {
    json!({
        "source": [{"key": "studio", "kind": "studio", "write_key": "wk_studio", "properties": ["appointment"]}],
        "flow": [{
            "name": "appointment_confirmation",
            "initial": "initiation",
            "terminal": ["confirmed", "cancelled"],
            "escalation": [
                {"stage": "no_reply", "after": "2h", "channel": "email", "to": ["b@example.com"], "template": "x"},
                {"stage": "no_reply", "after": "30m", "channel": "email", "to": ["a@example.com"], "template": "x"},
            ],
        }],
        "destination": [{
            "key": "crm", "kind": "webhook",
            "urls": [{"url": "https://crm.example.com/hook", "headers": {"X-Team": "growth"}}],
            "shared_secret": "s3cret", "events": "all", "rate_limit": 5,
        }],
        "audience": [{
            "name": "Order Completed Last 30days",
            "query": "event('Order Completed').within(30 days).count() >= 1",
            "destinations": ["crm"],
        }],
    })
}

#[test]
fn a_whole_document_with_its_defaults() {
    let definitions = read(&sample()).unwrap();
    let [
        Definition::Source(source),
        Definition::Flow(flow),
        Definition::Destination(destination),
        Definition::Audience(audience),
    ] = definitions.as_slice()
    else {
        panic!("one of each kind, in order: {definitions:?}");
    };
    assert_eq!((source.kind, source.write_key.as_str()), (SourceKind::Studio, "wk_studio"));
    assert_eq!(flow.expire_after.to_string(), "30d");
    let levels: Vec<_> = flow.levels("no_reply").map(|(_, _, level)| level).collect();
    let after: Vec<String> = levels.iter().map(|level| level.after.to_string()).collect();
    assert_eq!(after, ["30m", "2h"], "levels run in rising order");
    assert_eq!(&flow.escalation[1], levels[0], "and stand as they were written");
    let Channel::Email { to, .. } = &levels[0].actions[0] else { panic!() };
    assert_eq!(*to, [Recipient::Address("a@example.com".into())]);
    let DestinationKind::Webhook { urls, signing, .. } = &destination.kind else { panic!("{destination:?}") };
    assert_eq!((urls.len(), signing.shared_secret.as_deref()), (1, Some("s3cret")));
    assert_eq!((destination.events, destination.rate_limit), (EventsWanted::All, Some(5)));
    assert_eq!((destination.enabled, destination.max_in_flight), (true, 16));
    assert_eq!((audience.key.as_str(), audience.enabled), ("order_completed_last_30days", true));
    assert_eq!(audience.emit, [Emit::Identify]);
    assert_eq!(audience.id, "");
}

#[test]
fn every_problem_is_reported_with_its_field() {
    let found = problems(json!({
        "source": [{"key": "Studio!", "kind": "studoi"}, {"kind": "http", "properties": ["a"], "wirte_key": "x"}],
        "flow": [{
            "name": "",
            "initial": "a",
            "terminal": ["a", "b"],
            "expire_after": "1h",
            "escalation": [
                {"stage": "b", "after": "30", "channel": "email", "to": "ops@example.com", "template": "../x"},
                {"stage": "c", "after": "1h", "channel": "email", "to": [], "template": "x"},
                {"stage": "c", "after": 30, "channel": "email", "to": ["nobody"], "template": "x", "form": 1},
            ],
        }],
        "destination": [
            {"key": "email", "kind": "webhook", "urls": []},
            {"key": "x", "kind": "webhook", "urls": [{"url": "crm", "headers": {"Host": "x", "A": "\n", "B": 1}}],
             "timeout": "1h", "max_in_flight": 0, "enabled": "yes"},
        ],
        "audience": [{"name": "???", "emit": []}],
        "sources": [],
        "flw": {},
    }));
    let expected = [
        ("source[0].key", "must be 1 to 64 characters of a-z, 0-9, _ and -"),
        (
            "source[0].kind",
            "expected studio or http or event_streams, found another text; did you mean `studio`?",
        ),
        ("source[1].key", "is missing"),
        ("source[1].properties", "only a source of the kind studio has this"),
        ("source[1].wirte_key", "unknown key `wirte_key`; did you mean `write_key`?"),
        ("flow[0].name", "must not be empty"),
        ("flow[0].terminal", "`a` begins a run and can't end it too"),
        (
            "flow[0].escalation[0].stage",
            "`b` ends a run, so nobody ever stands in it and the level never fires",
        ),
        (
            "flow[0].escalation[0].after",
            "`30` is not a duration; write a whole number and a unit: 90s, 30m, 2h, 7d",
        ),
        ("flow[0].escalation[0].to", "expected a list [ … ], found a text"),
        ("flow[0].escalation[0].template", "must be 1 to 64 characters of a-z, 0-9, _ and -"),
        (
            "flow[0].escalation[1].after",
            "must be less than the flow's expire_after (1h), or the level never fires",
        ),
        ("flow[0].escalation[1].to", "name at least one mail address"),
        (
            "flow[0].escalation[2].after",
            "expected a duration in quotes such as \"90s\", \"30m\", \"2h\" or \"7d\", found the number 30",
        ),
        ("flow[0].escalation[2].to[0]", "is not a mail address such as ops@example.com"),
        ("flow[0].escalation[2].form", "unknown key `form`"),
        ("destination[0].key", "`email` is kept for the mails that stagepost sends; choose another key"),
        ("destination[0].urls", "name at least one: [{ url = \"https://…\" }]"),
        ("destination[1].urls[0].url", "is not a URL: relative URL without a base"),
        ("destination[1].urls[0].headers.Host", "`Host` is set by stagepost and can't be replaced"),
        ("destination[1].urls[0].headers.A", "must not be empty"),
        ("destination[1].urls[0].headers.B", "expected a text in quotes, found the number 1"),
        ("destination[1].enabled", "expected true or false, found a text"),
        ("destination[1].timeout", "must be from 100ms to 1m, not 1h"),
        ("destination[1].max_in_flight", "expected a whole number from 1 to 256, found the number 0"),
        ("audience[0].query", "is missing"),
        ("audience[0].emit", "name at least one of identify and track"),
        ("sources", "unknown key `sources`; did you mean `source`?"),
        ("flw", "unknown key `flw`; did you mean `flow`?"),
    ];
    for (field, message) in expected {
        assert!(found.contains(&(field.to_owned(), message.to_owned())), "{field}: {message}\nin {found:#?}");
    }
    // The message about a name without letters is the key maker's own.
    assert!(found.iter().any(|(field, _)| field == "audience[0].name"));
    assert_eq!(found.len(), expected.len() + 1, "{found:#?}");
}

#[test]
fn a_previous_write_key_has_an_end() {
    let source = |more: Value| {
        let mut source = json!({"key": "web", "kind": "http", "write_key": "wk_second"});
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "source": [source] })
    };
    let (key, until) = ("previous_write_key", "previous_write_key_until");
    for (more, field) in [
        (json!({ key: "wk_first1" }), key),
        (json!({ until: "2026-11-29T09:00:00Z" }), until),
        (json!({ key: "wk_second", until: "2026-11-29T09:00:00Z" }), key),
        (json!({ key: "wk_first1", until: "next week" }), until),
        (json!({ key: "short", until: "2026-11-29T09:00:00Z" }), key),
    ] {
        let found = problems(source(more.clone()));
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, [format!("source[0].{field}")], "{more}");
    }
    let whole = source(json!({ key: "wk_first1", until: "2026-11-29T09:00:00Z" }));
    assert!(read(&whole).is_ok());
}

#[test]
fn keys_are_unique_within_their_kind() {
    let source = json!({"key": "a", "kind": "http"});
    let query = "event('A').count() >= 1";
    let found = problems(json!({
        "source": [source, source],
        "flow": [{"name": "a"}, {"name": "b"}, {"name": "a"}],
        "audience": [{"name": "VIP Customers", "query": query}, {"name": "vip-customers", "query": query}],
    }));
    let expected = [
        ("source[1].key", "source `a` is defined twice; the first is source[0]"),
        ("flow[2].name", "flow `a` is defined twice; the first is flow[0]"),
        (
            "audience[1].name",
            "another audience's name makes the same key, `vip_customers`; the first is audience[0]",
        ),
    ]
    .map(|(field, message)| (field.to_owned(), message.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn other_shapes_are_refused() {
    for document in [json!([]), json!("x"), json!({"source": {"key": "x"}}), json!({"flow": [1]})] {
        assert!(read(&document).is_err(), "{document}");
    }
    assert_eq!(read(&json!({})), Ok(vec![]));
    assert_eq!(read(&json!({"source": null})), Ok(vec![]));
}

#[test]
fn messages_do_not_show_secrets() {
    let secret = "p4ssw0rd with spaces";
    let found = problems(json!({
        "source": [{"key": secret, "kind": secret, "write_key": secret, "twilio_auth_tokens": secret}],
        "destination": [{"key": "a", "kind": "webhook", "enabled": secret, "shared_secret": format!("{secret}\n"),
            "urls": [{"url": format!("https://x:{secret}@x/")}, {"url": secret, "headers": {"A": format!("{secret}\n")}}]}],
    }));
    assert_eq!(found.len(), 9, "{found:#?}");
    assert!(!format!("{found:?}").contains("p4ssw0rd"), "{found:#?}");
}

#[test]
fn one_definition_takes_its_key_from_the_address() {
    let body = json!({"kind": "http", "createdAt": "x"});
    assert_eq!(read_one(Kind::Source, Some("web"), &body).unwrap().key(), "web");
    let body = json!({"key": "other", "kind": "http"});
    let found = read_one(Kind::Source, Some("web"), &body).unwrap_err();
    assert_eq!(found, [Problem::new("key", "is not `web` as in the address; it can't be changed")]);

    let body = json!({"name": "VIP customers", "query": "event('A').count() >= 1"});
    assert_eq!(read_one(Kind::Audience, None, &body).unwrap().key(), "vip_customers");
    // A name may change; the key stays what it was.
    assert_eq!(read_one(Kind::Audience, Some("vips"), &body).unwrap().key(), "vips");
    assert!(read_one(Kind::Audience, Some("V I P"), &body).is_err());
    assert!(read_one(Kind::Flow, Some("f"), &json!([])).is_err());
    let found = read_one(Kind::Flow, Some("f"), &json!({"escalation": [{}]})).unwrap_err();
    assert_eq!(found[0].field, "escalation[0].stage");
}
