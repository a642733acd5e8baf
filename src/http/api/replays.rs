//! `/api/replays`: putting many deliveries back into the queue, as work that goes on by itself and says how far it is.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::body::Body;
use super::deliveries::{FILTER, filter};
use super::endpoint::Endpoint;
use super::params::{NoParams, Params, invalid};
use super::state::ApiState;
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus};
use crate::domain::ids::ReplayId;
use crate::domain::people::Scope;
use crate::domain::replay::{Replay, ReplayStatus};
use crate::engine::{Engine, EngineError};
use crate::http::caller::Caller;
use crate::http::problem::ApiProblem;

/// How long the answer to a beginning waits for the end: small replays are over by then.
const WAIT: Duration = Duration::from_secs(2);

/// What can be put back: what is pending is on its way already.
const REPLAYABLE: [DeliveryStatus; 5] = [
    DeliveryStatus::Delivered,
    DeliveryStatus::Failed,
    DeliveryStatus::Dead,
    DeliveryStatus::Ambiguous,
    DeliveryStatus::Superseded,
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/replays").get(list).post(Scope::Operate, begin),
        Endpoint::at("/api/replays/{id}").get(one),
        Endpoint::at("/api/replays/{id}/cancel").post(Scope::Operate, cancel),
    ]
}

async fn list(state: web::Data<ApiState>, _: NoParams) -> Answer {
    let replays: Vec<Value> = state.engine.replays().values().rev().map(shown).collect();
    Ok(HttpResponse::Ok().json(json!({ "replays": replays })))
}

async fn one(state: web::Data<ApiState>, id: web::Path<String>, _: NoParams) -> Answer {
    let replays = state.engine.replays();
    let replay = replays.get(&parse_id(&id)?).ok_or_else(|| ApiProblem::not_found("replay", &id))?;
    Ok(HttpResponse::Ok().json(shown(replay)))
}

async fn begin(state: web::Data<ApiState>, caller: Caller, request: HttpRequest, body: Body) -> Answer {
    body.none()?;
    let params = Params::read(&request, &FILTER)?;
    // Everything there is has to be meant: naming a destination or a time says so.
    if FILTER.iter().filter(|name| **name != "status").all(|name| params.text(name).is_none()) {
        return Err(invalid("destination", "is missing: say which deliveries, by this or another parameter"));
    }
    let wanted = wanted(&request, &FILTER)?;
    run(&state.engine.acting(caller.by()), wanted).await
}

async fn cancel(state: web::Data<ApiState>, caller: Caller, id: web::Path<String>, _: NoParams) -> Answer {
    let replay = state.engine.acting(caller.by()).cancel_replay(parse_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(shown(&replay)))
}

/// Which deliveries a request wants put back; dead letters unless it says otherwise.
pub(super) fn wanted(request: &HttpRequest, known: &[&str]) -> Result<DeliveryFilter, ApiProblem> {
    let wanted = filter(&Params::read(request, known)?, &REPLAYABLE)?;
    Ok(DeliveryFilter { status: wanted.status.or(Some(DeliveryStatus::Dead)), ..wanted })
}

/// Begins a replay and answers how far it has come after a moment.
pub(super) async fn run(engine: &Engine, wanted: DeliveryFilter) -> Answer {
    let mut replays = engine.watch_replays();
    let begun = engine.replay(wanted).await?;
    let is_over = |replay: &Replay| replay.status != ReplayStatus::Running;
    let over = replays.wait_for(|replays| replays.get(&begun.id).is_none_or(is_over));
    // However it ends, the record says how far it is.
    let _ = tokio::time::timeout(WAIT, over).await;
    let replay = engine.replays().get(&begun.id).cloned().unwrap_or(begun);
    let place = ("Location", format!("/api/replays/{}", replay.id));
    Ok(HttpResponse::Accepted().insert_header(place).json(shown(&replay)))
}

fn parse_id(id: &str) -> Result<ReplayId, ApiProblem> {
    id.parse().map_err(|_| EngineError::NotFound { what: "replay", key: id.to_owned() }.into())
}

/// A replay as the API shows it.
pub(in crate::http) fn shown(replay: &Replay) -> Value {
    let filter = &replay.filter;
    json!({
        "id": replay.id,
        "status": replay.status.as_str(),
        "filter": {
            "destination": filter.destination,
            "status": filter.status.map(DeliveryStatus::as_str),
            "userId": filter.user.as_ref().and_then(|user| user.user_id()),
            "since": filter.since,
            "until": filter.until,
            "httpStatus": filter.http_status,
            "q": filter.text,
        },
        "total": replay.total,
        "lookedAt": replay.looked_at,
        "replayed": replay.replayed,
        "superseded": replay.superseded,
        "failed": replay.failed,
        "createdAt": replay.created_at,
        "updatedAt": replay.updated_at,
    })
}
