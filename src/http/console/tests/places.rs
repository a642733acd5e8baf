//! Every place of the console, found in the sources: each answers, and takes nothing from those who may not send it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, COOKIE};
use actix_web::{App, test, web};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sources;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::ids::PersonId;
use crate::domain::people::{Role, Scope};
use crate::domain::time::{Span, Timestamp};
use crate::engine::{Engine, NewPerson, Settings, Surroundings, Writer, secret_hash};
use crate::http::api::{self, ApiState};
use crate::http::console::{configure, frame};
use crate::http::ingest::{self, IngestConfig};
use crate::metrics;
use crate::store::memory::MemoryStore;

const TOKEN: &str = "the admin token of these tests";

/// What strangers may ask for: to be let in, and what the page for that is made of.
const OPEN: [&str; 2] = ["/sign-in", "/assets/{version}/{name}"];
/// What never ends, or is no page.
const NO_PAGES: [&str; 2] = ["/assets/{version}/{name}", "/live/stream"];

/// A place, as its route is written.
#[derive(Debug)]
struct Place {
    path: String,
    get: bool,
    post: bool,
}

/// The places that are made behind each `call` of a source, with `prefix` before what it says.
fn places_in(text: &str, call: &str, prefix: &str) -> Vec<Place> {
    let parts = text.split(call).skip(1).filter_map(|part| part.split_once('"'));
    let place = |(path, rest): (&str, &str)| {
        let routes = rest.split([';', '}']).next().unwrap_or_default();
        Place {
            path: format!("{prefix}{path}"),
            get: routes.contains("web::get()"),
            post: routes.contains("web::post()"),
        }
    };
    parts.map(place).collect()
}

/// The places below `/console`.
fn places() -> Vec<Place> {
    let mut found = Vec::new();
    for (_, text) in sources() {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(places_in(text, "web::resource(\"", ""));
        // Audiences and traits have the same pages, written once.
        if text.contains("let at = |rest: &str| web::resource(") {
            found.extend(
                ["/audiences", "/traits"].into_iter().flat_map(|class| places_in(text, "at(\"", class)),
            );
        }
    }
    // The two that are not below it.
    found.retain(|place| place.path != "/" && !place.path.starts_with("/setup"));
    assert!(found.len() > 15, "{found:?}");
    found
}

/// Somebody's session.
struct Session {
    cookie: String,
    csrf: String,
}

/// What a test talks to.
struct Console<S> {
    engine: Engine,
    clock: Clock,
    service: S,
    _ticks: mpsc::Sender<()>,
}

macro_rules! console {
    () => {{
        let clock = Clock::manual(Timestamp::from_millis(1_790_000_000_000));
        let settings = Settings {
            clock: clock.clone(),
            seed: [3; 32],
            surroundings: Surroundings::default(),
            address_policy: AddressPolicy::public_only(),
            writers: 1,
        };
        let (engine, writer) = Writer::open(Arc::new(MemoryStore::new()), settings).await.unwrap();
        let (ticks, ticked) = mpsc::channel(1);
        actix_web::rt::spawn(writer.run(ticked));
        engine.set_admin_token_hash(secret_hash(TOKEN)).await.unwrap();
        let state = ApiState::new(engine.clone(), metrics::Handle::detached(), "http://s.example");
        let app = App::new()
            .app_data(web::Data::new(state))
            .app_data(web::Data::new(engine.clone()))
            .app_data(web::Data::new(IngestConfig { public_url: None }))
            .configure(ingest::configure)
            .configure(configure)
            .configure(api::configure);
        Console { engine, clock, service: test::init_service(app).await, _ticks: ticks }
    }};
}

/// Status and text.
type Got = (u16, String);

