//! What operators do with a journey, from its page or from the inbox.

use actix_web::http::StatusCode;
use actix_web::web;
use chrono::NaiveDateTime;

use super::super::form::{Fields, Form};
use super::super::page::{Answer, Refusal};
use super::super::see;
use super::super::texts::{filled, text};
use super::super::visit::Visit;
use super::one::{self, Remark};
use super::shown::{Rules, Tab};
use crate::domain::calendar::instant;
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::domain::people::Scope;
use crate::domain::time::Span;
use crate::engine::{By, EngineError, Operation};

pub(super) async fn act(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::Operate)?;
    let journey = one::find(&visit, &id).await?;
    let (operation, done) = match wanted(&visit, &journey, &fields) {
        Ok(wanted) => wanted,
        Err(remark) => return one::page(&visit, &journey, &remark).await,
    };
    // What is done is about what was on the page.
    if fields.text("seen") != journey.stage_at.millis().to_string() {
        return refused(&visit, &journey, &fields, text("journey.moved_on")).await;
    }
    let by = By { reason: fields.text("note").to_owned(), ..visit.caller.by() };
    match visit.engine().operate(journey.id, operation, by).await {
        Ok(_) => Ok(see(&back(&fields, &journey, done))),
        Err(EngineError::Conflict(why)) => {
            let journey = one::find(&visit, &id).await?;
            refused(&visit, &journey, &fields, filled("journey.not_done", &[("why", &why)])).await
        }
        Err(error) => Err(Refusal::of(&visit, error)),
    }
}

async fn refused(visit: &Visit, journey: &Journey, fields: &Fields, problem: String) -> Answer {
    let remark = Remark { status: StatusCode::CONFLICT, problem, ..typed(fields) };
    one::page(visit, journey, &remark).await
}

/// What was typed.
fn typed(fields: &Fields) -> Remark {
    Remark {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        note: fields.text("note").to_owned(),
        until: fields.text("until").to_owned(),
        ..Remark::default()
    }
}

/// What is to be done, and the name of what is said then; or what is wrong with what was typed.
fn wanted(
    visit: &Visit,
    journey: &Journey,
    fields: &Fields,
) -> Result<(Operation, &'static str), Box<Remark>> {
    if fields.text("note").chars().count() > limits::MAX_REASON {
        let most = limits::MAX_REASON.to_string();
        let wrong_note = filled("journey.long_note", &[("n", &most)]);
        return Err(Box::new(Remark { wrong_note, ..typed(fields) }));
    }
    let rules = Rules::of(visit, &journey.flow);
    let snooze = |until| (Operation::Snooze { until, told_at: None }, "journey_snoozed");
    match fields.text("act") {
        "acknowledge" => Ok((Operation::Acknowledge { told_at: None }, "journey_acknowledged")),
        "resolve" => Ok((Operation::Resolve, "journey_resolved")),
        "snooze_hour" => Ok(snooze(visit.now.plus(Span::from_hours(1)))),
        "snooze_morning" => Ok(snooze(one::morning(visit, &rules))),
        "snooze_until" => {
            let wrong = |name: &str, values: &[(&str, &str)]| {
                Box::new(Remark { wrong_until: filled(name, values), ..typed(fields) })
            };
            let local = NaiveDateTime::parse_from_str(fields.text("until"), "%Y-%m-%dT%H:%M");
            let until = instant(rules.zone(), local.map_err(|_| wrong("journey.no_time", &[]))?);
            if until <= visit.now || until > visit.now.plus(limits::MAX_SNOOZE) {
                let most = limits::MAX_SNOOZE.to_string();
                return Err(wrong("journey.out_of_range", &[("most", &most)]));
            }
            Ok(snooze(until))
        }
        _ => Err(Box::new(Remark { problem: text("journey.no_act"), ..typed(fields) })),
    }
}

/// Where he came from.
fn back(fields: &Fields, journey: &Journey, said: &str) -> String {
    let tab = Tab::ALL.into_iter().find(|tab| tab.as_str() == fields.text("tab"));
    match tab {
        Some(tab) => format!("/console/inbox?tab={}&said={said}", tab.as_str()),
        None => format!("/console/journeys/{}?said={said}", journey.id),
    }
}
