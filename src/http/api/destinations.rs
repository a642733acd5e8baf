//! What can be done with a destination beside defining it: pausing and resuming it, replaying its dead letters.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::body::Body;
use super::deliveries::FILTER;
use super::endpoint::Endpoint;
use super::params::NoParams;
use super::replays;
use super::state::ApiState;
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus, EMAIL};
use crate::domain::health::{Health, PausedBy};
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::engine::{Counts, Engine};
use crate::http::caller::Caller;
use crate::http::problem::ApiProblem;

/// Who pauses where nobody is named.
const BY_DEFAULT: &str = "api";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/destinations/{key}/pause").post(Scope::Operate, pause),
        Endpoint::at("/api/destinations/{key}/resume").post(Scope::Operate, resume),
        Endpoint::at("/api/destinations/{key}/replay").post(Scope::Operate, replay),
    ]
}

async fn pause(
    state: web::Data<ApiState>,
    caller: Caller,
    key: web::Path<String>,
    _: NoParams,
    body: Body,
) -> Answer {
    let words = body.optional_object(&["by", "reason"])?;
    let by = caller.noted(words.text("by", limits::MAX_BY)?, BY_DEFAULT);
    let reason = words.text("reason", limits::MAX_REASON)?.unwrap_or_default();
    let health = state.engine.acting(caller.by()).pause(&key, &by, reason).await?;
    Ok(HttpResponse::Ok().json(shown(Some(&health))))
}

async fn resume(state: web::Data<ApiState>, caller: Caller, key: web::Path<String>, _: NoParams) -> Answer {
    let health = state.engine.acting(caller.by()).resume(&key).await?;
    Ok(HttpResponse::Ok().json(shown(Some(&health))))
}

async fn replay(
    state: web::Data<ApiState>,
    caller: Caller,
    key: web::Path<String>,
    request: HttpRequest,
    body: Body,
) -> Answer {
    body.none()?;
    let others: Vec<&str> = FILTER.into_iter().filter(|name| *name != "destination").collect();
    let wanted = replays::wanted(&request, &others)?;
    known(&state.engine, &key)?;
    replays::run(
        &state.engine.acting(caller.by()),
        DeliveryFilter { destination: Some(key.into_inner()), ..wanted },
    )
    .await
}

/// Makes sure that there is such a destination. Mails have a queue of their own without being defined.
pub(in crate::http) fn known(engine: &Engine, key: &str) -> Result<(), ApiProblem> {
    if key == EMAIL || engine.definitions().destinations.contains_key(key) {
        Ok(())
    } else {
        Err(ApiProblem::not_found("destination", key))
    }
}

/// How a destination fares; `None` for one that always fared well.
pub(in crate::http) fn shown(health: Option<&Health>) -> Value {
    let pause = health.and_then(|health| health.pause.as_ref());
    let (by, reason) = match pause.map(|pause| &pause.by) {
        Some(PausedBy::Person { by, reason }) => (Some(by.as_str()), Some(reason.as_str())),
        Some(PausedBy::Failures) => (Some("failures"), None),
        None => (None, None),
    };
    json!({
        "state": health.map_or("healthy", Health::state),
        "failingSince": health.and_then(|health| health.failing_since),
        "lastError": health.and_then(|health| health.last_error.as_deref()),
        "recoveredAt": health.and_then(|health| health.recovered_at),
        "resumedAt": health.and_then(|health| health.resumed_at),
        "pausedAt": pause.map(|pause| pause.at),
        "pausedBy": by,
        "pauseReason": reason,
        "probeAt": pause.and_then(|pause| pause.probe_at),
    })
}

/// How many deliveries of a destination have which status.
pub(in crate::http) fn queue(counts: &Counts, key: &str) -> Value {
    let count = |status: DeliveryStatus| {
        let count = counts.deliveries.get(&(key.to_owned(), status.as_str()));
        (status.as_str().to_owned(), Value::from(count.copied().unwrap_or_default()))
    };
    Value::Object(DeliveryStatus::ALL.into_iter().map(count).collect())
}
