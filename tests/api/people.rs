//! People and access: what each role and token may do, how sessions end, and what the audit log says.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use stagepost::domain::ids::PersonId;
use stagepost::domain::limits;
use stagepost::domain::people::{Person, Role, Scope};
use stagepost::engine::{By, Engine, EngineError, NewPerson};

use crate::app::{PATIENCE, Setup, TestApp, app};
use crate::http::{Got, column, send};
use crate::studio::{body, studio};
use crate::support::api::escape;
use crate::support::receiver::Receiver;
use crate::support::wait::eventually;

const PASSWORD: &str = "four words make one";
const HOUR: i64 = 60 * 60 * 1000;

fn new_person(email: &str, role: Role) -> NewPerson {
    let (email, name) = (email.to_owned(), email.split('@').next().unwrap_or_default().to_owned());
    NewPerson { email, name, role, password: PASSWORD.to_owned() }
}

/// Somebody with a session.
struct Signed {
    person: Person,
    cookie: String,
    csrf: String,
}

impl Signed {
    fn request(&self, app: &TestApp, method: &str, path: &str) -> RequestBuilder {
        app.request(method, path).header("cookie", &self.cookie).header("x-csrf-token", &self.csrf)
    }

    /// How a look at who he is is answered.
    async fn status(&self, app: &TestApp) -> u16 {
        send(app.request("GET", "/api/me").header("cookie", &self.cookie)).await.status
    }
}

async fn session_of(app: &TestApp, person: Person) -> Signed {
    let secret = app.engine().begin_session(person.id).await.expect("a session");
    let cookie = format!("stagepost_session={secret}");
    let me = send(app.request("GET", "/api/me").header("cookie", &cookie)).await.expect(200).json();
    Signed { person, cookie, csrf: me["csrfToken"].as_str().expect("a token").to_owned() }
}

async fn signed_in(app: &TestApp, email: &str, role: Role) -> Signed {
    let person = app.engine().add_person(new_person(email, role)).await.expect("a person");
    session_of(app, person).await
}

async fn token(app: &TestApp, name: &str, scopes: &[Scope]) -> String {
    let wanted = json!({ "name": name, "scopes": scopes });
    let made = app.call("POST", "/api/tokens", Some(&wanted)).await.expect(201).json();
    made["token"].as_str().expect("a token").to_owned()
}

async fn audit(app: &TestApp, query: &str) -> Vec<Value> {
    app.get(&format!("/api/audit?{query}")).await["entries"].as_array().expect("a list").clone()
}

/// One call of each kind that needs something, with what that is.
fn calls() -> Vec<(&'static str, &'static str, Scope)> {
    vec![
        ("GET", "/api/journeys", Scope::Read),
        ("GET", "/api/sources", Scope::Read),
        ("GET", "/api/users/nobody", Scope::Read),
        ("GET", "/api/events", Scope::Read),
        ("PUT", "/api/audiences/x", Scope::Audiences),
        ("POST", "/api/audiences", Scope::Audiences),
        ("POST", "/api/audiences/preview", Scope::Audiences),
        ("DELETE", "/api/audiences/x", Scope::Audiences),
        ("PUT", "/api/traits/x", Scope::Audiences),
        ("DELETE", "/api/traits/x", Scope::Audiences),
        ("POST", "/api/journeys/x/acknowledge", Scope::Operate),
        ("POST", "/api/journeys/x/resolve", Scope::Operate),
        ("POST", "/api/journeys/x/snooze", Scope::Operate),
        ("POST", "/api/deliveries/x/replay", Scope::Operate),
        ("POST", "/api/replays", Scope::Operate),
        ("POST", "/api/replays/x/cancel", Scope::Operate),
        ("POST", "/api/destinations/x/pause", Scope::Operate),
        ("POST", "/api/destinations/x/resume", Scope::Operate),
        ("POST", "/api/destinations/x/replay", Scope::Operate),
        ("POST", "/api/destinations/x/test", Scope::Operate),
        ("POST", "/api/apply", Scope::Define),
        ("PUT", "/api/sources/x", Scope::Define),
        ("DELETE", "/api/flows/x", Scope::Define),
        ("PUT", "/api/teams/x", Scope::Define),
        ("DELETE", "/api/destinations/x", Scope::Define),
        ("GET", "/api/people", Scope::People),
        ("POST", "/api/people", Scope::People),
        ("PUT", "/api/people/x", Scope::People),
        ("DELETE", "/api/people/x", Scope::People),
        ("PUT", "/api/people/x/password", Scope::People),
        ("DELETE", "/api/people/x/sessions", Scope::People),
        ("GET", "/api/tokens", Scope::People),
        ("POST", "/api/tokens", Scope::People),
        ("DELETE", "/api/tokens/x", Scope::People),
        ("GET", "/api/audit", Scope::People),
    ]
}

