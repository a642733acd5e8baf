//! `GET /api/flows/{name}/funnel`: how far the journeys of a flow come.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use crate::domain::funnel::{Funnel, FunnelBuilder, FunnelStage};
use crate::domain::journey::JourneyFilter;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::engine::{Engine, EngineError};
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/flows/{name}/funnel").get(funnel)]
}

async fn funnel(state: web::Data<ApiState>, name: web::Path<String>, request: HttpRequest) -> Answer {
    let name = name.into_inner();
    let (from, to) = Params::read(&request, &["from", "to"])?.range()?;
    let engine = &state.engine;
    let flow = engine.definitions().flows.get(&name).cloned();
    if flow.is_none() && !engine.unknown_flows().await?.contains(&name) {
        return Err(ApiProblem::not_found("flow", &name));
    }
    let filter = JourneyFilter { flow: Some(name), from, to, ..JourneyFilter::default() };
    let (builder, truncated) = add_up(engine, &filter).await?;
    let found = match &flow {
        Some(flow) => builder.finish(flow.initial.as_deref(), &flow.terminal),
        None => builder.finish(None, &[]),
    };
    Ok(HttpResponse::Ok().json(render(&filter, &found, truncated || found.stages_left_out)))
}

/// Adds up the newest journeys, so many that memory and time stay bounded; says whether there were more.
async fn add_up(engine: &Engine, filter: &JourneyFilter) -> Result<(FunnelBuilder, bool), EngineError> {
    let mut builder = FunnelBuilder::default();
    let mut seen = 0;
    let mut cursor = None;
    loop {
        let page = engine.journeys(filter, &PageRequest { limit: limits::MAX_PAGE, cursor }).await?;
        page.rows.iter().for_each(|journey| builder.add(journey));
        seen += page.rows.len();
        cursor = page.cursor;
        if cursor.is_none() || seen >= limits::MAX_FUNNEL_JOURNEYS {
            return Ok((builder, cursor.is_some()));
        }
        // Pages may come without waiting; others on this worker have their turn in between.
        tokio::task::yield_now().await;
    }
}

fn render(filter: &JourneyFilter, funnel: &Funnel, truncated: bool) -> Value {
    json!({
        "flow": filter.flow,
        "from": filter.from,
        "to": filter.to,
        "journeys": funnel.journeys,
        "stages": funnel.stages.iter().map(render_stage).collect::<Vec<_>>(),
        "truncated": truncated,
    })
}

fn render_stage(stage: &FunnelStage) -> Value {
    json!({
        "stage": stage.stage,
        "journeys": stage.journeys,
        "share": stage.share,
        "medianSecondsFromPrevious": stage.median_seconds_from_previous,
    })
}
