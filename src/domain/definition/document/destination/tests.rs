use serde_json::{Value, json};

use crate::domain::definition::document::read_one;
use crate::domain::definition::{
    Auth, Batch, Definition, Destination, DestinationKind, Effect, EventsWanted, Kind, Problem,
};
use crate::domain::time::Span;

fn read(body: &Value) -> Result<Destination, Vec<Problem>> {
    match read_one(Kind::Destination, Some("d"), body)? {
        Definition::Destination(destination) => Ok(destination),
        other => panic!("{other:?}"),
    }
}

/// A destination of that kind with `more` in it.
fn with(kind: &str, more: Value) -> Value {
    let mut body = match kind {
        "webhook" => json!({ "kind": "webhook", "urls": [{ "url": "https://x.example/" }] }),
        _ => json!({ "kind": "webhook_action", "mapping": { "url": "https://x.example/" } }),
    };
    for (key, value) in more.as_object().unwrap() {
        match (key.as_str(), value) {
            ("mapping", Value::Object(members)) => {
                for (name, member) in members {
                    body["mapping"][name] = member.clone();
                }
            }
            _ => body[key] = value.clone(),
        }
    }
    body
}

#[test]
fn a_webhook_action_and_its_defaults() {
    let read = read(&with("webhook_action", json!({}))).unwrap();
    assert_eq!((read.events, read.timeout), (EventsWanted::All, Span::from_secs(10)));
    assert_eq!((read.expire_after, read.pause_after), (None, Some(Span::from_hours(1))));
    let DestinationKind::WebhookAction(action) = &read.kind else { panic!("{read:?}") };
    assert_eq!(action.method.constant(), Some(&json!("POST")));
    assert_eq!(action.headers.constant(), Some(&json!({})));
    assert_eq!(action.data.to_json(), &json!({ "@path": "$." }));
    assert_eq!((&action.batch, &action.auth, action.gzip), (&None, &None, false));
    let classic = self::read(&with("webhook", json!({}))).unwrap();
    assert_eq!((classic.events, classic.timeout), (EventsWanted::Computed, Span::from_secs(5)));
}

#[test]
fn everything_that_can_be_written() {
    let body = with(
        "webhook_action",
        json!({
            "enabled": false, "timeout": "3s", "max_in_flight": 2, "rate_limit": 5, "burst": 10, "retry_for": "1h",
            "expire_after": "7d", "pause_after": "never", "probe_every": "10s", "coalesce": true, "events": "computed",
            "trigger": "type = \"track\"", "sources": ["web"], "profile_traits": ["email", "plan"],
            "filter": [
                { "if": "type = \"page\"", "drop_event": true },
                { "drop": ["properties.card", "context.ip"] },
                { "allow": ["properties.total"] },
            ],
            "shared_secret": "s", "signing_secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="], "gzip": true,
            "auth": { "type": "oauth2", "token_url": "https://id.example/token", "client_id": "c", "client_secret": "x", "scope": "a b" },
            "required": ["email"], "expected": ["user.id"],
            "mapping": {
                "url": { "@template": "https://x.example/{{userId}}" }, "method": "PUT",
                "headers": { "Content-Type": "application/vnd.x+json", "X-User": { "@path": "$.userId" } },
                "data": { "id": { "@path": "$.userId" } },
                "batch_size": 500, "batch_wait": "2s", "batch_keys": ["url", "$.type"],
            },
        }),
    );
    let read = read(&body).unwrap();
    assert_eq!((read.burst, read.rate_limit, read.coalesce), (Some(10), Some(5), true));
    assert_eq!((read.expire_after, read.pause_after), (Some(Span::from_days(7)), None));
    let routing = &read.routing;
    assert_eq!(routing.sources.as_deref(), Some(["web".to_owned()].as_slice()));
    assert_eq!(routing.filters[0].effect, Effect::DropEvent);
    assert_eq!(routing.filters[1].when, None);
    assert_eq!(routing.profile_traits, ["email", "plan"]);
    let action = read.kind.action().unwrap();
    let batch = Batch { size: 500, wait: Span::from_secs(2), keys: vec!["url".into(), "$.type".into()] };
    assert_eq!(action.batch, Some(batch));
    assert!(
        matches!(&action.auth, Some(Auth::OAuth2 { scope: Some(scope), audience: None, .. }) if scope == "a b")
    );
    assert_eq!(action.signing.signing_secrets.len(), 1);
}

