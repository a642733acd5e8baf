//! Where calls go: how each destination fares, what waits and what was not sent; pausing, replaying and testing.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web;
use serde_json::{Value, json};

use super::chart::{self, Axis, Series};
use super::form::Form;
use super::page::{Answer, Refusal, in_words};
use super::texts::text;
use super::visit::Visit;
use super::{back, render, see};
use crate::domain::definition::render as shown;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus, EMAIL};
use crate::domain::figures::{Family, FigurePoint};
use crate::domain::health::Health;
use crate::domain::ids::ReplayId;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::Scope;
use crate::domain::time::Timestamp;
use crate::engine::{Counts, EngineError};
use crate::http::api::{destinations as api, replays, test_send};

/// What can come of an attempt, in the order of a chart.
pub(super) const OUTCOMES: [&str; 5] = ["delivered", "retry", "failed", "dead", "ambiguous"];
/// Rows of a page.
const ROWS: usize = 50;
/// How many of those that were not sent are looked at for the reasons why.
const LOOKED_AT: usize = 500;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/destinations").route(web::get().to(list)))
        .service(web::resource("/destinations/{key}").route(web::get().to(one)))
        .service(web::resource("/destinations/{key}/pause").route(web::post().to(pause)))
        .service(web::resource("/destinations/{key}/resume").route(web::post().to(resume)))
        .service(web::resource("/destinations/{key}/replay").route(web::post().to(replay)))
        .service(
            web::resource("/destinations/{key}/test")
                .route(web::get().to(back::to_page))
                .route(web::post().to(test)),
        )
        .service(web::resource("/replays/{id}/cancel").route(web::post().to(cancel)));
}

async fn list(visit: Visit) -> Answer {
    let context = listed(&visit).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("destinations.html", context))
}

async fn listed(visit: &Visit) -> Result<Value, EngineError> {
    let engine = visit.engine();
    let definitions = engine.definitions();
    let all: BTreeSet<&str> = definitions.destinations.keys().map(String::as_str).chain([EMAIL]).collect();
    let (keys, next) = visit.rows(all.into_iter().map(|key| (key, ())), ROWS);
    let keys: Vec<&str> = keys.into_iter().map(|(key, ())| key).collect();
    let (counts, lags) = (engine.counts().await?, engine.delivery_lags_of(&keys).await?);
    let hour = Axis::last_day(visit.now);
    let wanted: Vec<_> = keys.iter().map(|key| (Family::Attempted, *key)).collect();
    let attempted = engine.figures_of(&wanted, hour.grain(), hour.from(), hour.to()).await?;
    let mut rows = Vec::new();
    for (key, points) in keys.into_iter().zip(attempted) {
        let delivered = hour.counts(points.iter().filter(|point| point.detail == "delivered"));
        let sum: u64 = delivered.iter().sum();
        let destination = definitions.destinations.get(key);
        rows.push(json!({
            "key": key,
            "kind": destination.map_or(EMAIL, |destination| destination.kind.as_str()),
            "enabled": destination.is_none_or(|destination| destination.enabled),
            "health": health(visit, key),
            "queue": api::queue(&counts, key),
            "rate": rate(&hour, &points, visit.now),
            "lag": lags.get(key).map(|lag| render::lasting_span(*lag)),
            "delivered": sum,
            "spark": chart::spark(format!("{}: {sum}", text("destinations.delivered_day")), &delivered),
        }));
    }
    Ok(json!({ "rows": rows, "next": next }))
}

/// How a destination fares. That somebody resumed it does not say yet that it takes anything.
pub(super) fn health(visit: &Visit, key: &str) -> Value {
    let healths = visit.engine().healths();
    let health = healths.get(key);
    let mut shown = api::shown(health);
    if health.is_some_and(Health::is_unproven) {
        shown["state"] = "untried".into();
    }
    shown
}

/// How many attempts a minute there were since the beginning of the hour before this one.
#[allow(clippy::cast_precision_loss, reason = "what is shown needs no more than 53 bits")]
fn rate(hours: &Axis, points: &[FigurePoint], now: Timestamp) -> Value {
    let counts = hours.counts(points);
    let [.., before, _] = hours.starts() else { return Value::Null };
    let attempts: u64 = counts.iter().rev().take(2).sum();
    let minutes = now.millis_since(*before) as f64 / 60_000.0;
    json!({ "per_minute": attempts as f64 / minutes, "since": before })
}

async fn one(visit: Visit, key: web::Path<String>) -> Answer {
    page(&visit, &key, None).await
}

/// The page of a destination, with what came of a test that was made just now.
async fn page(visit: &Visit, key: &str, tested: Option<Value>) -> Answer {
    known(visit, key)?;
    let context = context(visit, key, tested).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("destination.html", context))
}

async fn context(visit: &Visit, key: &str, tested: Option<Value>) -> Result<Value, EngineError> {
    let engine = visit.engine();
    let (definitions, counts) = (engine.definitions(), engine.counts().await?);
    let destination = definitions.destinations.get(key);
    let day = Axis::last_day(visit.now);
    let points = engine.figures(Family::Attempted, key, day.grain(), day.from(), day.to()).await?;
    let series = OUTCOMES.map(|outcome| {
        Series::of_status(outcome, day.counts(points.iter().filter(|point| point.detail == outcome)))
    });
    let replays = engine.replays();
    let replays = replays.values().rev().filter(|replay| replay.filter.destination.as_deref() == Some(key));
    Ok(json!({
        "key": key,
        "definition": destination.map(|destination| shown::destination(destination)),
        "health": health(visit, key),
        "rate": rate(&day, &points, visit.now),
        "queue": api::queue(&counts, key),
        "lag": engine.delivery_lags_of(&[key]).await?.get(key).map(|lag| render::lasting_span(*lag)),
        "chart": chart::columns(&text("destinations.attempts"), &text("overview.per_hour"), &day, &series),
        "reasons": reasons(visit, key, &counts).await?,
        "looked_at": LOOKED_AT,
        "replays": replays.take(5).map(replays::shown).collect::<Vec<_>>(),
        "running": engine.replays().values().any(|replay| replay.filter.destination.as_deref() == Some(key) && replay.status.as_str() == "running"),
        "can_test": destination.is_some(),
        "is_defined": destination.is_some(),
        "tested": tested,
    }))
}

