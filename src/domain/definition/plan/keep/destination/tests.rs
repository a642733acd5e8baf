use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::plan::{Plan, plan};
use crate::domain::definition::{Definitions, DestinationKind, Kind, Problem, document, render};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SIGNING: &str = "whsec_czNjcmV0LXMzY3JldC1zM2NyZXQ=";
/// What stands in every secret below.
const SECRETS: [&str; 3] = ["s3cret", "czNjcmV0", KEY];

fn planned(existing: &Definitions, body: &Value) -> Result<Plan, Vec<Problem>> {
    let wanted = document::read_one(Kind::Destination, Some("d"), body).expect("a destination");
    let mut ids = IdSource::new([3; 32]);
    plan(existing, vec![wanted], false, Timestamp::from_millis(0), &mut ids, &AddressPolicy::allow_all())
}

fn defined(body: &Value) -> Definitions {
    let mut definitions = Definitions::default();
    let source =
        document::read_one(Kind::Source, Some("web"), &json!({ "kind": "http", "write_key": "wk_web_1" }));
    definitions.put(source.unwrap());
    for put in planned(&definitions, body).unwrap().puts {
        definitions.put(put.definition);
    }
    definitions
}

fn shown(definitions: &Definitions) -> Value {
    render::destination(&definitions.destinations["d"])
}

fn webhook() -> Value {
    json!({
        "kind": "webhook", "shared_secret": "s3cret", "signing_secrets": [SIGNING, SIGNING], "gzip": true,
        "urls": [{ "url": "https://x.example/", "headers": { "X-Api-Key": "s3cret", "X-Team": "growth" } }],
        "expire_after": "7d", "pause_after": "never", "burst": 3, "rate_limit": 1, "coalesce": true,
    })
}

fn action(auth: Value) -> Value {
    json!({
        "kind": "webhook_action", "shared_secret": "s3cret", "signing_secrets": [SIGNING], "auth": auth,
        "trigger": "type = 'track' and !contains(event, \"x\")", "sources": ["web"], "profile_traits": ["email"],
        "filter": [
            { "if": "properties.total = 5", "drop_event": true }, { "drop": ["context.ip"] }, { "allow": ["properties.total"] },
        ],
        "required": ["a.b"], "expected": ["c"], "events": "computed", "timeout": "3s",
        "mapping": {
            "url": { "@template": "https://x.example/{{userId}}" }, "method": "PUT",
            "headers": { "X-Key": "s3cret", "X-Team": "growth", "X-Token": { "@if": { "exists": { "@path": "$.a" }, "then": "s3cret" } } },
            "data": { "z": 1, "a": { "@path": "$.userId" } }, "batch_size": 5, "batch_wait": "1s", "batch_keys": ["url"],
        },
    })
}

fn oauth2() -> Value {
    json!({ "type": "oauth2", "token_url": "https://id.example/", "client_id": "c", "client_secret": "s3cret", "audience": "x" })
}

fn basic() -> Value {
    json!({ "type": "basic", "user": "u", "password": "s3cret" })
}

fn bearer() -> Value {
    json!({ "type": "bearer", "token": "s3cret" })
}

fn survey() -> Value {
    json!({
        "kind": "hello_customer", "api_key": "s3cret", "touchpoint_id": "t", "language_id": "l",
        "key_values": { "team": "Brugge", "plan": { "@path": "$.properties.plan" } }, "trigger": "event = 'Bought'",
    })
}

fn pendo() -> Value {
    json!({ "kind": "pendo", "region": "eu", "api_key": KEY, "calls": ["track"], "rate_limit": 7 })
}

fn twilio() -> Value {
    json!({
        "kind": "twilio", "account_sid": format!("AC{:032x}", 1), "auth_token": "s3cret", "auth_tokens": ["s3cret-2", "s3cret-3"],
        "api_key": format!("SK{:032x}", 1), "api_secret": "s3cret", "from": "+15005550006", "rate_limit": 5,
        "workspace_sid": format!("WS{:032x}", 1), "studio_base_url": "https://studio.dublin.ie1.twilio.com",
    })
}

fn slack() -> Value {
    json!({ "kind": "slack", "webhook_url": "https://hooks.example.com/T0/s3cret?sig=s3cret" })
}