/// Who may do it finds that it is not as it should be; who may not is told what he lacks.
#[track_caller]
fn judge(got: &Got, call: &str, scope: Scope, may: bool) {
    if may {
        assert!(!matches!(got.status, 401 | 403), "{call}: {} {}", got.status, got.text());
    } else {
        assert_eq!((got.status, got.code().as_str()), (403, "forbidden"), "{call}: {}", got.text());
        assert!(got.text().contains(&format!("`{}`", scope.as_str())), "{call}: {}", got.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_hold_in_the_api() {
    let app = app().await;
    // So that an admin may go, too.
    app.engine().add_person(new_person("root@example.com", Role::Admin)).await.unwrap();
    for role in Role::ALL {
        let person = signed_in(&app, &format!("{}@example.com", role.as_str()), role).await;
        for (method, path, scope) in calls() {
            let got = send(person.request(&app, method, path)).await;
            judge(
                &got,
                &format!("{method} {path} by {}", role.as_str()),
                scope,
                role.scopes().contains(&scope),
            );
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_do_what_their_scopes_say() {
    let app = app().await;
    for scope in Scope::ALL {
        let secret = token(&app, scope.as_str(), &[scope]).await;
        for (method, path, needed) in calls() {
            let got = send(app.request(method, path).bearer_auth(&secret)).await;
            judge(&got, &format!("{method} {path} with {}", scope.as_str()), needed, scope == needed);
        }
        let profile = "/v1/spaces/s/collections/users/profiles/user_id:nobody/traits";
        let got = send(app.request("GET", profile).basic_auth(&secret, None::<&str>)).await;
        assert_eq!(got.status, if scope == Scope::Read { 404 } else { 403 }, "{}", got.text());
        let me = send(app.request("GET", "/api/me").bearer_auth(&secret)).await.expect(200).json();
        assert_eq!(
            (&me["name"], &me["scopes"]),
            (&json!(format!("token {}", scope.as_str())), &json!([scope]))
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_once_and_end() {
    let app = app().await;
    let lasting = token(&app, "lasting", &[Scope::Read]).await;
    let end = app.now().plus(limits::USE_NOTED).to_rfc3339();
    let wanted = json!({ "name": "ending", "scopes": ["read", "read"], "expiresAt": end });
    let made = app.call("POST", "/api/tokens", Some(&wanted)).await.expect(201).json();
    assert_eq!(made["scopes"], json!(["read"]));
    let ending = made["token"].as_str().unwrap();
    assert!(ending.starts_with("stp_") && ending.len() == 68, "{ending}");
    let status = async |token: &str| send(app.request("GET", "/api/me").bearer_auth(token)).await.status;
    assert_eq!((status(&lasting).await, status(ending).await), (200, 200));
    // That they are used is written with the next tick.
    app.rest().await;
    let listed = app.get("/api/tokens").await;
    assert_eq!(column(&listed["tokens"], "name"), ["lasting", "ending"]);
    assert_eq!(listed["tokens"][0]["usedAt"], app.now().to_rfc3339());
    assert_eq!(listed["tokens"][0]["createdBy"], "admin token");
    assert!(!listed.to_string().contains(&ending[4..]), "the secret is nowhere");
    app.advance(HOUR).await;
    assert_eq!((status(&lasting).await, status(ending).await), (200, 401));
    let id = listed["tokens"][0]["id"].as_str().unwrap();
    app.call("DELETE", &format!("/api/tokens/{id}"), None).await.expect(204);
    app.call("DELETE", &format!("/api/tokens/{id}"), None).await.expect(404);
    assert_eq!(status(&lasting).await, 401);
    for wrong in [
        json!({ "scopes": ["read"] }),
        json!({ "name": "x" }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["all"] }),
        json!({ "name": "x", "scopes": ["read"], "expiresAt": "2020-01-01" }),
    ] {
        let got = app.call("POST", "/api/tokens", Some(&wrong)).await;
        assert_eq!((got.status, got.code().as_str()), (400, "invalid_body"), "{wrong}: {}", got.text());
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_away_what_he_does_not_have() {
    let app = app().await;
    let admin = app.engine().add_person(new_person("root@example.com", Role::Admin)).await.unwrap();
    let secret = token(&app, "hr", &[Scope::People, Scope::Read]).await;
    let call = async |method: &str, path: &str, body: Value| {
        send(app.request(method, path).bearer_auth(&secret).body(body.to_string())).await
    };
    let person = |role: &str| json!({ "email": format!("{role}@x.y"), "name": role, "role": role, "password": PASSWORD });
    let viewer = call("POST", "/api/people", person("viewer")).await.expect(201).json();
    let (viewer, root) =
        (format!("/api/people/{}", viewer["id"].as_str().unwrap()), format!("/api/people/{}", admin.id));
    for (method, path, body) in [
        ("POST", "/api/people", person("admin")),
        ("PUT", &viewer, json!({ "role": "operator" })),
        ("PUT", &root, json!({ "name": "mine" })),
        ("PUT", &format!("{root}/password"), json!({ "password": "another long one" })),
        ("DELETE", &root, Value::Null),
        ("DELETE", &format!("{root}/sessions"), Value::Null),
        ("POST", "/api/tokens", json!({ "name": "more", "scopes": ["define"] })),
    ] {
        let got = call(method, path, body).await;
        assert_eq!((got.status, got.code().as_str()), (403, "forbidden"), "{method} {path}: {}", got.text());
    }
    call("PUT", &viewer, json!({ "name": "Vi" })).await.expect(200);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_admitted_changed_and_removed() {
    let app = app().await;
    let wanted = json!({ "email": " Ann@Example.com", "name": "Ann", "role": "admin", "password": PASSWORD });
    let got = app.call("POST", "/api/people", Some(&wanted)).await.expect(201);
    let ann = got.json();
    assert_eq!(ann["email"], "ann@example.com");
    assert_eq!(got.header("location"), format!("/api/people/{}", ann["id"].as_str().unwrap()));
    assert!(!got.text().contains("argon2") && !got.text().contains(PASSWORD), "{}", got.text());
    app.call("POST", "/api/people", Some(&wanted)).await.expect(409);
    for (wrong, field) in [
        (json!({ "email": "ann", "name": "A", "role": "viewer", "password": PASSWORD }), "email"),
        (json!({ "email": "a@b.c", "name": " ", "role": "viewer", "password": PASSWORD }), "name"),
        (json!({ "email": "a@b.c", "name": "A", "role": "boss", "password": PASSWORD }), "role"),
        (json!({ "email": "a@b.c", "name": "A", "role": "viewer", "password": "short" }), "password"),
        (json!({ "email": "a@b.c", "name": "A", "role": "viewer" }), "password"),
    ] {
        let got = app.call("POST", "/api/people", Some(&wrong)).await.expect(400).json();
        assert_eq!(
            (&got["code"], &got["errors"][0]["field"]),
            (&json!("invalid_body"), &json!(field)),
            "{got}"
        );
    }
    let place = format!("/api/people/{}", ann["id"].as_str().unwrap());
    for change in [json!({ "role": "viewer" }), json!({ "disabled": true })] {
        let got = app.call("PUT", &place, Some(&change)).await.expect(409);
        assert!(got.text().contains("last admin"), "{}", got.text());
    }
    app.call("DELETE", &place, None).await.expect(409);
    let bob = json!({ "email": "bob@example.com", "name": "Bob", "role": "admin", "password": PASSWORD });
    app.call("POST", "/api/people", Some(&bob)).await.expect(201);
    let moved = json!({ "email": "anna@example.com", "role": "marketer" });
    let changed = app.call("PUT", &place, Some(&moved)).await.expect(200).json();
    assert_eq!((&changed["email"], &changed["role"]), (&json!("anna@example.com"), &json!("marketer")));
    let people = app.get("/api/people").await;
    assert_eq!(column(&people["people"], "email"), ["anna@example.com", "bob@example.com"]);
    assert_eq!(app.get(&place).await, changed);
    app.call("DELETE", &place, None).await.expect(204);
    app.call("GET", &place, None).await.expect(404);
    app.call("PUT", "/api/people/nobody", Some(&json!({}))).await.expect(404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_time_and_with_what_changes() {
    let app = app().await;
    app.engine().add_person(new_person("root@example.com", Role::Admin)).await.unwrap();
    let ann = signed_in(&app, "ann@example.com", Role::Operator).await;
    app.advance(11 * HOUR).await;
    assert_eq!(ann.status(&app).await, 200);
    app.advance(11 * HOUR).await;
    assert_eq!(ann.status(&app).await, 200, "it was used meanwhile");
    app.advance(12 * HOUR).await;
    assert_eq!(ann.status(&app).await, 401, "it was idle");
    let lasting = session_of(&app, ann.person.clone()).await;
    for _ in 0..16 {
        assert_eq!(lasting.status(&app).await, 200);
        app.advance(10 * HOUR).await;
    }
    assert_eq!(lasting.status(&app).await, 200);
    app.advance(8 * HOUR - 1).await;
    assert_eq!(lasting.status(&app).await, 200);
    app.advance(1).await;
    assert_eq!(lasting.status(&app).await, 401, "seven days are over");
    let place = format!("/api/people/{}", ann.person.id);
    let ways = [
        ("PUT", place.clone(), json!({ "role": "viewer" })),
        ("PUT", place.clone(), json!({ "email": "ann@example.org" })),
        ("PUT", place.clone(), json!({ "disabled": true })),
        ("PUT", format!("{place}/password"), json!({ "password": "another long one" })),
        ("DELETE", format!("{place}/sessions"), Value::Null),
    ];
    for (method, path, body) in ways {
        let (one, two) =
            (session_of(&app, ann.person.clone()).await, session_of(&app, ann.person.clone()).await);
        assert_eq!((one.status(&app).await, two.status(&app).await), (200, 200));
        app.call(method, &path, Some(&body).filter(|body| !body.is_null())).await;
        assert_eq!((one.status(&app).await, two.status(&app).await), (401, 401), "{method} {path} {body}");
        let enabled = json!({ "disabled": false });
        app.call("PUT", &place, Some(&enabled)).await.expect(200);
        assert_eq!(one.status(&app).await, 401, "what ended stays so");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_needs_more_than_the_cookie() {
    let app = app().await;
    let ann = signed_in(&app, "ann@example.com", Role::Admin).await;
    let other = session_of(&app, ann.person.clone()).await;
    assert_ne!(ann.csrf, other.csrf);
    let put = || {
        app.request("PUT", "/api/traits/orders")
            .header("cookie", &ann.cookie)
            .body(json!({ "name": "orders", "query": "event('Order').count()" }).to_string())
    };
    for request in [put(), put().header("x-csrf-token", ""), put().header("x-csrf-token", &other.csrf)] {
        let got = send(request).await;
        assert_eq!((got.status, got.code().as_str()), (403, "forbidden"), "{}", got.text());
        assert!(got.text().contains("X-CSRF-Token"), "{}", got.text());
    }
    send(put().header("x-csrf-token", &ann.csrf)).await.expect(201);
    app.rest().await;
    send(app.request("GET", "/api/traits").header("cookie", &ann.cookie)).await.expect(200);
    for cookie in ["stagepost_session=", "stagepost_session=0123", "other=1"] {
        send(app.request("GET", "/api/traits").header("cookie", cookie)).await.expect(401);
    }
    app.finish().await;
}

async fn set_up(engine: &Engine, email: &str) -> Result<Person, EngineError> {
    engine.set_up(new_person(email, Role::Viewer)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_comes_once() {
    let app = app().await;
    let engine = app.engine();
    engine.add_person(new_person("viewer@example.com", Role::Viewer)).await.unwrap();
    assert!(!engine.is_set_up().await.unwrap());
    let (one, two) = tokio::join!(set_up(engine, "one@example.com"), set_up(engine, "two@example.com"));
    let (first, second) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(first.unwrap().role, Role::Admin);
    assert!(matches!(second, Err(EngineError::Staff(_))), "{second:?}");
    assert!(engine.is_set_up().await.unwrap());
    assert!(matches!(set_up(engine, "three@example.com").await, Err(EngineError::Staff(_))));
    let people = engine.people().await.unwrap();
    assert_eq!(people.iter().filter(|person| person.is_active_admin()).count(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_in_the_audit_log_without_their_secrets() {
    let app = app().await;
    let admin = signed_in(&app, "ann@example.com", Role::Admin).await;
    let secrets =
        ["s3cr3t-of-the-receiver", "t0ken-in-the-address", "wk_of_the_studio_source", "auth-t0ken-of-twilio"];
    let document = |query: &str| {
        json!({
            "source": [{ "key": "studio", "kind": "studio", "write_key": secrets[2], "twilio_auth_tokens": [secrets[3]] }],
            "destination": [{
                "key": "crm", "kind": "webhook", "shared_secret": secrets[0],
                "urls": [{ "url": format!("https://crm.example.com/{}", secrets[1]) }],
            }],
            "audience": [{ "name": "Buyers", "query": query }],
        })
    };
    let apply = async |query: &str| {
        send(admin.request(&app, "POST", "/api/apply").body(document(query).to_string())).await.expect(200);
        app.rest().await;
    };
    apply("event('Bought').count() >= 1").await;
    let mut made = column(&json!(audit(&app, "by=ann@example.com").await), "subject");
    made.retain(|subject| !subject.starts_with("person"));
    made.sort();
    assert_eq!(made, ["audience buyers", "destination crm", "source studio"]);
    apply("event('Bought').count() >= 2").await;
    app.call("DELETE", "/api/audiences/buyers", None).await.expect(204);
    app.rest().await;
    let entries = audit(&app, "subject=buyers").await;
    assert_eq!(column(&json!(entries), "action"), ["removed", "changed", "created"]);
    assert_eq!(column(&json!(entries), "by"), ["admin token", "ann@example.com", "ann@example.com"]);
    assert_eq!(column(&json!(entries), "via"), ["api", "console", "console"]);
    assert_eq!((&entries[2]["before"], &entries[0]["after"]), (&Value::Null, &Value::Null));
    assert_eq!(entries[1]["before"]["query"], "event('Bought').count() >= 1");
    assert_eq!(entries[1]["after"]["query"], "event('Bought').count() >= 2");
    assert_eq!(entries[0]["before"], entries[1]["after"]);
    let whole = json!(audit(&app, "limit=1000").await).to_string();
    for secret in secrets.iter().chain([&PASSWORD, &"argon2"]) {
        assert!(!whole.contains(secret), "{secret} in {whole}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_with_journeys_is_in_the_audit_log() {
    let app = studio().await;
    let mut ids = Vec::new();
    for user in ["u1", "u2"] {
        let posted = app.post_json("/studio/wk_studio", &body(user, "no_reply")).await.expect(200).json();
        ids.push(posted["journeyId"].as_str().unwrap().to_owned());
    }
    let token = token(&app, "pager", &[Scope::Operate]).await;
    let act = async |id: &str, what: &str, body: Value| {
        let path = format!("/api/journeys/{id}/{what}");
        send(app.request("POST", &path).bearer_auth(&token).body(body.to_string())).await.expect(200).json()
    };
    let shown = act(&ids[0], "snooze", json!({ "for": "1h", "by": "bob", "reason": "lunch" })).await;
    assert_eq!(shown["snoozes"][0]["by"], "token pager (bob)", "a token is who it is, whatever it says");
    act(&ids[0], "acknowledge", json!({})).await;
    act(&ids[0], "acknowledge", json!({})).await;
    act(&ids[0], "resolve", json!({ "reason": "called" })).await;
    let entries = audit(&app, &format!("subject={}", ids[0])).await;
    assert_eq!(column(&json!(entries), "action"), ["resolved", "acknowledged", "snoozed"], "nothing twice");
    assert_eq!(column(&json!(entries), "by"), ["token pager"; 3]);
    assert_eq!(column(&json!(entries), "reason"), ["called", "", "lunch"]);
    assert_eq!(entries[0]["after"]["status"], "resolved");
    assert_ne!(entries[0]["before"]["status"], "resolved");
    let named = json!({ "by": "bob" });
    let path = format!("/api/journeys/{}/resolve", ids[1]);
    let shown = app.call("POST", &path, Some(&named)).await.expect(200).json();
    assert_eq!(shown["resolved"]["by"], "bob", "whoever has the admin token says who he is");
    assert_eq!(audit(&app, &format!("subject={}", ids[1])).await[0]["by"], "admin token");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_change_is_in_the_audit_log() {
    let mut app = app().await;
    app.allow_pending();
    let definitions = json!({
        "destination": [{ "key": "crm", "kind": "webhook", "urls": [{ "url": "http://127.0.0.1:50000/" }] }],
        "team": [{
            "key": "front", "time_zone": "UTC",
            "summary": { "at": "08:00", "days": "mon-fri", "to": ["lead@example.com"] },
        }],
    });
    app.apply(&definitions).await;
    let by = || By::new("lead@example.com", "mail");
    app.engine().acting(by()).unsubscribe("front", "lead@example.com").await.unwrap();
    app.engine().acting(by()).unsubscribe("front", "lead@example.com").await.unwrap();
    let reason = json!({ "reason": "they asked" });
    app.call("POST", "/api/destinations/crm/pause", Some(&reason)).await.expect(200);
    app.call("POST", "/api/destinations/crm/pause", Some(&reason)).await.expect(200);
    app.call("POST", "/api/destinations/crm/resume", None).await.expect(200);
    app.call("POST", "/api/destinations/crm/pause", None).await.expect(200);
    let notice = app.call("POST", "/api/users/u1/delete-notice", None).await.expect(202).json();
    assert_eq!(notice["deliveries"].as_array().map(Vec::len), Some(1));
    app.call("POST", "/api/replays?destination=crm", None).await.expect(202);
    let ann = app.engine().add_person(new_person("ann@example.com", Role::Admin)).await.unwrap();
    let place = format!("/api/people/{}", ann.id);
    app.call("PUT", &place, Some(&json!({ "name": "Anna" }))).await.expect(200);
    app.call("PUT", &format!("{place}/password"), Some(&json!({ "password": "another long one" })))
        .await
        .expect(204);
    let signed = session_of(&app, ann).await;
    app.engine().end_session(signed.cookie.split('=').nth(1).unwrap()).await.unwrap();
    app.rest().await;
    let entries = audit(&app, "limit=1000").await;
    let said = |entry: &Value| {
        format!("{} {}", entry["action"].as_str().unwrap(), entry["subject"].as_str().unwrap())
    };
    let mut told: Vec<String> = entries.iter().map(said).collect();
    told.reverse();
    let replay = told.iter().position(|it| it.starts_with("replayed replay rpl_")).expect("the replay");
    told.remove(replay);
    assert_eq!(
        told,
        [
            "token_set admin token",
            "created team front",
            "created destination crm",
            "unsubscribed team front",
            "paused destination crm",
            "resumed destination crm",
            "paused destination crm",
            "deletion_notified user u1",
            "created person ann@example.com",
            "changed person ann@example.com",
            "password_set person ann@example.com",
            "signed_in person ann@example.com",
            "signed_out person ann@example.com",
        ]
    );
    let of = |what: &str| entries.iter().find(|entry| said(entry) == what).unwrap();
    assert_eq!(of("unsubscribed team front")["via"], "mail");
    assert_eq!(of("token_set admin token")["by"], "stagepost");
    let changed = of("changed person ann@example.com");
    assert_eq!((&changed["before"]["name"], &changed["after"]["name"]), (&json!("ann"), &json!("Anna")));
    let pauses = audit(&app, "subject=crm&by=ADMIN").await;
    assert_eq!(pauses[2]["reason"], "they asked");
    assert_eq!(
        (&pauses[2]["before"], &pauses[2]["after"]),
        (&json!({ "state": "healthy" }), &json!({ "state": "paused" }))
    );
    app.finish().await;
}

/// The entries with these actions, the oldest first, once there are so many.
async fn told(app: &TestApp, actions: &[&str], count: usize) -> Vec<Value> {
    eventually("the audit log tells", PATIENCE, async || {
        let mut found = audit(app, "limit=1000").await;
        found.retain(|entry| actions.iter().any(|action| entry["action"] == *action));
        found.reverse();
        (found.len() >= count).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_told_once_and_when_they_lock_out() {
    let app = Setup::new().behind(&["127.0.0.1/32"]).start().await;
    app.engine().add_person(new_person("ann@example.com", Role::Admin)).await.unwrap();
    let sign_in = async |email: &str, password: &str, from: &str| {
        let body = format!("email={}&password={}", escape(email), escape(password));
        let request = app.request("POST", "/console/sign-in").header("x-forwarded-for", from);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let client = request.header("user-agent", "Firefox/132.0 Linux").body(body);
        send(client).await.status
    };
    for n in 0..limits::MAX_WRONG_PASSWORDS {
        let from = format!("203.0.113.{n}");
        assert_eq!(sign_in("ann@example.com", "not the password", &from).await, 422);
        // What is typed for nobody's address may be a password.
        assert_eq!(sign_in("my secret password", "x", &from).await, 422);
    }
    assert_eq!(sign_in("ann@example.com", PASSWORD, "203.0.113.99").await, 429);
    let entries = told(&app, &["sign_in_failed", "locked_out"], 2).await;
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["by"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("sign_in_failed", "203.0.113.0"), ("locked_out", "203.0.113.9")]);
    assert_eq!(entries[1]["subject"], "person ann@example.com");
    assert_eq!(entries[1]["after"], json!({ "address": "203.0.113.9", "browser": "Firefox on Linux" }));
    app.set_clock(app.now().plus(limits::HELD_FOR));
    assert_eq!(sign_in("ann@example.com", PASSWORD, "203.0.113.99").await, 200, "he is let in, and led on");
    let entries = told(&app, &["signed_in"], 1).await;
    assert_eq!(entries[0]["by"], "ann@example.com");
    assert_eq!(entries[0]["after"]["address"], "203.0.113.99");
    assert!(!json!(audit(&app, "limit=1000").await).to_string().contains("secret password"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_wrong_tokens_are_counted_by_caller() {
    let app = Setup::new().behind(&["127.0.0.1/32"]).start().await;
    let status = async |token: &str, from: &str| {
        let request = app.request("GET", "/api/me").bearer_auth(token).header("x-forwarded-for", from);
        send(request).await.status
    };
    for n in 0..limits::MAX_TOKEN_GUESSES {
        assert_eq!(status(&format!("guess {n}"), "203.0.113.7").await, 401);
    }
    assert_eq!(status("guess", "203.0.113.7").await, 429);
    assert_eq!(status("guess", "198.51.100.1, 203.0.113.7").await, 429, "what he invents stands before");
    assert_eq!(status("guess", "203.0.113.8").await, 401);
    let request = app.request("GET", "/v1/spaces/s/collections/users/profiles/user_id:u/traits");
    let profile = request.basic_auth("guess", None::<&str>).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(send(profile).await.status, 429);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_destinations_are_told() {
    let receiver = Receiver::taking_all();
    let app = app().await;
    let url = json!([{ "url": receiver.url("/t0ken") }]);
    app.apply(&json!({ "destination": [{ "key": "crm", "kind": "webhook", "urls": url }] })).await;
    let token = token(&app, "ops", &[Scope::Operate]).await;
    for path in ["/api/destinations/crm/test?dry_run=true", "/api/destinations/crm/test"] {
        send(app.request("POST", path).bearer_auth(&token)).await.expect(200);
    }
    let entries = told(&app, &["tested"], 1).await;
    assert_eq!(entries.len(), 1, "nothing is sent in a dry run");
    assert_eq!((&entries[0]["by"], &entries[0]["subject"]), (&json!("token ops"), &json!("destination crm")));
    assert_eq!(entries[0]["after"], json!({ "status": "delivered", "httpStatus": 200 }));
    assert!(!json!(entries).to_string().contains("t0ken"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_paged_bounded_by_time_and_forgotten() {
    let app = app().await;
    for n in 0..5 {
        token(&app, &format!("t{n}"), &[Scope::Read]).await;
        app.advance(1000).await;
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/api/audit?subject=token+t&limit=2&cursor={cursor}")).await;
        names.extend(column(&page["entries"], "subject"));
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["token t4", "token t3", "token t2", "token t1", "token t0"]);
    let at = |n: i64| format!("2026-11-21T10:00:0{n}.000Z");
    let between = audit(&app, &format!("from={}&to={}", at(1), at(3))).await;
    assert_eq!(column(&json!(between), "subject"), ["token t2", "token t1"]);
    app.call("GET", "/api/audit?cursor=nonsense", None).await.expect(400);
    app.call("GET", &format!("/api/audit?from={}&to={}", at(3), at(1)), None).await.expect(400);
    app.advance(limits::AUDIT_KEPT.millis() - 2500).await;
    assert_eq!(column(&json!(audit(&app, "").await), "subject"), ["token t4", "token t3"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_a_restart() {
    let mut app = app().await;
    if !matches!(crate::BACKEND, crate::support::stores::Backend::Memory) {
        let ann = signed_in(&app, "ann@example.com", Role::Admin).await;
        app.restart().await;
        assert_eq!(ann.status(&app).await, 200);
        let found = app.engine().person_with("ann@example.com", PASSWORD).await.unwrap();
        assert_eq!(found.map(|person| person.id), Some(ann.person.id));
        let nobody: PersonId = PersonId::floor(app.now());
        assert!(app.engine().person(nobody).await.unwrap().is_none());
    }
    app.finish().await;
}