impl<S, B> Console<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    async fn send(&self, request: test::TestRequest) -> Got {
        let response = test::call_service(&self.service, request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8_lossy(&test::read_body(response).await).into_owned())
    }

    /// The status alone: a stream has no end.
    async fn status(&self, request: test::TestRequest) -> u16 {
        test::call_service(&self.service, request.to_request()).await.status().as_u16()
    }

    async fn get(&self, path: &str, who: &Session) -> Got {
        self.send(test::TestRequest::get().uri(path).insert_header((COOKIE, who.cookie.clone()))).await
    }

    /// What comes of asking for a place, or of an empty form that is sent there.
    async fn try_out(&self, address: &str, is_post: bool, who: &Session, csrf: &str) -> u16 {
        let request = if is_post { test::TestRequest::post() } else { test::TestRequest::get() };
        let request = request.uri(address).insert_header((COOKIE, who.cookie.clone()));
        let form = (CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.status(request.insert_header(form).set_payload(format!("csrf={csrf}"))).await
    }

    /// Calls the API with the admin token.
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = test::TestRequest::with_uri(path)
            .method(method.parse().unwrap())
            .insert_header(("Authorization", format!("Bearer {TOKEN}")))
            .set_json(body);
        let (status, text) = self.send(request).await;
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn somebody(&self, role: Role) -> Session {
        let email = format!("{}@example.com", role.as_str());
        let password = "four words make one".to_owned();
        let person = NewPerson { email, name: role.as_str().to_owned(), role, password };
        let person = self.engine.add_person(person).await.unwrap();
        self.session_of(person.id).await
    }

    async fn session_of(&self, person: PersonId) -> Session {
        let cookie = format!("stagepost_session={}", self.engine.begin_session(person).await.unwrap());
        let me = test::TestRequest::get().uri("/api/me").insert_header((COOKIE, cookie.clone()));
        let me: Value = serde_json::from_str(&self.send(me).await.1).unwrap();
        Session { cookie, csrf: me["csrfToken"].as_str().unwrap().to_owned() }
    }

    /// Fills the store with one of each; answers what stands for the placeholders of places, by section.
    async fn fill(&self) -> BTreeMap<&'static str, String> {
        self.call("POST", "/api/apply", &definitions()).await;
        for stage in ["initiation", "no_reply"] {
            let post =
                json!({ "userID": "u/1", "phoneNumber": "+15551234567", "flow": "a flow", "stage": stage });
            let post = test::TestRequest::post().uri("/studio/wk_studio").set_json(post);
            assert_eq!(self.send(post).await.0, 200);
        }
        let event = json!({ "type": "track", "event": "Bought", "userId": "u/1", "properties": { "total": 3 }, "writeKey": "wk_website" });
        let event = test::TestRequest::post().uri("/v1/track").set_json(event);
        assert_eq!(self.send(event).await.0, 200);
        self.clock.set(self.clock.now().plus(Span::from_secs(60)));
        let token = json!({ "name": "export", "scopes": ["read"] });
        let token = self.call("POST", "/api/tokens", &token).await["id"].as_str().unwrap().to_owned();
        let first = async |path: &str, rows: &str, field: &str| {
            let list = self.send(
                test::TestRequest::get()
                    .uri(path)
                    .insert_header(("Authorization", format!("Bearer {TOKEN}"))),
            );
            let list: Value = serde_json::from_str(&list.await.1).unwrap();
            list[rows][0][field].as_str().unwrap_or_else(|| panic!("{path}: {list}")).to_owned()
        };
        BTreeMap::from([
            ("journeys", first("/api/journeys", "journeys", "id").await),
            ("live", first("/api/events", "events", "eventId").await),
            ("deliveries", first("/api/deliveries", "deliveries", "id").await),
            ("people", first("/api/people", "people", "id").await),
            ("flows", "a%20flow".to_owned()),
            ("users", "u%2F1".to_owned()),
            ("audiences", "buyers".to_owned()),
            ("traits", "total".to_owned()),
            ("sources", "web".to_owned()),
            ("destinations", "crm".to_owned()),
            ("teams", "desk".to_owned()),
            ("tokens", token),
        ])
    }
}

fn definitions() -> Value {
    json!({
        "source": [
            { "key": "studio", "kind": "studio", "write_key": "wk_studio" },
            { "key": "web", "kind": "http", "write_key": "wk_website" },
        ],
        "team": [{ "key": "desk", "time_zone": "Europe/Brussels" }],
        "flow": [{ "name": "a flow", "initial": "initiation", "terminal": ["confirmed"], "team": "desk",
            "escalation": [{ "stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply" }] }],
        "destination": [{ "key": "crm", "kind": "webhook", "urls": [{ "url": "https://crm.example/hook" }], "events": "all" }],
        "audience": [{ "name": "Buyers", "query": "event('Bought').count() >= 1", "destinations": ["crm"] }],
        "trait": [{ "name": "Total", "query": "event('Bought').sum(property('total'))" }],
    })
}