#[test]
fn what_vouches_at_twilio_goes_nowhere_else() {
    assert_eq!(not_kept(&twilio(), |wanted| wanted["from"] = "+15005550007".into()), [""; 0]);
    let elsewhere = not_kept(&twilio(), |wanted| wanted["api_base_url"] = "https://e.vil".into());
    assert_eq!(elsewhere, ["auth_token", "api_secret"]);
    let other = not_kept(&twilio(), |wanted| wanted["api_key"] = format!("SK{:032x}", 2).into());
    assert_eq!(other, ["api_secret"]);
}

fn every_kind() -> Vec<Value> {
    let plain = json!({ "kind": "webhook_action", "mapping": { "url": "https://x.example/" } });
    let off =
        json!({ "kind": "pendo", "api_key": KEY, "enabled": false, "max_in_flight": 2, "events": "none" });
    vec![
        webhook(),
        action(oauth2()),
        action(basic()),
        action(bearer()),
        plain,
        survey(),
        pendo(),
        off,
        twilio(),
        slack(),
    ]
}

#[test]
fn what_is_shown_can_be_put_back_and_shows_no_secret() {
    for body in every_kind() {
        let existing = defined(&body);
        let shown = shown(&existing);
        for secret in SECRETS {
            assert!(!shown.to_string().contains(secret), "{secret} in {shown}");
        }
        let again = planned(&existing, &shown).unwrap();
        assert_eq!((again.unchanged.len(), again.puts.len()), (1, 0), "{shown}");
        // What is written is shown as it is written.
        for (key, value) in body.as_object().unwrap() {
            let is_plain = !value.is_object() && !value.is_array() && !value.to_string().contains("s3cret");
            if is_plain && value != KEY && key != "trigger" {
                assert_eq!(&shown[key], value, "{key} of {shown}");
            }
        }
    }
}

#[test]
fn of_a_preset_only_what_was_written_is_shown() {
    let shown = shown(&defined(&pendo()));
    assert_eq!(shown["calls"], json!(["track"]));
    assert!(shown.get("trigger").is_none() && shown.get("mapping").is_none(), "{shown}");
    // So that a changed setting has its effect.
    let existing = defined(&pendo());
    let mut changed = shown.clone();
    changed["calls"] = json!(["group"]);
    let plan = planned(&existing, &changed).unwrap();
    assert!(format!("{:?}", plan.puts).contains("group"));
    let survey = self::shown(&defined(&survey()));
    assert_eq!(survey["trigger"], "event = \"Bought\"");
    assert!(survey.get("rate_limit").is_none(), "{survey}");
}

/// The fields of the secrets that are not kept when `change` is made to what is shown.
fn not_kept(body: &Value, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let existing = defined(body);
    let mut wanted = shown(&existing);
    change(&mut wanted);
    match planned(&existing, &wanted) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            assert!(problems.iter().all(|it| it.message.contains("write the secret")), "{problems:?}");
            problems.into_iter().map(|it| it.of_one().field).collect()
        }
    }
}

#[test]
fn a_secret_never_follows_to_another_address() {
    let action_url = |wanted: &mut Value| wanted["mapping"]["url"] = json!("https://attacker.example/");
    let headers = ["mapping.headers.X-Key", "mapping.headers.X-Token.@if.then"];
    assert_eq!(not_kept(&action(bearer()), action_url), ["auth.token", headers[0], headers[1]]);
    assert_eq!(not_kept(&action(basic()), action_url), ["auth.password", headers[0], headers[1]]);
    assert_eq!(not_kept(&action(oauth2()), action_url), ["auth.client_secret", headers[0], headers[1]]);
    let token_url = |wanted: &mut Value| wanted["auth"]["token_url"] = json!("https://attacker.example/");
    assert_eq!(not_kept(&action(oauth2()), token_url), ["auth.client_secret"]);
    let data = |wanted: &mut Value| wanted["mapping"]["data"] = json!({ "other": 1 });
    assert!(not_kept(&action(oauth2()), data).is_empty());
    let header = |wanted: &mut Value| wanted["mapping"]["headers"]["X-Other-Key"] = json!("********");
    assert_eq!(not_kept(&action(bearer()), header), ["mapping.headers.X-Other-Key"]);
    let base_url = |wanted: &mut Value| wanted["base_url"] = json!("https://attacker.example");
    assert_eq!(not_kept(&pendo(), base_url), ["api_key"]);
    assert_eq!(not_kept(&survey(), base_url), ["api_key"]);
    let touchpoint = |wanted: &mut Value| wanted["touchpoint_id"] = json!("other");
    assert!(not_kept(&survey(), touchpoint).is_empty(), "the same server");
    let region = |wanted: &mut Value| wanted["region"] = json!("jp");
    assert_eq!(not_kept(&pendo(), region), ["api_key"]);
    let as_action = |wanted: &mut Value| {
        *wanted = json!({ "kind": "webhook_action", "shared_secret": "********", "mapping": { "url": "https://x.example/" } });
    };
    assert_eq!(not_kept(&webhook(), as_action), ["shared_secret"], "another kind has other secrets");
}

