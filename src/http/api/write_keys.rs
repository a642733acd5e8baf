//! `POST /api/sources/{key}/rotate` and `DELETE /api/sources/{key}/previous-write-key`: going over to another write key.

use std::sync::Arc;

use actix_web::{HttpResponse, web};

use super::Answer;
use super::endpoint::Endpoint;
use super::params::NoParams;
use super::state::ApiState;
use crate::clock;
use crate::domain::definition::{Definition, Source, render};
use crate::domain::ids::IdSource;
use crate::domain::people::Scope;
use crate::engine::{ApplyOptions, Engine};
use crate::http::caller::Caller;
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/sources/{key}/rotate").post(Scope::Define, rotate),
        Endpoint::at("/api/sources/{key}/previous-write-key").delete(Scope::Define, end_previous),
    ]
}

async fn rotate(state: web::Data<ApiState>, caller: Caller, key: web::Path<String>, _: NoParams) -> Answer {
    let source = rotated(&state.engine.acting(caller.by()), &key).await?;
    Ok(HttpResponse::Ok().json(render::source(&source, true)))
}

async fn end_previous(
    state: web::Data<ApiState>,
    caller: Caller,
    key: web::Path<String>,
    _: NoParams,
) -> Answer {
    previous_ended(&state.engine.acting(caller.by()), &key).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a source another write key; the one that it had may be used for a while.
///
/// # Errors
/// There is no such source, or the key before this one may still be used: senders that have it would be cut off.
pub(in crate::http) async fn rotated(engine: &Engine, key: &str) -> Result<Arc<Source>, ApiProblem> {
    let write_key = IdSource::new(clock::entropy()).write_key();
    Ok(engine.rotate_write_key(key, write_key).await?)
}

/// Ends the previous write key of a source now, where there is one.
///
/// # Errors
/// There is no such source.
pub(in crate::http) async fn previous_ended(engine: &Engine, key: &str) -> Result<(), ApiProblem> {
    let source = known(engine, key)?;
    define(engine, source.without_previous(engine.clock().now())).await
}

fn known(engine: &Engine, key: &str) -> Result<Arc<Source>, ApiProblem> {
    let definitions = engine.definitions();
    definitions.sources.get(key).map(Arc::clone).ok_or_else(|| ApiProblem::not_found("source", key))
}

async fn define(engine: &Engine, source: Source) -> Result<(), ApiProblem> {
    engine.apply(vec![Definition::Source(source)], ApplyOptions::default()).await?;
    Ok(())
}