/// Why the newest of those that were not sent were not, the most frequent first.
async fn reasons(visit: &Visit, key: &str, counts: &Counts) -> Result<Vec<Value>, EngineError> {
    let mut reasons: BTreeMap<(Why, &'static str), u64> = BTreeMap::new();
    let is_there = |status: &DeliveryStatus| {
        counts.deliveries.get(&(key.to_owned(), status.as_str())).is_some_and(|count| *count > 0)
    };
    for status in [DeliveryStatus::Dead, DeliveryStatus::Failed].into_iter().filter(is_there) {
        let filter = DeliveryFilter {
            destination: Some(key.to_owned()),
            status: Some(status),
            ..DeliveryFilter::default()
        };
        let page = PageRequest { limit: LOOKED_AT.min(limits::MAX_PAGE), cursor: None };
        for delivery in visit.engine().deliveries(&filter, &page).await?.rows {
            *reasons.entry((Why::of(&delivery), status.as_str())).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let row = |((why, status), count): ((Why, &str), u64)| {
        let (http_status, text) = why.filter();
        json!({ "why": why.in_words(), "httpStatus": http_status, "q": text, "status": status, "count": count })
    };
    Ok(reasons.into_iter().map(row).take(20).collect())
}

/// Why something was not sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// It was answered with this status.
    Answer(u16),
    /// Whatever is on record of it.
    Error(String),
    /// Nothing is.
    Unknown,
}

impl Why {
    fn of(delivery: &Delivery) -> Self {
        let attempt = delivery.attempts.last();
        let error = attempt.and_then(|attempt| attempt.error.as_ref()).or(delivery.reason.as_ref());
        match (attempt.and_then(|attempt| attempt.http_status), error) {
            (Some(code), _) => Self::Answer(code),
            (None, Some(error)) => Self::Error(error.chars().take(200).collect()),
            (None, None) => Self::Unknown,
        }
    }

    /// The filter that finds all of them: the status of the answer, and a text.
    fn filter(&self) -> (Option<u16>, Option<&str>) {
        match self {
            Self::Answer(code) => (Some(*code), None),
            Self::Error(error) => (None, Some(error)),
            Self::Unknown => (None, None),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Answer(code) => format!("HTTP {code}"),
            Self::Error(error) => error.clone(),
            Self::Unknown => text("destinations.no_reason"),
        }
    }
}

fn known(visit: &Visit, key: &str) -> Result<(), Refusal> {
    api::known(visit.engine(), key).map_err(|_| Refusal::not_found(visit, "destination"))
}

fn place(key: &str, said: &str) -> String {
    format!("/console/destinations/{}?said={said}", render::segment(key))
}

async fn pause(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Operate)?;
    let reason: String = fields.text("reason").chars().take(limits::MAX_REASON).collect();
    let engine = visit.engine().acting(visit.caller.by());
    engine.pause(&key, &visit.caller.name, &reason).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see(&place(&key, "paused")))
}

async fn resume(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Operate)?;
    let engine = visit.engine().acting(visit.caller.by());
    engine.resume(&key).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see(&place(&key, "resumed")))
}

/// Puts back what was not sent: `dead` unless the form says `failed` or `ambiguous`; all, or what has that answer or text.
async fn replay(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Operate)?;
    known(&visit, &key)?;
    let status = match fields.text("status") {
        "failed" => DeliveryStatus::Failed,
        "ambiguous" => DeliveryStatus::Ambiguous,
        _ => DeliveryStatus::Dead,
    };
    let engine = visit.engine().acting(visit.caller.by());
    let filter = DeliveryFilter {
        destination: Some(key.clone()),
        status: Some(status),
        http_status: fields.given("httpStatus").and_then(|status| status.parse().ok()),
        text: fields.given("q").map(str::to_owned),
        ..DeliveryFilter::default()
    };
    engine.replay(filter).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see(&place(&key, "replaying")))
}

async fn cancel(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::Operate)?;
    let id: ReplayId = id.parse().map_err(|_| Refusal::not_found(&visit, "replay"))?;
    let engine = visit.engine().acting(visit.caller.by());
    let replay = engine.cancel_replay(id).await.map_err(|error| Refusal::of(&visit, error))?;
    let back = replay
        .filter
        .destination
        .map_or_else(|| "/console/destinations".to_owned(), |key| place(&key, "done"));
    Ok(see(&back))
}

/// Sends a sample now and shows what was sent and what came back.
async fn test(visit: Visit, key: web::Path<String>, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Operate)?;
    known(&visit, &key)?;
    let (wanted, dry_run) = (fields.given("type"), fields.is_ticked("dry_run"));
    let tested = test_send::try_out(&visit.state, &visit.caller, &key, wanted, dry_run).await;
    let tested = tested.unwrap_or_else(|problem| json!({ "problem": in_words(&problem) }));
    page(&visit, &key, Some(tested)).await
}
