//! `/healthz`, `/readyz` and `/metrics`: for whoever runs the server. They need no token and tell no data.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::api::{ApiState, Endpoint, NoParams};
use super::exposition::{Exposition, resident_bytes};
use super::problem::ApiProblem;
use crate::engine::Engine;

/// What is registered here.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/healthz").get_open(healthz),
        Endpoint::at("/readyz").get_open(readyz),
        Endpoint::at("/metrics").get_open(metrics),
    ]
}

/// Registers the calls.
pub fn configure(config: &mut web::ServiceConfig) {
    for endpoint in endpoints() {
        config.service(endpoint.service("", &[]));
    }
}

/// The process is up and answers.
async fn healthz(_: NoParams) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({ "status": "ok" }))
}

/// The store takes writes and every loop is alive; each check by its name.
async fn readyz(state: web::Data<ApiState>, _: NoParams) -> HttpResponse {
    let checks = checks(&state);
    let ready = checks.iter().all(|(_, passed)| *passed);
    let said: Map<String, Value> = checks
        .into_iter()
        .map(|(name, passed)| (name.to_owned(), if passed { "ok" } else { "failed" }.into()))
        .collect();
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": if ready { "ok" } else { "unavailable" }, "checks": said }))
}

/// What says whether the server does its work, by name.
pub(super) fn checks(state: &ApiState) -> Vec<(&'static str, bool)> {
    let health = state.engine.health();
    let (waiting, most) = state.engine.queue();
    let mut checks = vec![
        ("store", health.store_writable),
        ("writer", health.writer_alive),
        ("timers", health.sweeper_alive),
        ("queue", waiting < most),
    ];
    checks.extend(health.database_reached.map(|reached| ("database", reached)));
    checks
}

/// What was measured, and the state of things now.
async fn metrics(state: web::Data<ApiState>, _: NoParams) -> Result<HttpResponse, ApiProblem> {
    let mut now = Exposition::default();
    process(&mut now, &state).await;
    store(&mut now, &state.engine).await;
    let text = state.metrics.render() + &now.finish();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text))
}

async fn process(text: &mut Exposition, state: &ApiState) {
    text.gauge("stagepost_build_info", "Always 1; the version is its label");
    text.sample("stagepost_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let uptime = state.started.elapsed().as_secs();
    text.single("stagepost_uptime_seconds", "Time since the start", uptime);
    let (waiting, most) = state.engine.queue();
    text.single("stagepost_queue_depth", "Posts that are not answered yet", waiting);
    text.single("stagepost_queue_capacity", "Posts that may wait for their answer", most);
    // Only Linux has it; elsewhere the figure is left out.
    let status = tokio::fs::read_to_string("/proc/self/status").await.unwrap_or_default();
    if let Some(bytes) = resident_bytes(&status) {
        text.single("stagepost_resident_memory_bytes", "Resident memory of the process", bytes);
    }
}

/// What the store counts. When it can't be read the rest is still told: a scrape is how one finds out.
async fn store(text: &mut Exposition, engine: &Engine) {
    let health = engine.health();
    text.single(
        "stagepost_store_writable",
        "1 while the store takes writes",
        u8::from(health.store_writable),
    );
    if let Some(reached) = health.database_reached {
        text.single(
            "stagepost_database_reached",
            "1 while the database answers this node",
            u8::from(reached),
        );
        if let Some(node) = engine.leases().node() {
            text.gauge("stagepost_node_info", "Always 1; what this node is called in leases is its label");
            text.sample("stagepost_node_info", &[("node", node)], 1);
        }
        text.gauge("stagepost_lease_held", "1 for each thing that only one node does and this one does now");
        for lease in engine.leases().held() {
            text.sample("stagepost_lease_held", &[("lease", lease.as_str())], 1);
        }
    }
    match engine.store_stats().await {
        Ok(stats) => text.single("stagepost_store_bytes", "Bytes of the store on disk", stats.disk_bytes),
        Err(error) => tracing::warn!(%error, "no figures on the store"),
    }
    match engine.counts().await {
        Ok(counts) => {
            text.counts(&counts, &engine.definitions());
            text.healths(&engine.healths(), &engine.definitions());
        }
        Err(error) => tracing::warn!(%error, "no counts"),
    }
    match engine.delivery_lags().await {
        Ok(lags) => text.lags(&lags, &engine.definitions()),
        Err(error) => tracing::warn!(%error, "no figures on queues"),
    }
}