#[test]
fn a_rate_group_is_kept_as_a_hash_and_taken_as_it_is_shown() {
    let group = |text: &str| {
        let body = with("webhook", json!({ "rate_limit": 1, "rate_group": text }));
        read(&body).unwrap().rate_key.unwrap()
    };
    let hashed = group("s3cret");
    assert!(hashed.starts_with("sha256:") && hashed.len() == 71 && !hashed.contains("s3cret"), "{hashed}");
    assert_eq!(group(&hashed), hashed);
    assert_ne!(group("other"), hashed);
    assert_ne!(group("sha256:beef"), "sha256:beef", "not of that form");
}

#[test]
fn no_setting_of_a_preset_hides_one_of_all_kinds() {
    for preset in crate::domain::preset::all() {
        for setting in &preset.settings {
            let key = setting.key.as_str();
            assert!(!super::common::KEYS.contains(&key) && key != "key" && key != "kind", "{key}");
        }
    }
}

#[test]
fn batching_is_on_where_a_size_or_a_word_says_so() {
    let size = |mapping: Value| {
        let read = read(&with("webhook_action", json!({ "mapping": mapping }))).unwrap();
        read.kind.action().unwrap().batch.as_ref().map(|batch| batch.size)
    };
    assert_eq!(size(json!({ "batch_size": 0 })), None);
    assert_eq!(size(json!({ "batch_size": 1 })), Some(1));
    assert_eq!(size(json!({ "enable_batching": true })), Some(1000));
    assert_eq!(size(json!({ "enable_batching": false, "batch_size": 7 })), None);
}

