//! Segment's single calls and batches.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Payload};
use serde_json::{Map, Value, json};

use super::body::{self, Cap};
use super::incoming::{Body, Incoming};
use super::refusal::{Refusal, describe};
use crate::domain::definition::{Source, SourceKind};
use crate::domain::event::Event;
use crate::domain::ingest::batch::{Batch, Outcome, RejectedItem};
use crate::domain::ingest::segment::{CallType, event, take_write_key};
use crate::domain::ingest::{IngestError, json};
use crate::http::reply;

/// `POST /v1/track` and the like.
pub(super) async fn single(
    incoming: &Incoming<'_>,
    call_type: CallType,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let body = read_body(incoming, payload, Cap::EVENT).await?;
    let (source, event) = read_single(incoming, call_type, &body)?;
    incoming.ingest(&source, vec![event], Body::whole(&body)).await?;
    Ok(success())
}

fn read_single(
    incoming: &Incoming<'_>,
    call_type: CallType,
    body: &[u8],
) -> Result<(Arc<Source>, Event), Refusal> {
    let unknown = |error| Refusal::unknown(error, body);
    let known = header_source(incoming).map_err(unknown)?;
    let name = known.as_ref().map(|source| source.key.clone());
    let object = json::text(body).and_then(json::object);
    let mut object = object.map_err(|error| Refusal { source: name, ..unknown(error) })?;
    // Always taken out: the key is never passed on.
    let write_key = take_write_key(&mut object);
    let source = match known {
        Some(source) => source,
        None => incoming.source(write_key.as_deref(), SourceKind::Http).map_err(unknown)?,
    };
    let event = incoming.arrival(&source, |arrival| event(object, call_type, arrival));
    let event = event.map_err(|error| Refusal::of(error, &source.key, body))?;
    Ok((source, event))
}

/// `POST /v1/batch` and its other names. Bad items are named in the answer and lose none of the good ones; the status is
/// 200 even when all are bad, because SDKs would otherwise give up on, or repeat, the whole batch.
pub(super) async fn batch(incoming: &Incoming<'_>, payload: Payload) -> Result<HttpResponse, Refusal> {
    let body = read_body(incoming, payload, Cap::BATCH).await?;
    let batch = read_batch(incoming, &body)?;
    if !batch.events.is_empty() {
        let posted = Body { whole: &body, items: &batch.items };
        incoming.ingest(&batch.source, batch.events, posted).await?;
    }
    for refusal in batch.refusals {
        refusal.note(incoming.engine, incoming.now);
    }
    Ok(if batch.rejected.is_empty() { success() } else { partly(&batch.rejected) })
}

struct ReadBatch<'b> {
    source: Arc<Source>,
    /// The good ones, and how each of them was posted.
    events: Vec<Event>,
    items: Vec<&'b str>,
    rejected: Vec<RejectedItem>,
    refusals: Vec<Refusal>,
}

fn read_batch<'b>(incoming: &Incoming<'_>, body: &'b [u8]) -> Result<ReadBatch<'b>, Refusal> {
    let unknown = |error| Refusal::unknown(error, body);
    let known = header_source(incoming).map_err(unknown)?;
    let name = known.as_ref().map(|source| source.key.clone());
    let text = json::text(body).map_err(|error| Refusal { source: name.clone(), ..unknown(error) })?;
    let batch = Batch::parse(text).map_err(|error| Refusal { source: name, ..unknown(error) })?;
    let source = match known {
        Some(source) => source,
        None => incoming.source(batch.write_key().as_deref(), SourceKind::Http).map_err(unknown)?,
    };
    let outcome = incoming.arrival(&source, |arrival| batch.read(arrival));
    let refusal = |item: &RejectedItem| {
        Refusal::of(item.error.clone(), &source.key, batch.item_text(item.index).as_bytes())
    };
    let refusals = outcome.rejected.iter().map(refusal).collect();
    let Outcome { events, rejected } = outcome;
    // Both in the order of the batch.
    let mut bad = rejected.iter().map(|item| item.index).peekable();
    let good = (0..batch.len()).filter(|index| bad.next_if_eq(index).is_none());
    let items = good.map(|index| batch.item_text(index)).collect();
    Ok(ReadBatch { source, events, items, rejected, refusals })
}

/// `POST /v1/m`: the browser library's counts of its own doings. They carry no write key and are not kept.
pub(super) async fn metrics(incoming: &Incoming<'_>, payload: Payload) -> Result<HttpResponse, Refusal> {
    let body = read_body(incoming, payload, Cap::BATCH).await?;
    json::text(&body).and_then(json::object).map_err(|error| Refusal::unknown(error, &body))?;
    Ok(success())
}

async fn read_body(incoming: &Incoming<'_>, payload: Payload, cap: Cap) -> Result<Bytes, Refusal> {
    let body = body::read(incoming.request, payload, cap).await;
    body.map_err(|error| Refusal::unknown(error, b""))
}

/// The source that a Basic authorization names; it goes before any key in the body.
fn header_source(incoming: &Incoming<'_>) -> Result<Option<Arc<Source>>, IngestError> {
    let basic = incoming.basic()?;
    let key = basic.as_ref().and_then(|basic| basic.write_key());
    key.map(|key| incoming.source(Some(key), SourceKind::Http)).transpose()
}

fn success() -> HttpResponse {
    reply::json(StatusCode::OK, Bytes::from_static(br#"{"success":true}"#))
}

fn partly(rejected: &[RejectedItem]) -> HttpResponse {
    let item = |rejected: &RejectedItem| {
        let mut item = Map::new();
        item.insert("index".to_owned(), rejected.index.into());
        describe(&rejected.error, &mut item);
        Value::Object(item)
    };
    let rejected: Vec<Value> = rejected.iter().map(item).collect();
    reply::json(StatusCode::OK, json!({"success": true, "rejected": rejected}).to_string())
}
