//! The list of flows: what goes on in each now and did lately, and those that nobody defined.

use serde_json::{Value, json};

use super::super::chart::{self, Axis};
use super::super::page::{Answer, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::texts::filled;
use super::super::visit::Visit;
use crate::domain::definition::Flow;
use crate::domain::figures::{Family, FigurePoint, Grain};
use crate::domain::journey::JourneyStatus;
use crate::domain::people::Scope;
use crate::domain::time::{Span, Timestamp};
use crate::engine::EngineError;

/// Flows on a page.
const ROWS: usize = 25;
/// Days of the curves.
const DAYS: usize = 14;
/// Most flows that are shown of those that nobody defined.
const UNKNOWN: usize = 100;

pub(super) async fn list(visit: Visit) -> Answer {
    if let Some(name) = visit.asked("define") {
        visit.needs(Scope::Define)?;
        return Ok(see(&format!("/console/flows/{}/edit", segment(name.trim()))));
    }
    let context = context(&visit).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("flows.html", context))
}

async fn context(visit: &Visit) -> Result<Value, EngineError> {
    let definitions = visit.engine().definitions();
    let after = visit.asked("cursor").unwrap_or_default();
    let mut flows = definitions.flows.values().filter(|flow| flow.name.as_str() > after);
    let shown: Vec<_> = flows.by_ref().take(ROWS).collect();
    let last = shown.last().filter(|_| flows.next().is_some()).map(|flow| flow.name.as_str());
    let names: Vec<&str> = shown.iter().map(|flow| flow.name.as_str()).collect();
    let axis = Axis::newest(Grain::Day, DAYS, visit.now);
    let wanted: Vec<_> =
        names.iter().flat_map(|name| [(Family::Opened, *name), (Family::Ended, *name)]).collect();
    let counted = visit.engine().figures_of(&wanted, axis.grain(), axis.from(), axis.to()).await?;
    let standing = standing_of(visit, &names).await?;
    let rows = shown.iter().zip(counted.chunks(2)).zip(standing);
    let rows: Vec<Value> =
        rows.map(|((flow, counted), standing)| row(flow, &axis, counted, standing)).collect();
    let mut unknown = visit.engine().unknown_flows().await?;
    let more = unknown.len().saturating_sub(UNKNOWN);
    unknown.truncate(UNKNOWN);
    Ok(json!({ "rows": rows, "unknown": unknown, "more": more, "next": visit.next(last), "days": DAYS }))
}

/// A flow with what was counted: opened, and ended.
fn row(flow: &Flow, axis: &Axis, counted: &[Vec<FigurePoint>], standing: Value) -> Value {
    let spark = |name: &str, place: usize| {
        let counts = axis.counts(counted.get(place).into_iter().flatten());
        let sum = counts.iter().sum::<u64>();
        let words = filled(name, &[("n", &sum.to_string()), ("days", &DAYS.to_string())]);
        json!({ "sum": sum, "chart": chart::spark(words, &counts) })
    };
    json!({
        "name": flow.name,
        "standing": standing,
        "opened": spark("flows.opened_in", 0),
        "ended": spark("flows.ended_in", 1),
        "levels": flow.escalation.len(),
        "team": flow.team,
    })
}

/// How many journeys of each flow there are now, by status.
pub(super) async fn standing_of(visit: &Visit, flows: &[&str]) -> Result<Vec<Value>, EngineError> {
    let (from, to) = (Timestamp::default(), Timestamp::default().plus(Span::from_millis(1)));
    let wanted: Vec<_> = flows.iter().map(|flow| (Family::Standing, *flow)).collect();
    let all = visit.engine().figures_of(&wanted, Grain::Ever, from, to).await?;
    Ok(all.iter().map(|points| by_status(points)).collect())
}

fn by_status(points: &[FigurePoint]) -> Value {
    let of = |status: JourneyStatus| {
        points.iter().filter(|point| point.detail == status.as_str()).map(|point| point.count).sum::<u64>()
    };
    JourneyStatus::ALL.iter().map(|status| (status.as_str().to_owned(), json!(of(*status)))).collect()
}