const OTHER: &str = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXI=";
const THIRD: &str = "whsec_dGhpcmQtdGhpcmQtdGhpcmQtdGhpcmQ=";

/// The signing secrets that come of writing `written` where there were `before`, or what is wrong. `#0` stands for what is
/// shown of the first one, and so on.
fn rotated(before: &[&str], written: &[&str]) -> Result<Vec<String>, Vec<Problem>> {
    let with = |secrets: Value| json!({ "kind": "webhook", "urls": [{ "url": "https://x.example/" }], "signing_secrets": secrets });
    let existing = defined(&with(json!(before)));
    let shown = shown(&existing)["signing_secrets"].clone();
    let secret = |text: &&str| match text.strip_prefix('#') {
        Some(place) => shown[place.parse::<usize>().unwrap()].clone(),
        None => json!(text),
    };
    let wanted = with(written.iter().map(secret).collect());
    let plan = planned(&existing, &wanted)?;
    let kept = match plan.puts.first().map(|put| &put.definition) {
        Some(crate::domain::definition::Definition::Destination(it)) => it.kind.clone(),
        _ => existing.destinations["d"].kind.clone(),
    };
    let DestinationKind::Webhook { signing, .. } = kept else { panic!("{kept:?}") };
    Ok(signing.signing_secrets)
}

#[test]
fn secrets_are_exchanged_by_what_is_shown_of_them() {
    for (before, written, after) in [
        (&[SIGNING][..], &[OTHER, "#0"][..], &[OTHER, SIGNING][..]),
        (&[SIGNING], &["#0", OTHER], &[SIGNING, OTHER]),
        (&[SIGNING, OTHER], &["#1"], &[OTHER]),
        (&[SIGNING, OTHER], &["#0"], &[SIGNING]),
        (&[SIGNING, OTHER], &["#1", "#0"], &[OTHER, SIGNING]),
        (&[SIGNING, OTHER], &["#1", THIRD], &[OTHER, THIRD]),
        // Without a mark, that at the same place.
        (&[SIGNING, OTHER], &["********", "********"], &[SIGNING, OTHER]),
        (&[SIGNING, OTHER], &["********", THIRD], &[SIGNING, THIRD]),
    ] {
        assert_eq!(rotated(before, written).unwrap(), after, "{before:?} {written:?}");
    }
    for (before, written, field) in [
        (&[SIGNING, OTHER][..], &["********"][..], "signing_secrets[0]"),
        (&[SIGNING], &["********", OTHER], "signing_secrets[0]"),
        (&[SIGNING], &[OTHER, "********"], "signing_secrets[1]"),
        (&[SIGNING, OTHER], &["********", "********", "********"], "signing_secrets[0]"),
        (&[SIGNING], &["********00000000"], "signing_secrets[0]"),
    ] {
        let problems = rotated(before, written).unwrap_err();
        assert_eq!(problems[0].clone().of_one().field, field, "{written:?}");
    }
    let problems = rotated(&[SIGNING, OTHER], &["********"]).unwrap_err();
    assert!(problems[0].message.contains("write back what was shown"), "{problems:?}");
    // Something else that begins with stars is no secret that could sign.
    let body = json!({ "kind": "webhook", "urls": [{ "url": "https://x.example/" }], "signing_secrets": ["********x"] });
    assert!(document::read_one(Kind::Destination, Some("d"), &body).is_err());
}

#[test]
fn nothing_is_kept_where_there_was_nothing() {
    let nothing = Definitions::default();
    for (body, field) in [
        (json!({ "kind": "pendo", "api_key": "********" }), "api_key"),
        (
            json!({ "kind": "webhook_action", "auth": { "type": "bearer", "token": "********" }, "mapping": { "url": "https://x.example/" } }),
            "auth.token",
        ),
    ] {
        let problems = planned(&nothing, &body).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].clone().of_one().field, field);
    }
}

