//! Stage posts of Twilio Studio.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Payload};
use serde_json::{Map, Value};

use super::body::{self, Cap};
use super::incoming::{Body, Incoming};
use super::refusal::Refusal;
use super::signature;
use crate::domain::definition::SourceKind;
use crate::domain::ingest::studio::{BodyKind, Post, event};
use crate::engine::Accepted;
use crate::http::reply;

/// `GET` or `POST /studio/{write_key}`, or `/studio` with the write key as the user of a Basic authorization.
pub(super) async fn post(
    incoming: &Incoming<'_>,
    path_key: Option<&str>,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let body = read_body(incoming, payload).await?;
    let query = incoming.request.uri().query().unwrap_or_default();
    let shown = if body.is_empty() { query.as_bytes() } else { &body };
    let source = match incoming.source_at(path_key, SourceKind::Studio) {
        Ok(source) => source,
        Err(error) => return Ok(Refusal::unknown(error, shown).ask_for_key(incoming.engine, incoming.now)),
    };
    let refused = |error| Refusal::of(error, &source.key, shown);
    let content_type = incoming.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = BodyKind::of(content_type, &body).map_err(refused)?;
    // On the bytes as they came, before anything in them is believed.
    signature::check(incoming, &source.twilio_auth_tokens, kind, &body).map_err(refused)?;
    let token = incoming.request.headers().get("i-twilio-idempotency-token");
    let idempotency_token = token.and_then(|token| token.to_str().ok());
    let post = Post { query, body: &body, kind, idempotency_token };
    let event = incoming.arrival(&source, |arrival| event(&post, arrival)).map_err(refused)?;
    let accepted = incoming.ingest(&source, vec![event], Body::whole(shown)).await?;
    Ok(answer(accepted.first()))
}

/// A GET has no body: what came as one was not signed, and is not looked at.
async fn read_body(incoming: &Incoming<'_>, payload: Payload) -> Result<Bytes, Refusal> {
    let body = body::read(incoming.request, payload, Cap::EVENT).await;
    let body = body.map_err(|error| Refusal::unknown(error, b""))?;
    Ok(if incoming.request.method() == Method::GET { Bytes::new() } else { body })
}

fn answer(accepted: Option<&Accepted>) -> HttpResponse {
    let mut body = Map::new();
    body.insert("success".to_owned(), true.into());
    if let Some(accepted) = accepted {
        body.insert("messageId".to_owned(), accepted.message_id.as_str().into());
        if let Some(journey) = accepted.journey {
            body.insert("journeyId".to_owned(), journey.to_string().into());
        }
    }
    reply::json(StatusCode::OK, Value::Object(body).to_string())
}
