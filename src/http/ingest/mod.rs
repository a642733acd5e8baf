//! Ingest over HTTP: Twilio Studio's stage posts, Twilio's Event Streams and Segment's HTTP tracking API.
//!
//! Paths are told apart in `route`, bodies are read here with their own bounds (no extractor of the framework sees
//! them), and everything that they mean is decided in [`crate::domain::ingest`].

mod auth;
mod body;
mod cors;
mod event_streams;
mod incoming;
mod pixel;
mod refusal;
mod route;
mod segment;
mod settings;
pub(super) mod signature;
mod studio;

use std::cell::RefCell;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use metrics::histogram;
use url::Url;

use crate::clock::entropy;
use crate::domain::ids::IdSource;
use crate::domain::ingest::{Code, IngestError};
use crate::engine::Engine;
use crate::http::reply;
pub(super) use body::{Cap, read as read_body};
pub(super) use incoming::Incoming;
pub(super) use refusal::{Refusal, of_engine};
use route::Route;

/// Settings of ingest; handed to the app as `web::Data<IngestConfig>`.
#[derive(Clone, Debug, Default)]
pub struct IngestConfig {
    /// Where the server is reached from outside. Twilio signs this address; without it the `Host` of each request is
    /// taken.
    pub public_url: Option<Url>,
}

/// The worker's own maker of message ids; workers share nothing, so nothing is locked.
struct WorkerIds(RefCell<IdSource>);

/// Adds the ingest routes. Runs once per worker, in the app's factory. The app needs `web::Data<Engine>`; it may have
/// `web::Data<IngestConfig>`.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.app_data(WorkerIds(RefCell::new(IdSource::new(entropy()))));
    for pattern in
        ["/v1/{tail}*", "/studio", "/studio/{tail}*", "/events", "/events/{tail}*", "/projects/{tail}*"]
    {
        cfg.service(web::resource(pattern).to(dispatch));
    }
}

/// Every ingest request.
async fn dispatch(request: HttpRequest, payload: web::Payload, engine: web::Data<Engine>) -> HttpResponse {
    let Some(route) = Route::find(request.path()) else { return reply::not_found(request.clone()).await };
    if request.method() == Method::OPTIONS {
        return cors::preflight(request.headers());
    }
    let started = Instant::now();
    let incoming = Incoming::new(&request, &engine);
    let answered = if route.takes(request.method()) {
        handle(route, &incoming, payload).await
    } else {
        Ok(wrong_method(route, &incoming))
    };
    let mut response = answered.unwrap_or_else(|refusal| refusal.answer(&engine, incoming.now));
    cors::mark(request.headers(), response.headers_mut());
    histogram!("stagepost_ingest_duration_seconds", "route" => route.name()).record(started.elapsed());
    response
}

async fn handle(
    route: Route<'_>,
    incoming: &Incoming<'_>,
    payload: web::Payload,
) -> Result<HttpResponse, Refusal> {
    match route {
        Route::Single(call_type) => segment::single(incoming, call_type, payload).await,
        Route::Batch => segment::batch(incoming, payload).await,
        Route::Metrics => segment::metrics(incoming, payload).await,
        Route::Studio { write_key } => studio::post(incoming, write_key, payload).await,
        Route::EventStreams { write_key } => event_streams::post(incoming, write_key, payload).await,
        Route::Pixel(call_type) => Ok(pixel::show(incoming, call_type).await),
        Route::Settings { write_key } => settings::show(incoming, write_key),
    }
}

fn wrong_method(route: Route<'_>, incoming: &Incoming<'_>) -> HttpResponse {
    let allow = route.allow();
    let message = format!("{} is not taken here; use {allow}", incoming.request.method());
    let refusal = Refusal::unknown(IngestError::new(Code::MethodNotAllowed, message), b"");
    let mut response = refusal.answer(incoming.engine, incoming.now);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
