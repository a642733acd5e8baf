//! The management API: definitions, journeys, users, audiences, deliveries and the debugger, behind tokens and sessions.
//!
//! One file per resource, each with its `endpoints()`; [`configure`] registers them, and a test holds the OpenAPI
//! document to them.

mod accounts;
pub(super) mod audiences;
pub(in crate::http) mod audit;
mod auth;
mod body;
mod csv;
pub(in crate::http) mod definitions;
pub(in crate::http) mod deliveries;
pub(in crate::http) mod destinations;
mod docs;
mod endpoint;
pub(in crate::http) mod events;
pub(in crate::http) mod feed;
mod funnels;
mod guard;
pub(in crate::http) mod journeys;
mod openapi;
mod params;
mod people;
mod presets;
pub(in crate::http) mod preview;
pub(in crate::http) mod replays;
mod state;
pub(in crate::http) mod stream;
pub(in crate::http) mod test_send;
mod tokens;
pub(in crate::http) mod traits;
mod users;
pub(in crate::http) mod write_keys;

#[cfg(test)]
mod tests;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::problem::{ApiProblem, Code};
use crate::domain::limits;

pub use crate::engine::secret_hash as token_hash;
pub use endpoint::Endpoint;
pub(super) use guard::{Verdict, basic, network};
pub(super) use journeys::ahead;
pub use params::NoParams;
pub use state::ApiState;

/// What a handler answers.
type Answer = Result<HttpResponse, ApiProblem>;

const PREFIX: &str = "/api";

/// The calls that need a token or a session. A path of fixed words stands before one with a placeholder in the same place.
fn endpoints() -> Vec<Endpoint> {
    let mut all = Vec::new();
    all.extend(audiences::endpoints());
    all.extend(traits::endpoints());
    all.extend(definitions::endpoints());
    all.extend(write_keys::endpoints());
    all.extend(destinations::endpoints());
    all.extend(presets::endpoints());
    all.extend(test_send::endpoints());
    all.extend(funnels::endpoints());
    all.extend(journeys::endpoints());
    all.extend(users::endpoints());
    all.extend(accounts::endpoints());
    all.extend(deliveries::endpoints());
    all.extend(replays::endpoints());
    all.extend(events::endpoints());
    all.extend(people::endpoints());
    all.extend(tokens::endpoints());
    all.extend(audit::endpoints());
    all
}

/// The calls that don't.
fn open_endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/openapi.json").get_open(openapi::document),
        Endpoint::at("/api/docs").get_open(docs::page),
        Endpoint::at("/api/docs/{file}").get_open(docs::asset),
    ]
}

/// Registers the management API; the state has to be there as `web::Data<ApiState>`.
pub fn configure(config: &mut web::ServiceConfig) {
    for endpoint in open_endpoints() {
        config.service(endpoint.service("", &[]));
    }
    let mut scope = web::scope(PREFIX).app_data(web::PayloadConfig::new(limits::MAX_API_BODY));
    let endpoints = endpoints();
    let yielded: Vec<_> = endpoints.iter().filter_map(Endpoint::yielded).collect();
    for endpoint in endpoints {
        scope = scope.service(endpoint.service(PREFIX, &yielded));
    }
    // The last one wrapped is the first one asked: headers come onto refusals too.
    config.service(
        scope.default_service(web::to(no_such_path)).wrap(from_fn(auth::require_caller)).wrap(headers()),
    );
}

/// What every answer bears: it is for the caller alone, and nothing but what it says it is.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new().add(("Cache-Control", "no-store")).add(("X-Content-Type-Options", "nosniff"))
}

async fn no_such_path(request: HttpRequest) -> Answer {
    let path: String = request.path().chars().take(200).collect();
    Err(ApiProblem::new(Code::NotFound, format!("there is no `{path}`; /api/docs lists what there is")))
}

/// One page of a list: the rows under the list's name, and where to go on.
fn listed(name: &str, rows: Vec<Value>, cursor: Option<String>) -> Value {
    json!({ name: rows, "cursor": cursor })
}
