//! The calls over a running engine, without a network.

mod access;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{App, test, web};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::{ApiState, configure, endpoints, token_hash};
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::event::{Call, Event, STUDIO_STEP};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, Rejection, Settings, Surroundings, Writer};
use crate::http::operations;
use crate::metrics;

const TOKEN: &str = "the admin token";
const NOW: i64 = 1_790_000_000_000;

type Answered = Pin<Box<dyn Future<Output = ServiceResponse>>>;

/// A running engine with the API in front of it.
struct Api {
    engine: Engine,
    clock: Clock,
    service: Box<dyn Fn(test::TestRequest) -> Answered>,
    _ticks: mpsc::Sender<()>,
}

async fn start() -> Api {
    let clock = Clock::manual(Timestamp::from_millis(NOW));
    let store = Arc::new(crate::store::memory::MemoryStore::new());
    let settings = Settings {
        clock: clock.clone(),
        seed: [3; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let (engine, writer) = Writer::open(store, settings).await.unwrap();
    let (ticks, ticked) = mpsc::channel(1);
    actix_web::rt::spawn(writer.run(ticked));
    engine.set_admin_token_hash(token_hash(TOKEN)).await.unwrap();
    let state =
        web::Data::new(ApiState::new(engine.clone(), metrics::Handle::detached(), "http://s.example"));
    let app = App::new().app_data(state).configure(configure).configure(operations::configure);
    let app = Rc::new(test::init_service(app).await);
    let service = Box::new(move |request: test::TestRequest| -> Answered {
        let app = Rc::clone(&app);
        Box::pin(async move { test::call_service(&*app, request.to_request()).await.map_into_boxed_body() })
    });
    Api { engine, clock, service, _ticks: ticks }
}

struct Got {
    status: u16,
    headers: actix_web::http::header::HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Api {
    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Got {
        let mut request = test::TestRequest::with_uri(path)
            .method(method.parse().unwrap())
            .peer_addr("10.0.0.1:999".parse().unwrap())
            .set_payload(body.to_owned());
        if let Some(token) = token {
            request = request.insert_header(("Authorization", format!("Bearer {token}")));
        }
        let answer = (self.service)(request).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = String::from_utf8(test::read_body(answer).await.to_vec()).unwrap();
        Got { status, headers, text }
    }
    async fn call(&self, method: &str, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, Some(TOKEN), &body).await
    }
    async fn get(&self, path: &str) -> Value {
        let got = self.call("GET", path, Value::Null).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.json()
    }
    /// Posts a track and answers its journey's id, if it has one.
    async fn track(&self, user: &str, message: &str, event: &str, properties: Value) -> Option<String> {
        let now = self.clock.now();
        let event = Event {
            id: IdSource::new([0; 32]).event(now),
            message_id: message.to_owned(),
            dedupe: true,
            source: "studio".to_owned(),
            user_id: Some(user.to_owned()),
            anonymous_id: None,
            call: Call::Track {
                event: event.to_owned(),
                properties: properties.as_object().cloned().unwrap_or_default(),
            },
            context: Map::new(),
            integrations: Map::new(),
            extra: Map::new(),
            channel: "server".to_owned(),
            timestamp: now,
            original_timestamp: now,
            sent_at: None,
            received_at: now,
        };
        let accepted = self.engine.ingest(vec![event]).await.unwrap();
        self.clock.set(Timestamp::from_millis(now.millis() + 1000));
        accepted[0].journey.map(|id| id.to_string())
    }
    async fn stage(&self, user: &str, message: &str, stage: &str) -> String {
        let properties = json!({ "flow": "confirm/it", "stage": stage, "phoneNumber": "+1" });
        self.track(user, message, STUDIO_STEP, properties).await.unwrap()
    }
}

#[actix_web::test]
async fn nothing_is_answered_without_the_token() {
    let api = start().await;
    for endpoint in endpoints() {
        for method in endpoint.methods() {
            for token in [None, Some("wrong")] {
                let got = api.send(method.as_str(), endpoint.path(), token, "").await;
                assert_eq!(got.status, 401, "{method} {}", endpoint.path());
                assert_eq!(got.header("www-authenticate"), "Bearer");
                assert_eq!(got.header("content-type"), "application/problem+json");
                assert_eq!(got.header("cache-control"), "no-store");
                assert_eq!(got.json()["code"], "unauthorized");
            }
        }
    }
    assert_eq!(api.send("GET", "/api/nothing", None, "").await.status, 401);
    for path in ["/api/openapi.json", "/api/docs", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(api.send("GET", path, None, "").await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn guessing_is_answered_with_429() {
    let api = start().await;
    for n in 0..20 {
        assert_eq!(api.send("GET", "/api/flows", Some(&format!("guess {n}")), "").await.status, 401);
    }
    let got = api.send("GET", "/api/flows", Some("another"), "").await;
    assert_eq!(got.status, 429);
    assert!((1..=61).contains(&got.header("retry-after").parse::<u64>().unwrap()));
}

#[actix_web::test]
async fn wrong_paths_methods_and_parameters_are_named() {
    let api = start().await;
    let got = api.call("GET", "/api/nothing", Value::Null).await;
    assert_eq!((got.status, got.json()["code"].as_str()), (404, Some("not_found")));
    for endpoint in endpoints() {
        if endpoint.path().ends_with("/preview") {
            continue;
        }
        let allowed: Vec<_> = endpoint.methods().map(Method::as_str).collect();
        let got = api.call("PATCH", endpoint.path(), Value::Null).await;
        assert_eq!(got.status, 405, "{}", endpoint.path());
        assert_eq!(got.header("allow"), allowed.join(", "), "{}", endpoint.path());
        for method in allowed {
            let got = api.call(method, &format!("{}?nonsense=1", endpoint.path()), json!({})).await;
            assert!([400, 404].contains(&got.status), "{method} {}: {}", endpoint.path(), got.status);
        }
    }
    // Two share this path: what one takes and what the other one does.
    let got = api.call("PATCH", "/api/audiences/preview", Value::Null).await;
    assert_eq!((got.status, got.header("allow")), (405, "POST, GET, PUT, DELETE"));
    let got = api.call("GET", "/api/journeys?status=open", Value::Null).await;
    assert_eq!(got.status, 400);
    assert_eq!(got.json()["errors"][0]["field"], "status");
    assert!(got.json()["errors"][0]["message"].as_str().unwrap().contains("active, stalled"));
    let got = api.call("GET", "/api/deliveries?cursor=%21%21", Value::Null).await;
    assert_eq!((got.status, &got.json()["errors"][0]["field"]), (400, &json!("cursor")), "{}", got.text);
    let got = api.send("POST", "/api/apply", Some(TOKEN), "{\n nonsense").await;
    assert_eq!((got.status, got.json()["code"].as_str()), (400, Some("malformed_json")));
    assert!(got.json()["detail"].as_str().unwrap().contains("line 2 column"), "{}", got.text);
    let got = api.send("POST", "/api/apply", Some(TOKEN), &" ".repeat(5 * 1024 * 1024)).await;
    assert_eq!((got.status, got.json()["code"].as_str()), (413, Some("too_large")));
}

#[actix_web::test]
async fn teams_are_put_shown_and_kept_while_a_flow_names_them() {
    let api = start().await;
    let team = json!({
        "time_zone": "Europe/Brussels",
        "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }],
        "on_call": [{ "name": "Ada", "phone": "+32470123456" }],
        "summary": { "at": "08:00", "to": ["ada@example.com", "bob@example.com"] },
    });
    assert_eq!(api.call("PUT", "/api/teams/ops", team).await.status, 201);
    api.engine.unsubscribe("ops", "Bob@example.com").await.unwrap();
    let shown = api.get("/api/teams/ops").await;
    // It is 16:13 in Brussels.
    assert_eq!(shown["nextSummaryAt"], "2026-09-22T06:00:00.000Z", "{shown}");
    assert_eq!(shown["unsubscribed"], json!(["bob@example.com"]));
    let back = api.call("PUT", "/api/teams/ops", shown.clone()).await;
    assert_eq!((back.status, back.json()), (200, shown));
    assert_eq!(api.get("/api/teams").await["teams"][0]["key"], "ops");

    let level = json!({ "stage": "no_reply", "after": "1h", "channel": "email", "to": ["on_call:ops"], "template": "stalled" });
    let flow = json!({ "team": "opps", "escalation": [level] });
    let wrong = api.call("PUT", "/api/flows/f", flow).await.json();
    let fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["team", "escalation[0]"], "{wrong}");
    assert_eq!(api.call("PUT", "/api/flows/f", json!({ "team": "ops" })).await.status, 201);
    let kept = api.call("DELETE", "/api/teams/ops", Value::Null).await;
    assert_eq!((kept.status, &kept.json()["detail"]), (409, &json!("team `ops` is still named by `f`")));
    assert_eq!(api.call("DELETE", "/api/flows/f", Value::Null).await.status, 204);
    assert_eq!(api.call("DELETE", "/api/teams/ops", Value::Null).await.status, 204);
}

#[actix_web::test]
async fn definitions_are_put_shown_and_removed() {
    let api = start().await;
    let flow = json!({ "initial": "initiation", "terminal": ["confirmed"] });
    assert_eq!(api.call("PUT", "/api/flows/confirm%2Fit", flow.clone()).await.status, 201);
    let again = api.call("PUT", "/api/flows/confirm%2Fit", flow).await;
    assert_eq!(again.status, 200);
    let back = api.call("PUT", "/api/flows/confirm%2Fit", again.json()).await;
    assert_eq!((back.status, back.json()["updatedAt"].clone()), (200, again.json()["updatedAt"].clone()));
    assert_eq!(api.get("/api/flows").await["flows"][0]["name"], "confirm/it");
    let other = api.call("PUT", "/api/flows/confirm%2Fit", json!({ "name": "other" })).await;
    assert_eq!((other.status, &other.json()["errors"][0]["field"]), (400, &json!("name")), "{}", other.text);

    let audience = json!({ "name": "Preview", "query": "event('a').count() >= 1" });
    let made = api.call("POST", "/api/audiences", audience.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.json()["id"].as_str().unwrap().starts_with("aud_"));
    assert_eq!(api.call("POST", "/api/audiences", audience).await.status, 409);
    assert_eq!(api.get("/api/audiences/preview").await["key"], "preview");
    let wrong = json!({ "name": "X", "query": "event('a'" });
    let wrong = api.call("POST", "/api/audiences", wrong).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &json!("query")));
    let lost = json!({ "query": "event('a').count() >= 1", "name": "Lost", "destinations": ["nowhere"] });
    let lost = api.call("PUT", "/api/audiences/lost", lost).await;
    assert_eq!(lost.status, 400);
    let field = lost.json()["errors"][0]["field"].as_str().unwrap().to_owned();
    assert!(field.starts_with("destinations"), "{field}");

    assert_eq!(api.call("DELETE", "/api/audiences/preview", Value::Null).await.status, 204);
    assert_eq!(api.call("DELETE", "/api/audiences/preview", Value::Null).await.status, 404);
    assert_eq!(api.get("/api/traits").await, json!({ "traits": [] }));
    let spend = json!({ "name": "Total Spend", "query": "event('a').sum(property('total'))" });
    let made = api.call("POST", "/api/traits", spend).await;
    assert_eq!((made.status, &made.json()["key"]), (201, &json!("total_spend")));
    assert!(made.json()["id"].as_str().unwrap().starts_with("tra_"));
    let condition = json!({ "name": "X", "query": "event('a').count() >= 1" });
    assert_eq!(api.call("POST", "/api/traits", condition).await.status, 400);
    assert_eq!(api.call("DELETE", "/api/traits/total_spend?exit=true", Value::Null).await.status, 400);
    assert_eq!(api.call("DELETE", "/api/traits/total_spend", Value::Null).await.status, 204);
}

#[actix_web::test]
async fn a_document_is_applied_as_a_whole() {
    let api = start().await;
    let document = json!({
        "source": [{ "key": "studio", "kind": "studio", "write_key": "wk_studio" }],
        "flow": [{ "name": "f" }],
    });
    let dry = api.call("POST", "/api/apply?dry_run=true", document.clone()).await.json();
    assert_eq!(
        (dry["dryRun"].clone(), dry["created"].clone()),
        (json!(true), json!(["source studio", "flow f"]))
    );
    assert_eq!(api.get("/api/sources").await, json!({ "sources": [] }));
    api.call("POST", "/api/apply", document.clone()).await;
    let again = api.call("POST", "/api/apply?prune=true", document).await.json();
    assert_eq!((again["created"].clone(), again["changed"].clone()), (json!([]), json!([])));
    let wrong = api.call("POST", "/api/apply", json!({ "flow": [{ "nmae": "f" }] })).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["errors"][0]["field"].as_str().unwrap().starts_with("flow[0]"), "{}", wrong.text);
}

#[actix_web::test]
async fn journeys_users_and_funnels_are_shown() {
    let api = start().await;
    let flow = json!({ "initial": "initiation", "terminal": ["confirmed"] });
    let id = api.stage("a b", "m1", "initiation").await;
    assert_eq!(api.get("/api/flows").await["flows"], json!([{ "name": "confirm/it", "configured": false }]));
    api.call("PUT", "/api/flows/confirm%2Fit", flow).await;
    api.stage("a b", "m2", "asked").await;
    api.stage("u2", "m3", "initiation").await;

    let list = api.get("/api/journeys?flow=confirm/it&status=active&userId=&limit=1").await;
    assert_eq!(list["journeys"][0]["userId"], "u2");
    let cursor = list["cursor"].as_str().unwrap();
    let rest = api.get(&format!("/api/journeys?flow=confirm/it&status=active&limit=1&cursor={cursor}")).await;
    assert_eq!(rest["journeys"][0]["id"], id.as_str());
    let one = api.get(&format!("/api/journeys/{id}")).await;
    assert_eq!((&one["stage"], &one["steps"][1]["messageId"]), (&json!("asked"), &json!("m2")));
    assert_eq!(api.call("GET", "/api/journeys/jny_x", Value::Null).await.status, 404);

    let funnel = api.get("/api/flows/confirm%2Fit/funnel").await;
    assert_eq!((&funnel["journeys"], &funnel["truncated"]), (&json!(2), &json!(false)));
    assert_eq!(funnel["stages"][1]["stage"], "asked");
    assert_eq!(funnel["stages"][1]["share"], 0.5);
    assert_eq!(funnel["stages"][1]["medianSecondsFromPrevious"], 1.0);

    let resolve = format!("/api/journeys/{id}/resolve");
    let resolved = api.call("POST", &resolve, json!({ "reason": "called him" })).await.json();
    assert_eq!((&resolved["status"], &resolved["resolved"]["by"]), (&json!("resolved"), &json!("api")));
    assert_eq!(api.call("POST", &resolve, Value::Null).await.status, 409);
    let user = api.get("/api/users/a%20b").await;
    assert_eq!(user["journeys"][0]["resolved"]["reason"], "called him");
    assert_eq!(user["recentEvents"][0]["messageId"], "m2");
    assert_eq!(api.call("GET", "/api/users/nobody", Value::Null).await.status, 404);
}

#[actix_web::test]
async fn members_are_paged_and_exported() {
    let api = start().await;
    let audience = json!({ "name": "Buyers", "query": "event('Bought').count() >= 1" });
    api.call("POST", "/api/audiences", audience).await;
    for n in 0..50 {
        if api.get("/api/audiences/buyers").await["status"] == "live" {
            break;
        }
        assert!(n < 49, "the audience never went live");
        actix_web::rt::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for user in ["u,1", "u2", "u3"] {
        api.track(user, user, "Bought", json!({})).await;
    }
    assert_eq!(api.get("/api/audiences/buyers").await["size"], 3);
    let page = api.get("/api/audiences/buyers/members?limit=2").await;
    assert_eq!(page["members"].as_array().unwrap().len(), 2);
    assert!(page["cursor"].is_string());
    let csv = api.call("GET", "/api/audiences/buyers/members.csv", Value::Null).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<_> = csv.text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "user_id,since"));
    assert!(lines[1].starts_with("\"u,1\",2026-"), "{lines:?}");
    assert_eq!(api.get("/api/users/u2").await["audiences"], json!({ "buyers": true }));

    let preview = json!({ "query": "event('Bought').count() >= 1" });
    let preview = api.call("POST", "/api/audiences/preview", preview).await;
    assert_eq!((preview.status, &preview.json()["count"]), (200, &json!(3)), "{}", preview.text);
    let wrong = api.call("POST", "/api/audiences/preview", json!({ "query": "event(" })).await;
    assert_eq!((wrong.status, wrong.json()["code"].as_str()), (400, Some("invalid_query")));
}

