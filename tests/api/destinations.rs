//! Destinations as they are defined: refused with their field, shown without secrets, made of presets; and what reaches them.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::column;
use crate::support::receiver::Receiver;

const PENDO_KEY: &str = "0123456789abcdef0123456789abcdef";

/// One of each kind, none of which sends anything.
fn kinds() -> [(&'static str, Value); 4] {
    [
        (
            "crm",
            json!({
                "kind": "webhook", "urls": [{ "url": "https://crm.example.com/hook" }], "gzip": true,
                "signing_secrets": ["whsec_czNjcmV0LXMzY3JldC1zM2NyZXQ="],
            }),
        ),
        (
            "orders",
            json!({
                "kind": "webhook_action", "trigger": "type = \"track\" and event = \"Order Completed\"",
                "auth": { "type": "bearer", "token": "s3cret-token" },
                "mapping": {
                    "url": "https://erp.example.com/orders", "headers": { "X-Key": "s3cret-key" },
                    "data": { "user": { "@path": "$.userId" }, "total": { "@path": "$.properties.total" } }, "batch_size": 0,
                },
            }),
        ),
        ("pendo", json!({ "kind": "pendo", "region": "eu", "api_key": PENDO_KEY })),
        (
            "survey",
            json!({
                "kind": "hello_customer", "api_key": "s3cret-token", "touchpoint_id": "t", "language_id": "l",
                "key_values": { "team": "Brugge" }, "trigger": "event = \"Order Completed\"",
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_defined_shown_and_written_back() {
    let app = app().await;
    let document = app.get("/api/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    let schema = |reference: &Value| {
        let name =
            reference.as_str().and_then(|reference| reference.rsplit('/').next()).expect("a reference");
        &schemas[name]["properties"]
    };
    let common = &schemas["DestinationSettings"]["properties"];
    for (key, body) in kinds() {
        let path = format!("/api/destinations/{key}");
        app.call("PUT", &path, Some(&body)).await.expect(201);
        let shown = app.get(&path).await;
        for secret in ["s3cret", "czNjcmV0", PENDO_KEY] {
            assert!(!shown.to_string().contains(secret), "{shown}");
        }
        assert_eq!((&shown["kind"], &shown["enabled"]), (&body["kind"], &json!(true)));
        let kind = body["kind"].as_str().expect("a kind");
        let own = schema(&schemas["Destination"]["discriminator"]["mapping"][kind]);
        for member in shown.as_object().expect("an object").keys() {
            let is_described = common.get(member).is_some() || own.get(member).is_some();
            assert!(is_described, "{member} of {kind} is not described");
        }
        app.advance(1000).await;
        let again = app.call("PUT", &path, Some(&shown)).await.expect(200).json();
        assert_eq!(again, shown, "nothing changes");
        let definitions = app.engine().definitions();
        assert!(!format!("{:?}", definitions.destinations[key]).contains("****"), "{key} kept its secrets");
    }
    let all = app.get("/api/destinations").await;
    assert_eq!(column(&all["destinations"], "key"), ["crm", "orders", "pendo", "survey"]);
    let document =
        json!({ "destination": kinds().map(|(key, mut body)| { body["key"] = key.into(); body }) });
    assert_eq!(app.apply(&document).await["unchanged"].as_array().unwrap().len(), 4);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_still_there_after_a_restart() {
    let mut app = crate::app::Setup::new().on_disk().start().await;
    for (key, body) in kinds() {
        app.put(&format!("/api/destinations/{key}"), body).await;
    }
    let before = app.engine().definitions();
    app.restart().await;
    let after = app.engine().definitions();
    assert_eq!(before.destinations, after.destinations);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_its_field() {
    let app = app().await;
    let mapped = |mapping: Value| json!({ "kind": "webhook_action", "mapping": mapping });
    for (body, field) in [
        (mapped(json!({ "url": "https://x.example", "data": { "a": { "@nope": 1 } } })), "mapping.data.a"),
        (
            mapped(json!({ "url": "https://x.example", "data": { "@path": "a", "@literal": 1 } })),
            "mapping.data",
        ),
        (mapped(json!({ "url": "ftp://x.example" })), "mapping.url"),
        (mapped(json!({ "url": "https://x.example", "method": "DELETE" })), "mapping.method"),
        (
            mapped(json!({ "url": "https://x.example", "headers": { "Bad Name": "x" } })),
            "mapping.headers.Bad Name",
        ),
        (
            json!({ "kind": "webhook", "urls": [{ "url": "https://x.example" }], "trigger": "type = oops\"" }),
            "trigger",
        ),
        (json!({ "kind": "pendo", "region": "mars", "api_key": PENDO_KEY }), "region"),
        (json!({ "kind": "pendo", "region": "eu" }), "api_key"),
        (json!({ "kind": "pendo", "api_key": PENDO_KEY, "sources": ["nowhere"] }), "sources[0]"),
    ] {
        let refused = app.call("PUT", "/api/destinations/d", Some(&body)).await.expect(400).json();
        assert_eq!(refused["code"], "invalid_definition");
        assert_eq!(column(&refused["errors"], "field"), [field], "{refused}");
        let document = json!({ "destination": [with(json!({ "key": "d" }), body)] });
        let refused = app.call("POST", "/api/apply", Some(&document)).await.expect(400).json();
        assert_eq!(column(&refused["errors"], "field"), [format!("destination[0].{field}")], "{refused}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_are_listed_and_copied() {
    let app = app().await;
    let all = app.get("/api/presets").await;
    assert_eq!(column(&all["presets"], "key"), ["pendo", "hello_customer", "slack", "teams"]);
    assert_eq!(column(&all["presets"][0]["settings"], "key"), ["region", "api_key", "calls", "base_url"]);
    assert_eq!(all["presets"][0]["settings"][0]["choices"], json!(["us", "us1", "eu", "jp"]));
    let pendo = app.get("/api/presets/pendo").await;
    let mut copy = pendo["definition"].clone();
    assert_eq!(copy["kind"], "webhook_action");
    assert_eq!(copy["mapping"]["url"], "https://data.pendo.io/data/segmentio/${PENDO_API_KEY}");
    copy["key"] = "copied".into();
    // Variables are replaced in files; here nobody would, and the key would be a text that is none.
    let refused = app.call("PUT", "/api/destinations/copied", Some(&copy)).await.expect(400).json();
    assert_eq!(column(&refused["errors"], "field"), ["mapping.url"], "{refused}");
    assert!(refused["errors"][0]["message"].as_str().expect("a text").contains("in files only"), "{refused}");
    let document = json!({ "destination": [copy] });
    let refused = app.call("POST", "/api/apply", Some(&document)).await.expect(400).json();
    assert_eq!(column(&refused["errors"], "field"), ["destination[0].mapping.url"], "{refused}");
    app.call("POST", "/api/apply?literal=true&dry_run=true", Some(&document)).await.expect(200);
    copy["mapping"]["url"] = "https://data.pendo.io/data/segmentio/x".into();
    app.put("/api/destinations/copied", copy).await;
    app.call("GET", "/api/presets/nothing", None).await.expect(404);
    app.call("GET", "/api/presets?x=1", None).await.expect(400);
    app.finish().await;
}

/// An object with the members of another one.
fn with(mut object: Value, more: Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        object[key] = value.clone();
    }
    object
}

/// A shop with two sources, whose events go to `receiver` as `more` says.
async fn shop(receiver: &Receiver, more: Value) -> TestApp {
    let app = app().await;
    let webhook = json!({ "key": "crm", "kind": "webhook", "events": "all", "urls": [{ "url": receiver.url("/hook") }] });
    let destination = with(webhook, more);
    app.apply(&json!({
        "source": [
            { "key": "web", "kind": "http", "write_key": "wk_website" },
            { "key": "app", "kind": "http", "write_key": "wk_mobile_app" },
        ],
        "destination": [destination],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1", "destinations": ["crm"] }],
    }))
    .await;
    app
}

async fn track(app: &TestApp, write_key: &str, more: Value) {
    let body = with(json!({ "writeKey": write_key, "userId": "u1" }), more);
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_destination_wants_reaches_it() {
    let receiver = Receiver::taking_all();
    let more = json!({
        "sources": ["web"], "trigger": "type = 'identify' or event = 'Bought'", "profile_traits": ["email"],
        "filter": [
            { "if": "properties.test = true", "drop_event": true },
            { "drop": ["properties.card", "context.ip"] },
        ],
    });
    let app = shop(&receiver, more).await;
    let identify = json!({ "writeKey": "wk_website", "userId": "u1", "traits": { "email": "a@b.io" } });
    app.post_json("/v1/identify", &identify).await.expect(200);
    app.rest().await;
    let bought = json!({ "event": "Bought", "properties": { "total": 5, "card": "4111" }, "context": { "ip": "1.2.3.4" } });
    track(&app, "wk_website", bought.clone()).await;
    // Not connected; no trigger; dropped; not for us.
    track(&app, "wk_mobile_app", bought.clone()).await;
    track(&app, "wk_website", json!({ "event": "Looked" })).await;
    track(&app, "wk_website", json!({ "event": "Bought", "properties": { "test": true } })).await;
    track(&app, "wk_website", json!({ "event": "Bought", "integrations": { "Webhooks": false } })).await;

    let calls: Vec<Value> = receiver.requests().iter().map(|request| request.json()).collect();
    let told: Vec<&Value> = calls.iter().map(|call| &call["type"]).collect();
    assert_eq!(told, ["identify", "track", "identify"], "{calls:#?}");
    assert_eq!(calls[1]["properties"], json!({ "total": 5 }));
    assert!(calls[1]["context"].get("ip").is_none());
    assert_eq!(calls[1]["profile"], json!({ "traits": { "email": "a@b.io" } }));
    assert_eq!(calls[2]["traits"]["buyers"], true, "what is computed passes the trigger, and has no source");
    // What was left out is in no delivery either.
    let deliveries = app.get("/api/deliveries?userId=u1").await;
    for id in column(&deliveries["deliveries"], "id") {
        let one = app.get(&format!("/api/deliveries/{id}")).await;
        assert!(!one.to_string().contains("4111"), "{one}");
    }
    let metrics = app.call("GET", "/metrics", None).await.expect(200).text();
    for reason in ["not_connected", "trigger", "filter", "integrations"] {
        let line = format!("stagepost_events_not_sent_total{{destination=\"crm\",reason=\"{reason}\"}}");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_destination_keeps_what_is_meant_for_it_and_counts_the_events_it_misses() {
    let receiver = Receiver::taking_all();
    let mut app = shop(&receiver, json!({ "enabled": false })).await;
    app.allow_pending();
    track(&app, "wk_website", json!({ "event": "Bought" })).await;
    let notice = app.call("POST", "/api/users/u1/delete-notice", None).await.expect(202).json();
    assert_eq!(notice["deliveries"].as_array().map(Vec::len), Some(1), "{notice}");
    let metrics = app.call("GET", "/metrics", None).await.expect(200).text();
    let line = "stagepost_events_not_sent_total{destination=\"crm\",reason=\"disabled\"}";
    assert!(metrics.contains(line), "{line} in\n{metrics}");
    assert!(receiver.requests().is_empty());
    let mut shown = app.get("/api/destinations/crm").await;
    shown["enabled"] = json!(true);
    app.put("/api/destinations/crm", shown).await;
    app.rest().await;
    app.rest().await;
    let types: Vec<Value> = receiver.requests().iter().map(|it| it.json()["type"].clone()).collect();
    assert_eq!(types, ["identify", "delete"], "what was computed, and the notice behind it");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_secrets_are_exchanged_by_what_is_shown() {
    let app = app().await;
    let (old, new) = ("whsec_b25lb25lb25lb25lb25lb25lb25lb25l", "whsec_dHdvdHdvdHdvdHdvdHdvdHdvdHdvdHdv");
    let put = async |secrets: Value| {
        let body = json!({ "kind": "webhook", "urls": [{ "url": "https://x.example/" }], "signing_secrets": secrets });
        app.call("PUT", "/api/destinations/w", Some(&body)).await
    };
    let first = put(json!([old])).await.expect(201).json();
    let shown = &first["signing_secrets"][0];
    assert!(shown.as_str().is_some_and(|text| text.len() == 16 && text.starts_with("********")), "{first}");
    let refused = put(json!([new, "********"])).await.expect(400).json();
    assert_eq!(column(&refused["errors"], "field"), ["signing_secrets[1]"], "{refused}");
    let both = put(json!([new, shown])).await.expect(200).json();
    assert_eq!(&both["signing_secrets"][1], shown, "it is known by it wherever it stands");
    let refused = put(json!(["********"])).await.expect(400).json();
    assert_eq!(column(&refused["errors"], "field"), ["signing_secrets[0]"], "{refused}");
    put(json!([both["signing_secrets"][0]])).await.expect(200);
    let definitions = format!("{:?}", app.engine().definitions().destinations["w"]);
    assert!(definitions.contains(new) && !definitions.contains(old), "{definitions}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_holds_for_what_is_computed_too() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver, json!({ "events": "computed", "trigger": "traits.buyers = false" })).await;
    track(&app, "wk_website", json!({ "event": "Bought" })).await;
    assert!(receiver.requests().is_empty());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_a_destination_names_stays() {
    let receiver = Receiver::taking_all();
    let app = shop(&receiver, json!({ "sources": ["web"] })).await;
    let refused = app.call("DELETE", "/api/sources/web", None).await.expect(409).json();
    assert!(refused["detail"].as_str().unwrap().contains("`crm`"), "{refused}");
    app.call("DELETE", "/api/sources/app", None).await.expect(204);
    app.finish().await;
}
