//! The management API: who may call it, what it says of mistakes, definitions and their secrets.

use serde_json::{Value, json};

use crate::app::{TestApp, app};
use crate::http::{Got, column, keys, send};
use crate::support::api::TOKEN;

const SECRETS: [&str; 3] = ["s3cr3t-shared", "tok-123456789", "Bearer hidden-token"];

fn document() -> Value {
    json!({
        "source": [{
            "key": "studio", "kind": "studio", "write_key": "wk_studio", "twilio_auth_tokens": [SECRETS[1]],
        }],
        "flow": [{ "name": "visit", "initial": "asked", "terminal": ["done"] }],
        "destination": [{
            "key": "crm", "kind": "webhook", "shared_secret": SECRETS[0],
            "urls": [{
                "url": "https://crm.example.com/hook",
                "headers": { "Authorization": SECRETS[2], "X-Team": "growth" },
            }],
        }],
        "audience": [{
            "name": "Buyers", "query": "event('Bought').count() >= 1", "destinations": ["crm"],
        }],
    })
}

async fn defined() -> TestApp {
    let app = app().await;
    app.apply(&document()).await;
    app
}

/// An error of the management API, in the shape of RFC 9457.
#[track_caller]
fn problem(got: &Got, status: u16, code: &str) -> Value {
    assert_eq!(got.status, status, "{}", got.text());
    assert_eq!(got.header("content-type"), "application/problem+json");
    let body = got.json();
    assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{body}");
    for field in ["type", "title", "detail"] {
        assert!(body[field].is_string(), "{field} in {body}");
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_without_the_token() {
    let app = defined().await;
    for path in ["/api/sources", "/api/journeys", "/api/events/stream", "/api/nothing"] {
        problem(&send(app.request("GET", path)).await, 401, "unauthorized");
        let wrong = app.request("GET", path).bearer_auth("wrong");
        let got = send(wrong).await;
        problem(&got, 401, "unauthorized");
        assert_eq!(got.header("www-authenticate"), "Bearer");
        let basic = app.request("GET", path).basic_auth(TOKEN, None::<&str>);
        problem(&send(basic).await, 401, "unauthorized");
    }
    let apply = app.request("POST", "/api/apply?prune=true").body("{}");
    problem(&send(apply).await, 401, "unauthorized");
    assert_eq!(app.get("/api/sources").await["sources"].as_array().unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_named() {
    let app = defined().await;
    for list in ["/api/journeys", "/api/deliveries", "/api/events", "/api/audiences/buyers/members"] {
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("cursor=nonsense", "cursor"),
            ("cursor=%FF", "cursor"),
            ("sort=up", "sort"),
        ] {
            let got = app.call("GET", &format!("{list}?{query}"), None).await;
            let body = problem(&got, 400, "invalid_parameter");
            assert_eq!(body["errors"][0]["field"], field, "{list}?{query}: {body}");
            assert!(body["errors"][0]["message"].is_string());
        }
        app.get(&format!("{list}?limit=1000")).await;
    }
    for path in ["/api/journeys?status=open", "/api/deliveries?status=x", "/api/journeys?from=yesterday"] {
        problem(&app.call("GET", path, None).await, 400, "invalid_parameter");
    }
    problem(&app.call("GET", "/api/flows?limit=5", None).await, 400, "invalid_parameter");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_and_paths_are_named() {
    let app = defined().await;
    let text = |method: &str, path: &str, body: &str| {
        let request = app.request(method, path).bearer_auth(TOKEN);
        send(request.header("content-type", "application/json").body(body.to_owned()))
    };
    problem(&text("PUT", "/api/flows/f", "{").await, 400, "malformed_json");
    problem(&text("POST", "/api/apply", "[]").await, 400, "invalid_definition");
    problem(&text("POST", "/api/apply", "\u{fffd}").await, 400, "malformed_json");
    let body = problem(&text("PUT", "/api/flows/f", r#"{"termnal":[]}"#).await, 400, "invalid_definition");
    assert!(body["errors"][0]["field"].as_str().unwrap().contains("termnal"), "{body}");
    problem(&app.call("GET", "/api/nothing", None).await, 404, "not_found");
    for path in
        ["/api/flows/x", "/api/sources/x", "/api/audiences/x/members", "/api/users/x", "/api/deliveries/x"]
    {
        problem(&app.call("GET", path, None).await, 404, "not_found");
    }
    let got = app.call("PATCH", "/api/flows", None).await;
    problem(&got, 405, "method_not_allowed");
    assert_eq!(got.header("allow"), "GET");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn putting_the_same_again_changes_nothing() {
    let app = app().await;
    for (path, body) in [
        ("/api/sources/web", json!({ "kind": "http" })),
        ("/api/flows/visit", json!({ "initial": "asked" })),
        (
            "/api/destinations/crm",
            json!({ "kind": "webhook", "urls": [{ "url": "https://a.example.com/" }] }),
        ),
        ("/api/audiences/a", json!({ "name": "A", "query": "event('x').count() >= 1" })),
    ] {
        app.call("PUT", path, Some(&body)).await.expect(201);
        app.rest().await;
        let first = app.get(path).await;
        app.advance(1000).await;
        let again = app.call("PUT", path, Some(&body)).await.expect(200).json();
        assert_eq!(again, first, "also the key that was made, and the times");
        let back = app.call("PUT", path, Some(&first)).await.expect(200).json();
        assert_eq!(back, first, "what was read can be written back");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_in_use_stays() {
    let app = defined().await;
    let body = problem(&app.call("DELETE", "/api/destinations/crm", None).await, 409, "conflict");
    assert!(body["detail"].as_str().unwrap().contains("buyers"), "{body}");
    app.call("DELETE", "/api/audiences/buyers", None).await.expect(204);
    app.call("DELETE", "/api/destinations/crm", None).await.expect(204);
    problem(&app.call("DELETE", "/api/destinations/crm", None).await, 404, "not_found");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_not_shown_and_survive_being_written_back() {
    let app = defined().await;
    for path in ["/api/sources", "/api/sources/studio", "/api/destinations", "/api/destinations/crm"] {
        let text = app.get(path).await.to_string();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
    let shown = app.get("/api/destinations/crm").await;
    assert_eq!(shown["urls"][0]["headers"]["X-Team"], "growth");
    let mut slower = shown.clone();
    slower["timeout"] = "7s".into();
    app.put("/api/destinations/crm", slower).await;
    let source = app.get("/api/sources/studio").await;
    app.put("/api/sources/studio", source).await;
    let definitions = app.engine().definitions();
    let kept = format!("{:?}{:?}", definitions.destinations["crm"], definitions.sources["studio"]);
    for secret in SECRETS {
        assert!(kept.contains(secret), "lost: {secret}");
    }
    assert!(!kept.contains("***"), "{kept}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_can_be_tried_applied_and_made_the_only_one() {
    let app = app().await;
    let all = ["source studio", "flow visit", "destination crm", "audience buyers"];
    let apply = async |query: &str, body: &Value| {
        let got = app.call("POST", &format!("/api/apply{query}"), Some(body)).await.expect(200);
        app.rest().await;
        got.json()
    };
    let sorted = |value: &Value| {
        let mut all: Vec<_> =
            value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    let mut wanted = all.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted(&apply("?dry_run=true", &document()).await["created"]), wanted);
    assert_eq!(app.get("/api/flows").await["flows"], json!([]));
    assert_eq!(sorted(&apply("", &document()).await["created"]), wanted);
    assert_eq!(sorted(&apply("", &document()).await["unchanged"]), wanted);
    app.put("/api/flows/beside", json!({ "initial": "x" })).await;
    assert_eq!(apply("", &document()).await["removed"], json!([]), "what the API defined stays");
    let tried = apply("?prune=true&dry_run=true", &document()).await;
    assert_eq!(tried["removed"], json!(["flow beside"]));
    assert_eq!(column(&app.get("/api/flows").await["flows"], "name"), ["beside", "visit"]);
    assert_eq!(apply("?prune=true", &document()).await["removed"], json!(["flow beside"]));
    assert_eq!(column(&app.get("/api/flows").await["flows"], "name"), ["visit"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_a_mistake_changes_nothing() {
    let app = app().await;
    let mut wrong = document();
    wrong["audience"][0]["destinations"] = json!(["nowhere"]);
    wrong["flow"][0]["expire_after"] = "soon".into();
    let body = problem(&app.call("POST", "/api/apply", Some(&wrong)).await, 400, "invalid_definition");
    let fields = column(&body["errors"], "field");
    assert!(fields.iter().any(|field| field.starts_with("flow[0].expire_after")), "{fields:?}");
    assert_eq!(app.get("/api/sources").await["sources"], json!([]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_the_api_and_its_page_are_there() {
    let app = app().await;
    let document = send(app.request("GET", "/api/openapi.json")).await.expect(200);
    assert!(document.header("content-type").starts_with("application/json"));
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let paths = keys(&document["paths"]);
    for path in ["/api/apply", "/api/journeys", "/api/audiences/{key}/members", "/api/events/stream"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    let page = send(app.request("GET", "/api/docs")).await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().to_lowercase().starts_with("<!doctype html"));
    app.finish().await;
}
