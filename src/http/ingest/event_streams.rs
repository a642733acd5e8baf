//! Batches of Twilio's Event Streams.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use serde_json::{Map, Value, json};

use super::body::{self, Cap};
use super::incoming::{Body, Incoming};
use super::refusal::{self, Refusal, describe, of_engine};
use super::signature;
use crate::domain::definition::SourceKind;
use crate::domain::ingest::IngestError;
use crate::domain::ingest::batch::RejectedItem;
use crate::domain::ingest::event_streams::Batch;
use crate::domain::ingest::studio::BodyKind;
use crate::http::reply;

/// How many items that can't be read the debugger shows of one batch.
const SHOWN: usize = 5;

/// `POST /events/{write_key}`, or `/events` with the write key as the user of a Basic authorization.
///
/// What can't be read of a batch is named in the answer and shown in the debugger, and loses none of the rest; the status is
/// 200 all the same, because Twilio would repeat the whole batch for hours.
pub(super) async fn post(
    incoming: &Incoming<'_>,
    path_key: Option<&str>,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let body = body::read(incoming.request, payload, Cap::BATCH).await;
    let body = body.map_err(|error| Refusal::unknown(error, b""))?;
    let source = match incoming.source_at(path_key, SourceKind::EventStreams) {
        Ok(source) => source,
        Err(error) => return Ok(Refusal::unknown(error, &body).ask_for_key(incoming.engine, incoming.now)),
    };
    let refused = |error| Refusal::of(error, &source.key, &body);
    // Never a form, whatever its type says: the hash of the body has to be in the URL.
    signature::check(incoming, &source.twilio_auth_tokens, BodyKind::Json, &body).map_err(refused)?;
    let batch = Batch::read(&body, incoming.now).map_err(refused)?;
    let flows = flows(incoming, &batch).await.map_err(refused)?;
    let definitions = incoming.engine.definitions();
    let events = batch.events(&definitions, &flows, &source.key, incoming.now);
    if !events.is_empty() {
        incoming.ingest(&source, events, Body::whole(&body)).await?;
    }
    note(&batch.rejected, |error| refused(error).note(incoming.engine, incoming.now));
    Ok(answer(&batch.rejected))
}

/// Shows the first few refusals, and of the rest how many they are: one post must not push all others out of the debugger.
fn note(rejected: &[RejectedItem], show: impl Fn(IngestError)) {
    let (first, rest) = rejected.split_at(rejected.len().min(SHOWN));
    first.iter().for_each(|item| show(item.error.clone()));
    if let Some((next, others)) = rest.split_first() {
        others.iter().for_each(|item| refusal::count(&item.error));
        let message = format!("{} more of this batch can't be read: the answer names each", rest.len());
        show(IngestError::new(next.error.code, message));
    }
}

/// The flows of those executions of which the batch does not say them, but that are known.
async fn flows(incoming: &Incoming<'_>, batch: &Batch) -> Result<HashMap<String, String>, IngestError> {
    let mut flows = HashMap::new();
    for sid in batch.without_flow() {
        let run = incoming.engine.run(sid).await.map_err(of_engine)?;
        flows.extend(run.map(|journey| (sid.to_owned(), journey.flow)));
    }
    Ok(flows)
}

fn answer(rejected: &[RejectedItem]) -> HttpResponse {
    let mut body = Map::new();
    body.insert("success".to_owned(), true.into());
    if !rejected.is_empty() {
        let item = |rejected: &RejectedItem| {
            let mut item = Map::new();
            item.insert("index".to_owned(), rejected.index.into());
            describe(&rejected.error, &mut item);
            Value::Object(item)
        };
        body.insert("rejected".to_owned(), json!(rejected.iter().map(item).collect::<Vec<_>>()));
    }
    reply::json(StatusCode::OK, Value::Object(body).to_string())
}
