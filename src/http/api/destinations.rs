//! What can be done with a destination beside defining it: replaying its dead letters.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::Answer;
use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use crate::domain::delivery::{DeliveryStatus, EMAIL};
use crate::engine::{Engine, ReplaySelection};
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/destinations/{key}/replay").post(replay)]
}

async fn replay(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["status", "since"])?;
    // What is pending is on its way already.
    let names: Vec<_> = DeliveryStatus::ALL
        .into_iter()
        .filter(|status| *status != DeliveryStatus::Pending)
        .map(DeliveryStatus::as_str)
        .collect();
    let read =
        |name: &str| DeliveryStatus::from_name(name).filter(|status| *status != DeliveryStatus::Pending);
    let status = params.choice("status", &names, read)?.unwrap_or(DeliveryStatus::Dead);
    let since = params.time("since")?;
    known(&state.engine, &key)?;
    let selection = ReplaySelection::Of { destination: key.into_inner(), status, since };
    let replayed = state.engine.replay(selection).await?;
    Ok(HttpResponse::Accepted().json(json!({ "replayed": replayed })))
}

/// Mails have a queue of their own without being defined.
fn known(engine: &Engine, key: &str) -> Result<(), ApiProblem> {
    if key == EMAIL || engine.definitions().destinations.contains_key(key) {
        Ok(())
    } else {
        Err(ApiProblem::not_found("destination", key))
    }
}
