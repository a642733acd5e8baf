//! What Twilio tells us of what it was asked for: the key that somebody pressed in a call, and how a call or message stands.
//!
//! Both addresses are links of [`crate::domain::link`]; where the account's auth token is known, Twilio's signature has to fit, too.

mod callback;
mod key;
mod status;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use self::callback::Callback;
use super::api::ApiState;
use super::ingest::Incoming;
use crate::engine::Engine;

/// Adds the routes. The app needs `web::Data<Engine>` and `web::Data<ApiState>`.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/twilio/{token}/key").route(web::post().to(key)));
    cfg.service(web::resource("/twilio/{token}/status").route(web::post().to(status)));
}

async fn key(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    engine: web::Data<Engine>,
    state: web::Data<ApiState>,
) -> HttpResponse {
    let incoming = Incoming::new(&request, &engine);
    let answer = async {
        let callback = Callback::read(&incoming, &state, &token, payload).await?;
        key::pressed(&incoming, &state, &callback).await
    };
    match answer.await {
        Ok(said) => twiml(said),
        Err(refusal) => match key::said_of(&refusal, &incoming, &state) {
            // Somebody listens who must not take silence for an acknowledgement.
            Some(said) => {
                refusal.note(&engine, incoming.now);
                twiml(said)
            }
            None => refusal.answer(&engine, incoming.now),
        },
    }
}

async fn status(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    engine: web::Data<Engine>,
    state: web::Data<ApiState>,
) -> HttpResponse {
    let incoming = Incoming::new(&request, &engine);
    let answer = async {
        let callback = Callback::read(&incoming, &state, &token, payload).await?;
        status::told(&incoming, &callback).await
    };
    match answer.await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(refusal) => refusal.answer(&engine, incoming.now),
    }
}

fn twiml(text: String) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::OK);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8")));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.body(text)
}
