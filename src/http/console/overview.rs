//! What goes on: the first page.

use actix_web::web;
use serde_json::{Value, json};

use super::chart::{self, Axis, Series};
use super::page::{Answer, Refusal};
use super::texts::text;
use super::visit::Visit;
use crate::domain::definition::SourceKind;
use crate::domain::delivery::{DeliveryStatus, EMAIL};
use crate::domain::figures::{Family, FigurePoint, Grain};
use crate::domain::journey::JourneyStatus;
use crate::domain::people::Scope;
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
    let journeys = |status: JourneyStatus| counts.journeys.get(&status).copied().unwrap_or(0);
    let deliveries = |wanted: DeliveryStatus| -> u64 {
        let of_status = counts.deliveries.iter().filter(|((_, status), _)| *status == wanted.as_str());
        of_status.map(|(_, count)| count).sum()
    };
    let members: u64 = counts.members.values().sum();
    Ok(json!({
        "counts": {
            "events": counts.events,
            "profiles": counts.profiles,
            "active": journeys(JourneyStatus::Active),
            "stalled": journeys(JourneyStatus::Stalled),
            "memberships": members,
            "pending": deliveries(DeliveryStatus::Pending),
            "dead": deliveries(DeliveryStatus::Dead) + deliveries(DeliveryStatus::Failed),
            "ambiguous": deliveries(DeliveryStatus::Ambiguous),
        },
        "journeys": JourneyStatus::ALL.iter().map(|status| json!({ "status": status.as_str(), "count": journeys(*status) })).collect::<Vec<_>>(),
        "charts": charts(visit).await?,
        "loops": operations::checks(&visit.state).into_iter().map(|(name, works)| json!({ "name": name, "works": works })).collect::<Vec<_>>(),
        "destinations": destinations(visit, &counts),
        "first_post": first_post(visit),
        "is_new": counts.events == 0,
    }))
}

async fn charts(visit: &Visit) -> Result<Value, EngineError> {
    let definitions = visit.engine().definitions();
    let (hour, day) = (Axis::newest(Grain::Minute, 60, visit.now), Axis::newest(Grain::Hour, 24, visit.now));
    let sources: Vec<&str> = definitions.sources.keys().map(String::as_str).collect();
    let flows: Vec<&str> = definitions.flows.keys().map(String::as_str).collect();
    let sent: Vec<&str> = definitions.destinations.keys().map(String::as_str).chain([EMAIL]).collect();
    let posts = by_subject(visit, Family::Accepted, &sources, &hour).await?;
    let escalations = by_detail(
        visit,
        Family::Escalated,
        &flows,
        &day,
        &["email", "call", "sms", "task", "studio_execution", "webhook"],
    )
    .await?;
    let attempts = by_detail(
        visit,
        Family::Attempted,
        &sent,
        &day,
        &["delivered", "retry", "failed", "dead", "ambiguous"],
    )
    .await?;
    Ok(json!({
        "posts": chart::columns(&text("overview.posts"), &text("overview.per_minute"), &hour, &posts),
        "escalations": chart::columns(&text("overview.escalations"), &text("overview.per_hour"), &day, &escalations),
        "attempts": chart::columns(&text("overview.attempts"), &text("overview.per_hour"), &day, &attempts),
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
    Ok(counted.map(|(subject, counts)| Series::new(*subject, counts)).collect())
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
    let series = |name: &str, points: &[FigurePoint]| Series::new(text(name), axis.counts(points));
    Ok(vec![series("overview.entered", &entered), series("overview.exited", &exited)])
}

fn destinations(visit: &Visit, counts: &Counts) -> Vec<Value> {
    let (healths, definitions) = (visit.engine().healths(), visit.engine().definitions());
    let keys = definitions.destinations.keys().map(String::as_str).chain([EMAIL]);
    let row = |key: &str| json!({ "key": key, "health": api::shown(healths.get(key)), "queue": api::queue(counts, key) });
    keys.map(row).collect()
}

/// A line that posts a first stage, for somebody who has nothing yet; `None` without a Studio source.
fn first_post(visit: &Visit) -> Option<String> {
    // Whoever has the key can post.
    let definitions = visit.caller.may(Scope::Define).then(|| visit.engine().definitions())?;
    let source = definitions.sources.values().find(|source| source.kind == SourceKind::Studio)?;
    let flow = definitions.flows.keys().next()?;
    Some(format!(
        "curl -d userID=u1 -d phoneNumber=+15551234567 -d flow={flow} -d stage=no_reply {}/studio/{}",
        visit.state.public_url, source.write_key
    ))
}
