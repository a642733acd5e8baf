//! The list of all journeys, with filters that stand in its address.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::page::{Answer, Page, Refusal};
use super::super::texts::text;
use super::super::visit::Visit;
use super::{LOOKED_AT, ROWS, shown};
use crate::domain::ids::UserKey;
use crate::domain::journey::{JourneyFilter, JourneyStatus};
use crate::domain::page::PageRequest;
use crate::domain::time::{Span, Timestamp};

/// What the list can be filtered by.
const FILTERS: [&str; 6] = ["flow", "stage", "status", "user", "from", "to"];

pub(super) async fn list(visit: Visit) -> Answer {
    let mut context = json!({
        "asked": FILTERS.iter().map(|name| (*name, visit.asked(name).unwrap_or_default())).collect::<BTreeMap<_, _>>(),
        "is_filtered": FILTERS.iter().any(|name| visit.asked(name).is_some()),
        "flows": visit.engine().definitions().flows.keys().collect::<Vec<_>>(),
        "statuses": JourneyStatus::ALL.map(JourneyStatus::as_str),
        "wrong": no_faults(), "rows": [], "next": null,
    });
    let filter = match filter(&visit) {
        Ok(filter) => filter,
        Err(wrong) => {
            context["wrong"] = Value::Object(wrong);
            return Ok(Page::new("journeys.html", context)
                .status(StatusCode::UNPROCESSABLE_ENTITY)
                .of(&visit));
        }
    };
    let page = PageRequest { limit: ROWS, cursor: visit.asked("cursor").map(str::to_owned) };
    let found = visit.engine().journeys(&filter, &page).await.map_err(|error| Refusal::of(&visit, error))?;
    context["rows"] = found.rows.iter().map(|journey| shown::row(journey, visit.now)).collect();
    context["next"] = visit.next(found.cursor.as_deref()).into();
    Ok(visit.page("journeys.html", context))
}

/// What is asked for, or what is wrong with it by the fields' names.
fn filter(visit: &Visit) -> Result<JourneyFilter, Map<String, Value>> {
    let mut wrong = no_faults();
    let status = visit.asked("status").map(JourneyStatus::from_name);
    if status == Some(None) {
        wrong.insert("status".to_owned(), text("journeys.no_such_status").into());
    }
    let mut day = |name: &str| {
        let day = visit.asked(name).map(Timestamp::parse_lenient);
        if day == Some(None) {
            wrong.insert(name.to_owned(), text("journeys.no_day").into());
        }
        day.flatten()
    };
    let (from, to) = (day("from"), day("to"));
    // The last day is meant whole.
    let to = to.map(|to| {
        if visit.asked("to").is_some_and(|to| to.len() == 10) { to.plus(Span::from_days(1)) } else { to }
    });
    let filter = JourneyFilter {
        flow: visit.asked("flow").map(str::to_owned),
        stage: visit.asked("stage").map(str::to_owned),
        status: status.flatten(),
        user: visit.asked("user").map(UserKey::user),
        from,
        to,
        looks: Some(LOOKED_AT),
        ..JourneyFilter::default()
    };
    if wrong == no_faults() { Ok(filter) } else { Err(wrong) }
}

/// Nothing is wrong with any of them.
fn no_faults() -> Map<String, Value> {
    FILTERS.iter().map(|name| ((*name).to_owned(), "".into())).collect()
}
