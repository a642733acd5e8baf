//! The editor of a flow and its ladder. Each button sends the whole form; but for saving, it is shown again as it was.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::{Value, json};

use super::super::form::Form;
use super::super::page::{Answer, Page, Refusal};
use super::super::render::segment;
use super::super::see;
use super::super::visit::Visit;
use super::form::FlowForm;
use super::preview::{self, About, Samples};
use super::{faults, words};
use crate::delivery::templates::TextKind;
use crate::domain::definition::{Definition, Flow, Kind, Problem, document};
use crate::domain::figures::{Family, Grain};
use crate::domain::people::Scope;
use crate::domain::time::Span;
use crate::engine::{ApplyOptions, EngineError};

/// Mail templates that are about something else than a stall.
const NOT_OF_STALLS: [&str; 2] = ["digest", "summary"];
/// How far back stages are looked for that can be chosen.
const STAGES_OF: Span = Span::from_days(30);
/// What is wrong, by fields of the form.
type Faults = BTreeMap<String, String>;

pub(super) async fn show(visit: Visit, name: web::Path<String>) -> Answer {
    visit.needs(Scope::Define)?;
    let flow = visit.engine().definitions().flows.get(name.as_str()).cloned();
    let form = flow.as_deref().map_or_else(FlowForm::new, FlowForm::of);
    page(&visit, &name, &form, &Faults::new(), StatusCode::OK).await
}

pub(super) async fn change(visit: Visit, name: web::Path<String>, sent: Form) -> Answer {
    let fields = sent.admitted(&visit, Scope::Define)?;
    let mut form = FlowForm::read(&fields);
    if fields.text("do") != "save" {
        form.change(fields.text("do"));
        return page(&visit, &name, &form, &Faults::new(), StatusCode::OK).await;
    }
    match save(&visit, &name, &form).await {
        Ok(()) => Ok(see(&format!("/console/flows/{}?said=flow_saved", segment(&name)))),
        Err(EngineError::Invalid(problems)) => {
            let faults = faults::by_field(&problems);
            page(&visit, &name, &form, &faults, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(Refusal::of(&visit, error)),
    }
}

/// Puts the flow in force. What is wrong is said of the fields of the one definition.
async fn save(visit: &Visit, name: &str, form: &FlowForm) -> Result<(), EngineError> {
    let before = visit.engine().definitions().flows.get(name).cloned();
    let (definition, mut problems) = form.definition(name, before.as_deref());
    let wanted = match document::read_one(Kind::Flow, Some(name), &definition) {
        Ok(wanted) => Some(wanted),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    problems.extend(unmade(&Samples::of(visit, "UTC"), name, form));
    match wanted.filter(|_| problems.is_empty()) {
        Some(wanted) => put(visit, wanted).await,
        None => Err(EngineError::Invalid(problems)),
    }
}

async fn put(visit: &Visit, wanted: Definition) -> Result<(), EngineError> {
    let report = visit.engine().acting(visit.caller.by()).apply(vec![wanted], ApplyOptions::default()).await;
    report.map(drop).map_err(|error| match error {
        EngineError::Invalid(problems) => {
            EngineError::Invalid(problems.into_iter().map(Problem::of_one).collect())
        }
        other => other,
    })
}

/// What can't be made of the templates and texts that were chosen.
fn unmade(samples: &Samples, name: &str, form: &FlowForm) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, level) in form.levels.iter().enumerate() {
        for (list, actions) in ["actions", "after_hours"].iter().zip(&level.lists) {
            for (place, action) in actions.iter().enumerate() {
                let about = About { flow: name, stage: "", after: "30m", level: 1, zone: "UTC" };
                let Some((field, preview)) = of_action(samples, action, &about) else { continue };
                if let Some(problem) = preview["problem"].as_str().filter(|_| !action[field].is_empty()) {
                    problems
                        .push(Problem::new(format!("escalation[{index}].{list}[{place}].{field}"), problem));
                }
            }
        }
    }
    problems
}

/// What an action says, and the field that it is made of; `None` where it says nothing.
fn of_action(
    samples: &Samples,
    action: &BTreeMap<&'static str, String>,
    about: &About<'_>,
) -> Option<(&'static str, Value)> {
    match action["channel"].as_str() {
        "email" if !action["template"].is_empty() => {
            Some(("template", samples.mail(&action["template"], about)))
        }
        "call" => Some(("text", samples.text(TextKind::Call, &action["text"], about))),
        "sms" => Some(("text", samples.text(TextKind::Sms, &action["text"], about))),
        _ => None,
    }
}

async fn page(visit: &Visit, name: &str, form: &FlowForm, faults: &Faults, status: StatusCode) -> Answer {
    let definitions = visit.engine().definitions();
    let flow = definitions.flows.get(name);
    let mut mails = preview::templates(visit).names();
    mails.retain(|name| !NOT_OF_STALLS.contains(&name.as_str()));
    mails.sort();
    mails.dedup();
    let team = definitions.teams.get(form.own["team"].as_str());
    let of_kind = |is_twilio: bool| -> Vec<&String> {
        let all = definitions.destinations.values();
        all.filter(|it| it.kind.twilio().is_some() == is_twilio).map(|it| &it.key).collect()
    };
    let stages = stages(visit, name, form).await.map_err(|error| Refusal::of(visit, error))?;
    let context = json!({
        "name": name,
        "is_new": flow.is_none(),
        "form": form.own,
        "levels": levels(visit, name, form, team.map_or("UTC", |team| team.time_zone.name())),
        "wrong": faults,
        "stages": stages,
        "mails": mails,
        "twilio": of_kind(true),
        "webhooks": of_kind(false),
        "teams": definitions.teams.values().map(|team| words::team(team, visit.now)).collect::<Vec<_>>(),
        "widgets": flow.map_or(0, |flow: &std::sync::Arc<Flow>| flow.widgets.len()),
    });
    Ok(Page::new("flow_edit.html", context).status(status).of(visit))
}

/// The levels with what each of their actions says.
fn levels(visit: &Visit, name: &str, form: &FlowForm, zone: &str) -> Vec<Value> {
    let samples = Samples::of(visit, zone);
    let shown = |(index, level): (usize, &super::form::LevelForm)| {
        let about = About {
            flow: name,
            stage: &level.own["stage"],
            after: &level.own["after"],
            level: u32::try_from(index + 1).unwrap_or(u32::MAX),
            zone,
        };
        let action = |action: &BTreeMap<&'static str, String>| {
            let preview = of_action(&samples, action, &about).map_or(Value::Null, |(_, preview)| preview);
            json!({ "own": action, "preview": preview })
        };
        let [does, instead] = level.lists.each_ref().map(|list| list.iter().map(action).collect::<Vec<_>>());
        json!({ "own": level.own, "lists": { "a": does, "i": instead } })
    };
    form.levels.iter().enumerate().map(shown).collect()
}

/// Stages that may be meant: those that are named here, and those that were reached lately.
async fn stages(visit: &Visit, name: &str, form: &FlowForm) -> Result<BTreeSet<String>, EngineError> {
    let (from, grain) = (visit.now.minus(STAGES_OF), Grain::Day);
    let reached =
        visit.engine().figures(Family::Reached, name, grain, grain.start_of(from), visit.now).await?;
    let named =
        form.levels.iter().map(|level| level.own["stage"].clone()).chain([form.own["initial"].clone()]);
    let all = named.chain(reached.into_iter().map(|point| point.detail));
    Ok(all.filter(|stage| !stage.is_empty()).collect())
}
