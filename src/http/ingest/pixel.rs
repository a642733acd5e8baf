//! The tracking pixel: whatever happens, the reader of the mail sees an image of one transparent dot.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;

use super::incoming::{Body, Incoming};
use super::refusal::Refusal;
use crate::domain::definition::SourceKind;
use crate::domain::ingest::pixel::call;
use crate::domain::ingest::segment::{CallType, event, take_write_key};

/// A transparent GIF of 1 × 1.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;";

/// `GET /v1/pixel/{type}`.
pub(super) async fn show(incoming: &Incoming<'_>, call_type: CallType) -> HttpResponse {
    if let Err(refusal) = take(incoming, call_type).await {
        refusal.note(incoming.engine, incoming.now);
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("image/gif")));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.body(Bytes::from_static(GIF))
}

async fn take(incoming: &Incoming<'_>, call_type: CallType) -> Result<(), Refusal> {
    let query = incoming.request.uri().query().unwrap_or_default();
    let unknown = |error| Refusal::unknown(error, query.as_bytes());
    let mut object = call(query).map_err(unknown)?;
    let key = take_write_key(&mut object);
    let source = incoming.source(key.as_deref(), SourceKind::Http).map_err(unknown)?;
    let event = incoming.arrival(&source, |arrival| event(object, call_type, arrival));
    let event = event.map_err(|error| Refusal::of(error, &source.key, query.as_bytes()))?;
    incoming.ingest(&source, vec![event], Body::whole(query.as_bytes())).await?;
    Ok(())
}
