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
use crate::domain::figures::{Family, FigurePoint, Grain};
use crate::domain::funnel::Funnel;
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
    let families = [Family::Opened, Family::Ended, Family::Reached, Family::Waited];
    let wanted = families.map(|family| (family, name));
    let counted = engine.figures_of(&wanted, axis.grain(), axis.from(), axis.to()).await?;
    let counted: [Vec<FigurePoint>; 4] = counted.try_into().expect("each has its answer");
    let [opened, ended, reached, waited] = &counted;
    let began: u64 = opened.iter().map(|point| point.count).sum();
    let initial = flow.and_then(|flow| flow.initial.as_deref());
    let terminal = flow.map_or(&[][..], |flow| flow.terminal.as_slice());
    let funnel = Funnel::from_figures(began, reached, waited, initial, terminal);
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
        "funnel": stages(&funnel, initial, terminal),
        "journeys": funnel.journeys,
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

/// The stages with what is lost on the way from each to the next; nothing is said of that where runs branch into their ends.
fn stages(funnel: &Funnel, initial: Option<&str>, terminal: &[String]) -> Vec<Value> {
    let mut before: Option<u64> = None;
    let mut rows = Vec::new();
    for stage in &funnel.stages {
        let is_end = terminal.contains(&stage.stage);
        let lost = before.filter(|_| !is_end).map(|before| before.saturating_sub(stage.journeys));
        rows.push(json!({
            "stage": stage.stage,
            "journeys": stage.journeys,
            "share": stage.share.min(1.0),
            "median": stage.median_seconds_from_previous,
            "lost": lost.filter(|lost| *lost > 0),
            "is_first": initial == Some(stage.stage.as_str()),
            "is_end": is_end,
        }));
        before = Some(stage.journeys);
    }
    rows
}
