//! What goes on: the first page.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_web::web;
use serde_json::{Value, json};

use super::chart::{self, Axis, Series};
use super::destinations::health;
use super::first_post;
use super::journeys;
use super::page::{Answer, Refusal};
use super::texts::text;
use super::visit::Visit;
use crate::domain::delivery::{DeliveryStatus, EMAIL};
use crate::domain::figures::{Family, FigurePoint};
use crate::domain::journey::JourneyStatus;
use crate::domain::sizes::Per;
use crate::engine::{Counts, EngineError};
use crate::http::api::destinations as api;
use crate::http::operations;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("").route(web::get().to(overview)));
}

async fn overview(visit: Visit) -> Answer {
    let context = context(&visit).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("overview.html", context))
}

async fn context(visit: &Visit) -> Result<Value, EngineError> {
    let counts = visit.engine().counts().await?;
    let standing = |status: JourneyStatus| counts.journeys.get(&status).copied().unwrap_or(0);
    let deliveries = |wanted: DeliveryStatus| -> u64 {
        let of_status = counts.deliveries.iter().filter(|((_, status), _)| *status == wanted.as_str());
        of_status.map(|(_, count)| count).sum()
    };
    let waiting = journeys::count_waiting(visit.engine(), visit.now).await?;
    let members: u64 = counts.members.values().sum();
    Ok(json!({
        "counts": {
            "events": counts.events,
            "profiles": counts.profiles,
            "active": standing(JourneyStatus::Active),
            "stalled": standing(JourneyStatus::Stalled),
            "memberships": members,
            "pending": deliveries(DeliveryStatus::Pending),
            "waiting": waiting.count,
            "more_wait": waiting.is_more,
            "dead": deliveries(DeliveryStatus::Dead),
            "failed": deliveries(DeliveryStatus::Failed),
            "ambiguous": deliveries(DeliveryStatus::Ambiguous),
        },
        "journeys": JourneyStatus::ALL.iter().map(|status| json!({ "status": status.as_str(), "count": standing(*status) })).collect::<Vec<_>>(),
        "charts": charts(visit).await?,
        "loops": operations::checks(&visit.state).into_iter().map(|(name, works)| json!({ "name": text(&format!("loops.{name}")), "works": works })).collect::<Vec<_>>(),
        "destinations": destinations(visit, &counts),
        "first_post": first_post::line(visit, &counts),
        "is_new": counts.events == 0,
    }))
}

async fn charts(visit: &Visit) -> Result<Value, EngineError> {
    let definitions = visit.engine().definitions();
    let (hour, day) = (Axis::last_hour(visit.now), Axis::last_day(visit.now));
    let sources: Vec<&str> = definitions.sources.keys().map(String::as_str).collect();
    let flows: Vec<&str> = definitions.flows.keys().map(String::as_str).collect();
    let sent: Vec<&str> = definitions.destinations.keys().map(String::as_str).chain([EMAIL]).collect();
    let mut posts = by_subject(visit, Family::Accepted, &sources, &hour).await?;
    let refused = refused(visit, &sources, &hour).await?;
    if !refused.is_empty() {
        posts.push(Series::of_status("refused", hour.counts(&refused)));
    }
    let escalations = by_detail(
        visit,
        Family::Escalated,
        &flows,
        &day,
        &["email", "call", "sms", "task", "studio_execution", "webhook"],
    )
    .await?;
    // How each ended: what is to be tried again counts once it is over.
    let ended = ["delivered", "failed", "dead", "ambiguous"];
    let deliveries = by_detail(visit, Family::Attempted, &sent, &day, &ended).await?;
    Ok(json!({
        "refused": by_code(&refused),
        "posts": chart::columns(&text("overview.posts"), &text("overview.per_minute"), &hour, &posts),
        "escalations": chart::columns(&text("overview.escalations"), &text("overview.per_hour"), &day, &escalations),
        "deliveries": chart::columns(&text("overview.deliveries"), &text("overview.per_hour"), &day, &deliveries),
        "audiences": chart::columns(&text("overview.changes"), &text("overview.per_hour"), &day, &audience_changes(visit, &day).await?),
    }))
}

/// What was counted of each subject.
async fn points(
    visit: &Visit,
    family: Family,
    subjects: &[&str],
    axis: &Axis,
) -> Result<Vec<Vec<FigurePoint>>, EngineError> {
    let wanted: Vec<_> = subjects.iter().map(|subject| (family, *subject)).collect();
    visit.engine().figures_of(&wanted, axis.grain(), axis.from(), axis.to()).await
}

/// What was refused of those sources, and of posts whose write key is none of a source.
async fn refused(visit: &Visit, sources: &[&str], axis: &Axis) -> Result<Vec<FigurePoint>, EngineError> {
    let subjects: Vec<&str> = sources.iter().copied().chain([""]).collect();
    Ok(points(visit, Family::Refused, &subjects, axis).await?.into_iter().flatten().collect())
}

/// How many of each code, most first.
fn by_code(refused: &[FigurePoint]) -> Vec<Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    refused.iter().for_each(|point| *counts.entry(&point.detail).or_default() += point.count);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter().map(|(code, count)| json!({ "code": code, "count": count })).collect()
}

/// One series per subject; those without anything are left out.
async fn by_subject(
    visit: &Visit,
    family: Family,
    subjects: &[&str],
    axis: &Axis,
) -> Result<Vec<Series>, EngineError> {
    let points = points(visit, family, subjects, axis).await?;
    let counted = subjects.iter().zip(&points).map(|(subject, points)| (subject, axis.counts(points)));
    let counted = counted.filter(|(_, counts)| counts.iter().any(|count| *count > 0));
    Ok(chart::biggest(counted.map(|(subject, counts)| Series::new(*subject, counts)).collect()))
}

/// One series per detail, of all subjects together; those without anything are left out.
async fn by_detail(
    visit: &Visit,
    family: Family,
    subjects: &[&str],
    axis: &Axis,
    details: &[&str],
) -> Result<Vec<Series>, EngineError> {
    let all: Vec<FigurePoint> = points(visit, family, subjects, axis).await?.into_iter().flatten().collect();
    let series = details.iter().map(|detail| {
        let counts = axis.counts(all.iter().filter(|point| point.detail == *detail));
        Series::of_status(detail, counts)
    });
    Ok(series.filter(|one| one.counts.iter().any(|count| *count > 0)).collect())
}

async fn audience_changes(visit: &Visit, axis: &Axis) -> Result<Vec<Series>, EngineError> {
    let (mut entered, mut exited) = (Vec::new(), Vec::new());
    let definitions = visit.engine().definitions();
    let ids: Vec<&str> = definitions.audiences.values().map(|audience| audience.id.as_str()).collect();
    let sizes = visit.engine().sizes_of(&ids, Per::Hour, axis.from(), axis.to()).await?;
    for point in sizes.iter().flatten() {
        let of = |count| FigurePoint { start: point.start, detail: String::new(), count };
        entered.push(of(point.entered));
        exited.push(of(point.exited));
    }
    Ok(Series::of_moves(axis.counts(&entered), axis.counts(&exited)).into())
}

fn destinations(visit: &Visit, counts: &Counts) -> Vec<Value> {
    let definitions = visit.engine().definitions();
    let keys = definitions.destinations.keys().map(String::as_str).chain([EMAIL]);
    let row =
        |key: &str| json!({ "key": key, "health": health(visit, key), "queue": api::queue(counts, key) });
    keys.map(row).collect()
}
