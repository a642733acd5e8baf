//! The page of one journey.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::NaiveTime;
use serde_json::{Value, json};

use super::super::page::{Answer, Page, Refusal};
use super::super::visit::Visit;
use super::shown::{self, Rules};
use super::timeline;
use crate::domain::calendar::next_local_time;
use crate::domain::journey::{Journey, Standing};
use crate::domain::time::Timestamp;

/// When a snooze until the next morning ends.
const MORNING: NaiveTime = NaiveTime::from_hms_opt(9, 0, 0).expect("it is a time of day");

/// What is said on the page besides the journey: why nothing was done, and what was typed.
#[derive(Default)]
pub(super) struct Remark {
    pub status: StatusCode,
    /// Why nothing was done; empty where that stands beside a field.
    pub problem: String,
    /// What was typed: the note, and until when.
    pub note: String,
    pub until: String,
    /// What is wrong with them.
    pub wrong_note: String,
    pub wrong_until: String,
}

pub(super) async fn one(visit: Visit, id: web::Path<String>) -> Answer {
    let journey = find(&visit, &id).await?;
    page(&visit, &journey, &Remark::default()).await
}

/// The journey with that id.
pub(super) async fn find(visit: &Visit, id: &str) -> Result<Journey, Refusal> {
    let Ok(id) = id.parse() else { return Err(Refusal::not_found(visit, "journey")) };
    let found = visit.engine().journey(id).await.map_err(|error| Refusal::of(visit, error))?;
    found.ok_or_else(|| Refusal::not_found(visit, "journey"))
}

/// The next morning by the clock of the flow's team.
pub(super) fn morning(visit: &Visit, rules: &Rules) -> Timestamp {
    next_local_time(rules.zone(), visit.now, MORNING)
}

pub(super) async fn page(visit: &Visit, journey: &Journey, remark: &Remark) -> Answer {
    let deliveries = visit.engine().deliveries_by_id(&timeline::deliveries_of(journey)).await;
    let deliveries = deliveries.map_err(|error| Refusal::of(visit, error))?;
    let rules = Rules::of(visit, &journey.flow);
    let standing = journey.standing(None);
    let morning = morning(visit, &rules).to_chrono().with_timezone(&rules.zone());
    let context = json!({
        "journey": shown::row(journey, visit.now),
        "is_defined": rules.flow.is_some(),
        "seen": journey.stage_at.millis(),
        "standing": standing_name(standing),
        "ladder": shown::ladder(journey, &rules, visit.now),
        "past": timeline::past(journey, &rules, &deliveries),
        "to_come": timeline::to_come(journey, &rules, visit.now),
        "left_out": journey.steps_left_out,
        "may_stop": standing == Standing::Stalled,
        "zone": rules.zone().name(),
        "morning": morning.format("%H:%M, %a %-d %b").to_string(),
        "remark": {
            "problem": remark.problem, "note": remark.note, "until": remark.until,
            "wrong_note": remark.wrong_note, "wrong_until": remark.wrong_until,
        },
    });
    let answer: HttpResponse = Page::new("journey.html", context).status(remark.status).of(visit);
    Ok(answer)
}

fn standing_name(standing: Standing) -> Value {
    match standing {
        Standing::Stalled => "open",
        Standing::Acknowledged => "acknowledged",
        Standing::MovedOn | Standing::Closed => "closed",
    }
    .into()
}