/// The section that a place is in.
fn section(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// The address of a place, with `value` for its placeholder.
fn address(path: &str, value: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { value } else { part }).collect();
    format!("/console{}", parts.join("/"))
}

#[actix_web::test]
async fn pages_are_made_of_nothing_and_of_much() {
    let console = console!();
    let admin = console.somebody(Role::Admin).await;
    let mut wrong = Vec::new();
    let pages: Vec<Place> =
        places().into_iter().filter(|it| it.get && !NO_PAGES.contains(&it.path.as_str())).collect();
    for page in &pages {
        // Nothing has that name yet: that is said, and nothing fails. People are there from the start.
        let address = address(&page.path, "nobody");
        let (status, text) = console.get(&address, &admin).await;
        let expected: &[u16] = match page.path.as_str() {
            "/sign-in" => &[303],
            path if leads_back(path) => &[303],
            path if path.contains('{') => &[404, 422, 400, 200],
            _ => &[200],
        };
        if !expected.contains(&status) {
            wrong.push(format!("empty: {address}: {status} {text}"));
        }
    }
    let samples = console.fill().await;
    for page in pages.iter().filter(|page| page.path != "/sign-in") {
        let value = samples.get(section(&page.path)).map_or("-", String::as_str);
        // Which mail is to be shown stands behind the `?`.
        let query = if page.path.ends_with("/preview") { "?template=no_reply" } else { "" };
        let address = address(&page.path, value) + query;
        let (status, text) = console.get(&address, &admin).await;
        if status != if leads_back(&page.path) { 303 } else { 200 } {
            wrong.push(format!("filled: {address}: {status} {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether forms are sent there whose answer is a page: whoever opens that address is led to the page that has the form.
fn leads_back(path: &str) -> bool {
    ["/test", "/rotate", "/password"].iter().any(|form| path.ends_with(form))
}

/// What one has to be allowed to ask for a place, or to send something there: a place that none of these rules is for has to be
/// thought of here.
fn needed(path: &str, is_post: bool) -> Scope {
    let last = path.rsplit('/').next().unwrap_or_default();
    let changes = is_post || matches!(last, "new" | "edit" | "delete");
    match section(path) {
        // The page that it leads to says who may.
        _ if !is_post && leads_back(path) => Scope::Read,
        "people" | "tokens" | "audit" => Scope::People,
        // About oneself.
        "me" | "theme" | "sign-out" => Scope::Read,
        "audiences" | "traits" if changes => Scope::Audiences,
        "journeys" | "deliveries" | "replays" if changes => Scope::Operate,
        "destinations" if matches!(last, "pause" | "resume" | "replay" | "test") => Scope::Operate,
        "sources" | "flows" | "destinations" | "teams" if changes => Scope::Define,
        "" | "inbox" | "journeys" | "flows" | "live" | "audiences" | "traits" | "users" | "destinations"
        | "deliveries" | "sources" | "teams"
            if !changes =>
        {
            Scope::Read
        }
        _ => panic!("say who may {path}"),
    }
}

/// Everything that can be asked: a place, its address, and whether something is sent there.
fn asked(samples: &BTreeMap<&'static str, String>) -> Vec<(String, String, bool)> {
    let mut asked = Vec::new();
    for place in places().into_iter().filter(|place| !OPEN.contains(&place.path.as_str())) {
        let query = if place.path.ends_with("/preview") { "?template=no_reply" } else { "" };
        let value = samples.get(section(&place.path)).map_or("-", String::as_str);
        let address = address(&place.path, value) + query;
        for is_post in [place.get.then_some(false), place.post.then_some(true)].into_iter().flatten() {
            asked.push((place.path.clone(), address.clone(), is_post));
        }
    }
    asked
}

#[actix_web::test]
async fn roles_hold_at_every_place() {
    let console = console!();
    for role in Role::ALL {
        console.somebody(role).await;
    }
    let samples = console.fill().await;
    let people = console.engine.people().await.unwrap();
    let mut wrong = Vec::new();
    for role in Role::ALL {
        let person = people.iter().find(|person| person.role == role).unwrap().id;
        for (path, address, is_post) in asked(&samples) {
            // A session of its own for each: some places end them.
            let who = console.session_of(person).await;
            let may = role.scopes().contains(&needed(&path, is_post));
            let status = console.try_out(&address, is_post, &who, &who.csrf).await;
            if (status == 403) == may || status == 401 || status >= 500 {
                wrong.push(format!("{role:?} {address}, sent: {is_post}: {status}"));
            }
            let who = console.session_of(person).await;
            if is_post && may && console.try_out(&address, true, &who, "of another page").await != 400 {
                wrong.push(format!("{role:?} {address}: a form of another page was taken"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a stranger may send in the hope that somebody trusts it.
const INVENTED: [(&str, &str); 22] = [
    ("Authorization", "Basic YWRtaW5AZXhhbXBsZS5jb206cGFzc3dvcmQ="),
    ("Authorization", "Bearer stp_0000000000000000000000000000000000000000000000000000000000000000"),
    ("Authorization", "Digest username=\"admin@example.com\""),
    ("Authorization", "admin@example.com"),
    ("Proxy-Authorization", "Basic YWRtaW5AZXhhbXBsZS5jb206cGFzc3dvcmQ="),
    ("X-User", "admin@example.com"),
    ("X-Remote-User", "admin@example.com"),
    ("Remote-User", "admin@example.com"),
    ("X-Forwarded-User", "admin@example.com"),
    ("X-Forwarded-Email", "admin@example.com"),
    ("X-Auth-Request-Email", "admin@example.com"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
    ("X-Original-URL", "/console/sign-in"),
    ("X-CSRF-Token", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("X-Stagepost-Role", "admin"),
    ("Cookie", "stagepost_session=admin@example.com"),
    ("Cookie", "stagepost_session=; stagepost_session=0"),
    ("Cookie", "stagepost_session=set-up"),
    ("Cookie", "__Host-stagepost_session=0"),
    ("Cookie", "role=admin; user=admin@example.com; admin=true"),
];

#[actix_web::test]
async fn nothing_that_is_invented_signs_anybody_in() {
    let console = console!();
    let admin = console.somebody(Role::Admin).await;
    let samples = console.fill().await;
    // What is known of a session besides its secret leads nobody in either.
    let secret = admin.cookie.split_once('=').map(|(_, secret)| secret).unwrap_or_default();
    let hash = secret_hash(secret);
    let known = [
        ("Cookie", format!("stagepost_session={hash}")),
        ("Cookie", format!("stagepost_session={}", &secret[1..])),
        ("Cookie", format!("stagepost_session={}", secret.to_uppercase())),
        ("Authorization", format!("Bearer {secret}")),
        ("Authorization", format!("Bearer {hash}")),
    ];
    let invented = INVENTED.map(|(name, value)| (name, value.to_owned()));
    let headers: Vec<_> = invented.into_iter().chain(known).collect();
    let mut wrong = Vec::new();
    for (_, address, is_post) in asked(&samples) {
        for (name, value) in &headers {
            let request = if is_post { test::TestRequest::post() } else { test::TestRequest::get() };
            let status = console.status(request.uri(&address).insert_header((*name, value.as_str()))).await;
            if status != 303 {
                wrong.push(format!("{address}, sent: {is_post}, {name}: {value}: {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn the_navigation_leads_to_pages_for_those_who_may_see_them() {
    let console = console!();
    let places = places();
    let people = [console.somebody(Role::Admin).await, console.somebody(Role::Viewer).await];
    for (_, links) in frame::SECTIONS {
        for (_, link, scope) in links {
            let Some(path) = link.strip_prefix("/console") else { continue };
            if !places.iter().any(|place| place.path == path && place.get) {
                panic!("no page is at {link}");
            }
            assert_eq!(console.get(link, &people[0]).await.0, 200, "{link}");
            let expected = if Role::Viewer.scopes().contains(scope) { 200 } else { 403 };
            assert_eq!(console.get(link, &people[1]).await.0, expected, "{link}");
        }
    }
}