#[test]
fn what_is_wrong_is_refused_with_its_field() {
    let action = "webhook_action";
    let mapped = |mapping: Value| json!({ "mapping": mapping });
    for (kind, more, field, message) in [
        (
            action,
            mapped(json!({ "data": { "user": { "@nope": 1 } } })),
            "mapping.data.user",
            "has an invalid directive: @nope",
        ),
        (
            action,
            mapped(json!({ "data": [{ "@path": "$.a", "@literal": 1 }] })),
            "mapping.data[0]",
            "should only have one @-prefixed key",
        ),
        (action, mapped(json!({ "data": { "a/b~c": { "@path": 7 } } })), "mapping.data.a/b~c.@path", ""),
        (action, mapped(json!({ "url": "ftp://x" })), "mapping.url", "must begin with http"),
        (action, mapped(json!({ "url": 7 })), "mapping.url", "expected a text"),
        (action, mapped(json!({ "url": null })), "mapping.url", "is missing"),
        (action, mapped(json!({ "url": { "@template": 7 } })), "mapping.url.@template", ""),
        (action, mapped(json!({ "method": "GET" })), "mapping.method", "expected POST, PUT or PATCH"),
        (action, mapped(json!({ "headers": "X: y" })), "mapping.headers", "expected a table"),
        (
            action,
            mapped(json!({ "headers": { "X Y": "z" } })),
            "mapping.headers.X Y",
            "is not the name of a header",
        ),
        (
            action,
            mapped(json!({ "headers": { "Größe": "z" } })),
            "mapping.headers.Größe",
            "is not the name of a header",
        ),
        (action, mapped(json!({ "headers": { "X": "Größe" } })), "mapping.headers.X", "can't be sent"),
        (action, mapped(json!({ "headers": { "X": 7 } })), "mapping.headers.X", "expected a text"),
        (
            action,
            mapped(json!({ "headers": { "X": "a", "x": "b" } })),
            "mapping.headers.x",
            "is the same header",
        ),
        (
            action,
            mapped(json!({ "headers": { "Host": "a" } })),
            "mapping.headers.Host",
            "is set by stagepost",
        ),
        (
            action,
            mapped(json!({ "headers": { "Content-Length": "1" } })),
            "mapping.headers.Content-Length",
            "is set by stagepost",
        ),
        (
            action,
            mapped(json!({ "headers": { "X-Signature": "1" } })),
            "mapping.headers.X-Signature",
            "is set by stagepost",
        ),
        (
            action,
            mapped(json!({ "headers": { "Webhook-Id": { "@path": "$.a" } } })),
            "mapping.headers.Webhook-Id",
            "is set by stagepost",
        ),
        (action, mapped(json!({ "batch_size": 4001 })), "mapping.batch_size", "from 0 to 4000"),
        (
            action,
            mapped(json!({ "batch_size": 0, "enable_batching": true })),
            "mapping.batch_size",
            "enable_batching is true",
        ),
        (
            action,
            mapped(json!({ "batch_keys": ["data"] })),
            "mapping.batch_keys[0]",
            "expected url, method, headers",
        ),
        (action, mapped(json!({ "batch_wait": "1h" })), "mapping.batch_wait", "must be from"),
        (action, mapped(json!({ "urls": "x" })), "mapping.urls", "did you mean `url`?"),
        (action, json!({ "mapping": [] }), "mapping", "expected a table"),
        (action, json!({ "batch_size": 5 }), "batch_size", "stands in [destination.mapping]"),
        (action, json!({ "urls": [] }), "urls", "unknown key"),
        (action, json!({ "required": ["$.email"] }), "required[0]", "is not a path in the data"),
        (action, json!({ "auth": { "type": "berer" } }), "auth.type", "did you mean `bearer`?"),
        (action, json!({ "auth": { "type": "bearer" } }), "auth.token", "is missing"),
        (action, json!({ "auth": { "type": "bearer", "token": "a\nb" } }), "auth.token", "can't be sent"),
        (
            action,
            json!({ "auth": { "type": "basic", "user": "a:b", "password": "c" } }),
            "auth.user",
            "must not hold a `:`",
        ),
        (
            action,
            json!({ "auth": { "type": "oauth2", "token_url": "x", "client_id": "c", "client_secret": "s" } }),
            "auth.token_url",
            "is not a URL",
        ),
        (
            action,
            json!({ "auth": { "type": "bearer", "token": "t" }, "mapping": { "headers": { "authorization": "x" } } }),
            "mapping.headers.authorization",
            "`auth` makes this header",
        ),
        ("webhook", json!({ "signing_secrets": [] }), "signing_secrets", "name at least one"),
        ("webhook", json!({ "signing_secrets": ["whsec_c2hvcnQ="] }), "signing_secrets[0]", "must be whsec_"),
        ("webhook", json!({ "signing_secrets": ["abc"] }), "signing_secrets[0]", "must be whsec_"),
        ("webhook", json!({ "mapping": [] }), "mapping", "unknown key"),
        (
            "webhook",
            json!({ "urls": [{ "url": "https://x.example/", "headers": { "webhook-id": "x" } }] }),
            "urls[0].headers.webhook-id",
            "is set by stagepost",
        ),
        (
            "webhook",
            json!({ "urls": [{ "url": "https://x.example/", "headers": { "Keep-Alive": "timeout=5" } }] }),
            "urls[0].headers.Keep-Alive",
            "is set by stagepost",
        ),
        (
            "webhook",
            json!({ "urls": [{ "url": "https://x.example/", "headers": { "X-Stagepost-Team": "x" } }] }),
            "urls[0].headers.X-Stagepost-Team",
            "is set by stagepost",
        ),
        (
            action,
            mapped(json!({ "headers": { "Proxy-Connection": { "@path": "$.userId" } } })),
            "mapping.headers.Proxy-Connection",
            "is set by stagepost",
        ),
        (
            "webhook",
            json!({ "filter": [{ "allow": [r"prop\erties"] }] }),
            "filter[0].allow[0]",
            "name a field",
        ),
        ("webhook", json!({ "rate_group": "a" }), "rate_group", "has no meaning without `rate_limit`"),
        (
            "webhook",
            json!({ "rate_limit": 1, "rate_group": "a\nb" }),
            "rate_group",
            "without control characters",
        ),
        ("webhook", json!({ "integration_names": ["a", "a"] }), "integration_names[1]", "is listed twice"),
        ("webhook", json!({ "burst": 5 }), "burst", "has no meaning without `rate_limit`"),
        ("webhook", json!({ "expire_after": "0s" }), "expire_after", "must be from 1s"),
        ("webhook", json!({ "pause_after": "nevr" }), "pause_after", "is not a duration"),
        ("webhook", json!({ "probe_every": 5 }), "probe_every", "expected a duration"),
        ("webhook", json!({ "coalesce": "yes" }), "coalesce", "expected true or false"),
        ("webhook", json!({ "trigger": "userId = oops\"" }), "trigger", "at line 1, column"),
        ("webhook", json!({ "trigger": "event" }), "trigger", "at line 1, column 1"),
        ("webhook", json!({ "trigger": "  " }), "trigger", "must not be empty"),
        ("webhook", json!({ "sources": [] }), "sources", "name at least one source"),
        ("webhook", json!({ "sources": ["a", "a"] }), "sources[1]", "is listed twice"),
        ("webhook", json!({ "filter": { "drop_event": true } }), "filter", "write [[double brackets]]"),
        ("webhook", json!({ "filter": [{}] }), "filter[0]", "does one thing"),
        (
            "webhook",
            json!({ "filter": [{ "drop_event": true, "drop": ["context"] }] }),
            "filter[0]",
            "does one thing",
        ),
        (
            "webhook",
            json!({ "filter": [{ "drop_event": false }] }),
            "filter[0].drop_event",
            "is true, or is left out",
        ),
        (
            "webhook",
            json!({ "filter": [{ "if": "type =", "drop_event": true }] }),
            "filter[0].if",
            "at line 1",
        ),
        (
            "webhook",
            json!({ "filter": [{ "when": "x", "drop_event": true }] }),
            "filter[0].when",
            "unknown key",
        ),
        ("webhook", json!({ "filter": [{ "drop": [] }] }), "filter[0].drop", "name at least one field"),
        ("webhook", json!({ "filter": [{ "drop": ["userId"] }] }), "filter[0].drop[0]", "can't be left out"),
        ("webhook", json!({ "filter": [{ "drop": ["$.context"] }] }), "filter[0].drop[0]", "without `$.`"),
        (
            "webhook",
            json!({ "filter": [{ "drop": ["context..ip"] }] }),
            "filter[0].drop[0]",
            "is not the path of a field",
        ),
        (
            "webhook",
            json!({ "filter": [{ "allow": ["channel"] }] }),
            "filter[0].allow[0]",
            "name a field of properties",
        ),
        (
            "webhook",
            json!({ "filter": [{ "allow": ["properties"] }] }),
            "filter[0].allow[0]",
            "name a field of properties",
        ),
        ("webhook", json!({ "kind": "webhok" }), "kind", "did you mean `webhook`?"),
    ] {
        let body = with(kind, more);
        let problems = read(&body).expect_err(&body.to_string());
        let is_it = |it: &Problem| it.field == field && it.message.contains(message);
        assert!(problems.iter().any(is_it), "{field}: {message}\nin {problems:#?}\nof {body}");
        assert_eq!(problems.len(), 1, "nothing else is wrong: {problems:#?}\nof {body}");
    }
}

#[test]
fn no_message_shows_a_secret() {
    let secret = "s3cret\n";
    for body in [
        with("webhook", json!({ "signing_secrets": [secret], "shared_secret": secret })),
        with(
            "webhook_action",
            json!({ "auth": { "type": "bearer", "token": secret }, "mapping": { "headers": { "X-Key": secret } } }),
        ),
        with("webhook_action", json!({ "auth": { "type": "basic", "user": "u", "password": secret } })),
        json!({ "kind": "pendo", "api_key": secret }),
        json!({ "kind": "hello_customer", "api_key": secret, "touchpoint_id": secret, "language_id": "x" }),
    ] {
        let problems = format!("{:?}", read(&body).unwrap_err());
        assert!(!problems.contains("s3cret"), "{problems}");
    }
}