#[actix_web::test]
async fn the_debugger_lists_accepted_and_refused_by_time() {
    let api = start().await;
    for n in 0..7 {
        api.track("u", &format!("m{n}"), "x", json!({})).await;
        if n % 2 == 0 {
            let rejection = Rejection {
                number: 0,
                at: api.clock.now(),
                source: None,
                code: format!("r{n}"),
                field: None,
                message: String::new(),
                body: String::new(),
            };
            api.engine.debugger().reject(rejection);
        }
    }
    let all = ["r6", "m6", "m5", "r4", "m4", "m3", "r2", "m2", "m1", "r0", "m0"];
    for limit in 1..=12 {
        let (mut seen, mut path) = (Vec::new(), format!("/api/events?limit={limit}"));
        loop {
            let page = api.get(&path).await;
            let rows = page["events"].as_array().unwrap();
            assert!(rows.len() <= limit);
            let name =
                |row: &Value| row.get("code").unwrap_or(&row["messageId"]).as_str().unwrap().to_owned();
            seen.extend(rows.iter().map(name));
            let Some(cursor) = page["cursor"].as_str() else { break };
            path = format!("/api/events?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, all, "in pages of {limit}");
    }
    assert_eq!(api.get("/api/events?type=rejected").await["events"].as_array().unwrap().len(), 4);
    assert_eq!(api.get("/api/events?type=track&userId=u").await["events"].as_array().unwrap().len(), 7);
    assert_eq!(api.get("/api/events?type=track").await["events"][0]["accepted"], true);
}

#[actix_web::test]
async fn deliveries_and_destinations() {
    let api = start().await;
    assert_eq!(api.get("/api/deliveries").await, json!({ "deliveries": [], "cursor": null }));
    assert_eq!(api.call("POST", "/api/deliveries/dlv_x/replay", Value::Null).await.status, 404);
    assert_eq!(api.call("POST", "/api/destinations/crm/replay", Value::Null).await.status, 404);
    let pending = api.call("POST", "/api/destinations/email/replay?status=pending", Value::Null).await;
    assert_eq!(pending.status, 400);
    let none = api.call("POST", "/api/destinations/email/replay?status=dead", Value::Null).await;
    assert_eq!((none.status, &none.json()["replayed"]), (202, &json!(0)));
    assert_eq!(api.get("/api/replays").await["replays"][0]["status"], "done");
    assert_eq!(api.call("POST", "/api/destinations/crm/pause", Value::Null).await.status, 404);
    assert_eq!(api.call("POST", "/api/destinations/crm/test", Value::Null).await.status, 404);
}

#[actix_web::test]
async fn operations_tell_the_state() {
    let api = start().await;
    api.stage("u", "m", "initiation").await;
    let ready = api.send("GET", "/readyz", None, "").await.json();
    assert_eq!(ready["status"], "ok", "{ready}");
    let text = api.send("GET", "/metrics", None, "").await.text;
    for line in ["stagepost_journeys{status=\"active\"} 1", "stagepost_events 1", "stagepost_profiles 1"] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[actix_web::test]
async fn who_listens_is_asked_again_who_he_is() {
    let api = start().await;
    tokio::time::pause();
    let request = test::TestRequest::get().uri("/api/events/stream");
    let listening = (api.service)(request.insert_header(("authorization", format!("Bearer {TOKEN}")))).await;
    assert_eq!(listening.status(), 200);
    let body = actix_web::body::to_bytes(listening.into_body());
    let body = tokio::time::timeout(std::time::Duration::from_secs(6 * 60), body).await;
    let body = body.expect("an end, as his token may be none any more").unwrap();
    assert!(body.starts_with(b": connected"), "{body:?}");
}
