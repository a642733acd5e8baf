//! The page of one flow: how far its journeys come, how they end, and its ladder in words.

use actix_web::web;
use serde_json::{Value, json};

use super::super::chart::{self, Axis, Series};
use super::super::page::{Answer, Refusal};
use super::super::texts::text;
use super::super::visit::Visit;
use super::list::standing_of;
use super::{preview, words};
use crate::domain::definition::Flow;
use crate::domain::figures::{Family, FigurePoint, Grain, known_as};
use crate::domain::funnel::{Funnel, FunnelDays, FunnelStage};
use crate::domain::journey::JourneyStatus;
use crate::engine::EngineError;

/// Days of the charts.
const DAYS: usize = 30;

/// How journeys end, in the order of the chart's colours.
const ENDS: [JourneyStatus; 4] =
    [JourneyStatus::Resolved, JourneyStatus::Completed, JourneyStatus::Superseded, JourneyStatus::Expired];

pub(super) async fn one(visit: Visit, name: web::Path<String>) -> Answer {
    let flow = visit.engine().definitions().flows.get(name.as_str()).cloned();
    if flow.is_none() {
        let unknown = visit.engine().unknown_flows().await.map_err(|error| Refusal::of(&visit, error))?;
        if !unknown.contains(&*name) {
            return Err(Refusal::not_found(&visit, "flow"));
        }
    }
    let context = context(&visit, &name, flow.as_deref()).await;
    Ok(visit.page("flow.html", context.map_err(|error| Refusal::of(&visit, error))?))
}

async fn context(visit: &Visit, name: &str, flow: Option<&Flow>) -> Result<Value, EngineError> {
    let axis = Axis::newest(Grain::Day, DAYS, visit.now);
    let engine = visit.engine();
    let families = [Family::Opened, Family::Ended, Family::Reached, Family::Waited, Family::Lost];
    let wanted = families.map(|family| (family, name));
    let counted = engine.figures_of(&wanted, axis.grain(), axis.from(), axis.to()).await?;
    let counted: [Vec<FigurePoint>; 5] = counted.try_into().expect("each has its answer");
    let [opened, ended, reached, waited, lost] = &counted;
    let initial = flow.and_then(|flow| flow.initial.as_deref());
    let terminal = flow.map_or(&[][..], |flow| flow.terminal.as_slice());
    let funnel = Funnel::from_figures(&FunnelDays { opened, reached, waited }, initial, terminal);
    let outcomes = ENDS.map(|status| {
        let of_status = ended.iter().filter(|point| point.detail == status.as_str());
        Series::of_status(status.as_str(), axis.counts(of_status))
    });
    let opened = Series::new(text("flow.opened"), axis.counts(opened));
    let definitions = engine.definitions();
    let team = flow.and_then(|flow| definitions.teams.get(flow.team.as_ref()?));
    Ok(json!({
        "name": name,
        "days": DAYS,
        "standing": standing_of(visit, &[name]).await?.pop(),
        "funnel": stages(&funnel, lost, terminal),
        "outcomes": chart::columns(&text("flow.outcomes"), &text("flow.per_day"), &axis, &outcomes),
        "opened": chart::columns(&text("flow.opened"), &text("flow.per_day"), &axis, &[opened]),
        "flow": flow.map(|flow| json!({
            "initial": flow.initial, "terminal": flow.terminal, "expire_after": flow.expire_after, "sid": flow.sid,
            "widgets": flow.widgets.len(), "updated_at": flow.updated_at,
            "digest": flow.digest.map(|digest| json!({ "more_than": digest.more_than, "within": digest.within })),
        })),
        "ladder": flow.map(words::ladder).unwrap_or_default(),
        "previews": flow.map(|flow| preview::of_flow(visit, flow)).unwrap_or_default(),
        "team": team.map(|team| words::team(team, visit.now)),
    }))
}

/// The stages, with how many ended in each of them short of the flow's ends.
fn stages(funnel: &Funnel, lost: &[FigurePoint], terminal: &[String]) -> Vec<Value> {
    let is_end = |stage: &str| terminal.iter().any(|end| known_as(end) == stage);
    let row = |stage: &FunnelStage| {
        let lost_there = lost.iter().filter(|point| point.detail == stage.stage);
        json!({
            "stage": stage.stage,
            "journeys": stage.journeys,
            "share": stage.share.min(1.0),
            "median": stage.median_seconds_from_previous,
            "lost": lost_there.map(|point| point.count).sum::<u64>(),
            "is_end": is_end(&stage.stage),
        })
    };
    funnel.stages.iter().map(row).collect()
}
