//! Every call of the API, asked by everybody: what nobody named a scope for, anybody may call, and those are few.

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::*;
use crate::domain::people::{Role, Scope};
use crate::engine::{NewPerson, NewToken};
use crate::http::api::{Endpoint, open_endpoints};

/// What everybody may call who is known.
const FOR_ALL: [&str; 1] = ["GET /api/me"];
/// What strangers may call.
const OPEN: [&str; 6] = [
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /api/docs/{file}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
];

fn named(endpoints: Vec<Endpoint>) -> Vec<(Method, String, Option<Scope>)> {
    let of = |endpoint: Endpoint| {
        let path = endpoint.path().to_owned();
        let scopes: Vec<_> =
            endpoint.scopes().map(|(method, scope)| (method.clone(), path.clone(), scope)).collect();
        scopes
    };
    endpoints.into_iter().flat_map(of).collect()
}

/// The path with something for its placeholders.
fn address(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
    parts.join("/")
}

/// Somebody, by what he sends, and what he may do.
struct Known {
    who: String,
    headers: Vec<(&'static str, String)>,
    scopes: Vec<Scope>,
}

impl Api {
    /// The status alone: a stream has no end.
    async fn status(&self, method: &Method, path: &str, headers: &[(&'static str, String)]) -> u16 {
        let mut request = TestRequest::with_uri(&address(path)).method(method.clone());
        request = request.peer_addr("10.0.0.1:999".parse().unwrap());
        for (name, value) in headers {
            request = request.insert_header((*name, value.as_str()));
        }
        (self.service)(request).await.status().as_u16()
    }

    async fn token_with(&self, scope: Scope) -> Known {
        let wanted = NewToken { name: scope.as_str().to_owned(), scopes: vec![scope], expires_at: None };
        let (_, secret) = self.engine.make_token(wanted).await.unwrap();
        let headers = vec![("Authorization", format!("Bearer {secret}"))];
        Known { who: format!("a token with {}", scope.as_str()), headers, scopes: vec![scope] }
    }

    async fn session_of(&self, role: Role) -> Known {
        let (name, password) = (role.as_str().to_owned(), "four words make one".to_owned());
        let person = NewPerson { email: format!("{name}@example.com"), name, role, password };
        let person = self.engine.add_person(person).await.unwrap();
        let cookie = format!("stagepost_session={}", self.engine.begin_session(person.id).await.unwrap());
        let me = TestRequest::get().uri("/api/me").insert_header(("Cookie", cookie.clone()));
        let me = test::read_body((self.service)(me).await).await;
        let me: Value = serde_json::from_slice(&me).unwrap();
        let csrf = me["csrfToken"].as_str().unwrap().to_owned();
        let headers = vec![("Cookie", cookie), ("X-CSRF-Token", csrf)];
        Known { who: format!("a session of a {}", role.as_str()), headers, scopes: role.scopes().to_vec() }
    }
}

#[actix_web::test]
async fn only_what_is_listed_here_needs_no_scope() {
    let without = |endpoints: Vec<Endpoint>| -> Vec<String> {
        let named = named(endpoints).into_iter().filter(|(_, _, scope)| scope.is_none());
        named.map(|(method, path, _)| format!("{method} {path}")).collect()
    };
    assert_eq!(without(endpoints()), FOR_ALL);
    let open: Vec<Endpoint> = open_endpoints().into_iter().chain(operations::endpoints()).collect();
    assert!(named(open).iter().all(|(_, _, scope)| scope.is_none()), "who calls these is not looked at");
    assert_eq!(without(open_endpoints().into_iter().chain(operations::endpoints()).collect()), OPEN);
}

#[actix_web::test]
async fn everybody_does_what_his_scopes_say_and_no_more() {
    let api = start().await;
    let mut everybody = Vec::new();
    for scope in Scope::ALL {
        everybody.push(api.token_with(scope).await);
    }
    for role in Role::ALL {
        everybody.push(api.session_of(role).await);
    }
    let mut wrong = Vec::new();
    for (method, path, scope) in named(endpoints()) {
        for Known { who, headers, scopes } in &everybody {
            let may = scope.is_none_or(|scope| scopes.contains(&scope));
            let status = api.status(&method, &path, headers).await;
            if (status == 403) == may || status == 401 {
                wrong.push(format!("{method} {path} by {who}: {status}"));
            }
            // The cookie alone, as a page of another site makes a browser send it.
            let cookie = headers.iter().filter(|(name, _)| *name == "Cookie").cloned().collect::<Vec<_>>();
            if !cookie.is_empty() && !method.is_safe() && api.status(&method, &path, &cookie).await != 403 {
                wrong.push(format!("{method} {path} by {who}, from another site"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn nothing_that_is_invented_is_believed() {
    let api = start().await;
    let admin = api.session_of(Role::Admin).await;
    let secret = admin.headers[0].1.trim_start_matches("stagepost_session=").to_owned();
    let basic = |user: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:x")))
    };
    let invented = [
        // The token is the Profile API's user, and nobody's here.
        ("Authorization", basic(TOKEN)),
        ("Authorization", basic("admin@example.com")),
        ("Authorization", "Bearer".to_owned()),
        ("Authorization", format!("Token {TOKEN}")),
        ("Authorization", format!("Bearer {}", token_hash(TOKEN))),
        ("Authorization", format!("Bearer {secret}")),
        ("Proxy-Authorization", format!("Bearer {TOKEN}")),
        ("X-API-Key", TOKEN.to_owned()),
        ("X-User", "admin@example.com".to_owned()),
        ("X-Forwarded-User", "admin@example.com".to_owned()),
        ("X-Forwarded-Email", "admin@example.com".to_owned()),
        ("X-Remote-User", "admin@example.com".to_owned()),
        ("X-Forwarded-For", "127.0.0.1".to_owned()),
        ("X-Original-URL", "/healthz".to_owned()),
        ("X-HTTP-Method-Override", "GET".to_owned()),
        ("X-CSRF-Token", admin.headers[1].1.clone()),
        ("Cookie", format!("stagepost_session={}", token_hash(&secret))),
        ("Cookie", format!("__Host-stagepost_session={secret}")),
        ("Cookie", format!("stagepost_session={TOKEN}")),
        ("Cookie", "stagepost_session=admin@example.com; role=admin".to_owned()),
    ];
    let mut wrong = Vec::new();
    for (method, path, _) in named(endpoints()) {
        for header in &invented {
            let status = api.status(&method, &path, std::slice::from_ref(header)).await;
            if status != 401 {
                wrong.push(format!("{method} {path} with {header:?}: {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