#[test]
fn a_kept_secret_is_that_of_the_rate_too() {
    let existing = defined(&survey());
    let mut wanted = shown(&existing);
    wanted["touchpoint_id"] = json!("other");
    let plan = planned(&existing, &wanted).unwrap();
    let crate::domain::definition::Definition::Destination(kept) = &plan.puts[0].definition else {
        panic!("{plan:?}")
    };
    assert_eq!(kept.rate_key, existing.destinations["d"].rate_key);
    assert!(kept.rate_key.is_some());
    // A group of one's own stays one's own.
    let mut own = survey();
    own["rate_group"] = json!("mine");
    let existing = defined(&own);
    let mut wanted = shown(&existing);
    assert_eq!(wanted["rate_group"], json!(existing.destinations["d"].rate_key));
    wanted["touchpoint_id"] = json!("other");
    let plan = planned(&existing, &wanted).unwrap();
    assert!(format!("{:?}", plan.puts).contains(existing.destinations["d"].rate_key.as_deref().unwrap()));
    let headers = kept.kind.action().unwrap().headers.to_json();
    assert_eq!(headers, &json!({ "Authorization": "basic s3cret" }));
}

#[test]
fn sources_have_to_be_there_and_stay() {
    let mut named = pendo();
    named["sources"] = json!(["web"]);
    let existing = defined(&named);
    let in_use = crate::domain::definition::plan::needed_by(&existing, Kind::Source, "web");
    assert_eq!(in_use.as_deref(), Some("source `web` is still named by `d`"));
    named["sources"] = json!(["web", "webb"]);
    let problems = planned(&existing, &named).unwrap_err();
    assert_eq!(
        problems,
        [Problem::new("destination[0].sources[1]", "there is no source `webb`; did you mean `web`?")]
    );
}

/// Destinations of every kind with any of the settings that all of them have.
fn destinations() -> impl Strategy<Value = Value> {
    let settings: Vec<(&str, Vec<Value>)> = vec![
        ("enabled", vec![json!(true), json!(false)]),
        ("timeout", vec![json!("100ms"), json!("1m")]),
        ("max_in_flight", vec![json!(1), json!(256)]),
        ("rate_limit", vec![json!(1), json!(10_000)]),
        ("retry_for", vec![json!("0s"), json!("90m")]),
        ("expire_after", vec![json!("never"), json!("7d")]),
        ("pause_after", vec![json!("never"), json!("1h"), json!("90s")]),
        ("probe_every", vec![json!("1s"), json!("1d")]),
        ("coalesce", vec![json!(true), json!(false)]),
        ("events", vec![json!("computed"), json!("all"), json!("none")]),
        ("trigger", vec![json!("type = 'track'"), json!("!(a.b\\.c in [1, 'x'] or match(event, '*\"\\?'))")]),
        ("sources", vec![json!(["web"])]),
        ("profile_traits", vec![json!(["b", "a"]), json!([])]),
        (
            "filter",
            vec![json!([]), json!([{ "if": "a != null", "drop": ["b", "c.d"] }, { "drop_event": true }])],
        ),
    ];
    let count = settings.len();
    let chosen = proptest::collection::vec(proptest::option::of(any::<prop::sample::Index>()), count);
    let kinds = every_kind();
    (0..kinds.len(), chosen, any::<bool>()).prop_map(move |(kind, chosen, burst)| {
        let mut body = kinds[kind].clone();
        for ((key, values), choice) in settings.iter().zip(chosen) {
            // Twilio is sent no calls, and has none of what says which.
            let says_which = ["coalesce", "events", "trigger", "sources", "profile_traits", "filter"];
            let is_meant = body["kind"] != "twilio" || !says_which.contains(key);
            if let Some(choice) = choice.filter(|_| is_meant) {
                body[*key] = choice.get(values).clone();
            }
        }
        if burst && body.get("rate_limit").is_some() {
            body["burst"] = json!(5);
        }
        body
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_shown_so_that_it_can_be_put_back(body in destinations()) {
        let existing = defined(&body);
        let shown = shown(&existing);
        let again = planned(&existing, &shown).unwrap();
        prop_assert!(again.puts.is_empty(), "{}\n{}", body, shown);
        for secret in SECRETS {
            prop_assert!(!shown.to_string().contains(secret), "{}", shown);
        }
        // And stores give back what they were given.
        let stored = rmp_serde::to_vec_named(&*existing.destinations["d"]).unwrap();
        let read: crate::domain::definition::Destination = rmp_serde::from_slice(&stored).unwrap();
        prop_assert_eq!(&read, &*existing.destinations["d"]);
    }
}
