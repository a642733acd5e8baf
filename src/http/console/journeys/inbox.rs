//! The inbox: stalled journeys, oldest first, by what people said of them.

use serde_json::{Value, json};

use super::super::page::{Answer, Refusal};
use super::super::visit::Visit;
use super::shown::{self, Rules, Tab};
use super::{LOOKED_AT, ROWS};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus, Note};
use crate::domain::page::{Order, PageRequest};
use crate::engine::EngineError;

pub(super) async fn inbox(visit: Visit) -> Answer {
    let asked = visit.asked("tab").unwrap_or_default();
    let tab = Tab::ALL.into_iter().find(|tab| tab.as_str() == asked).unwrap_or(Tab::Waiting);
    let context = context(&visit, tab).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("inbox.html", context))
}

async fn context(visit: &Visit, tab: Tab) -> Result<Value, EngineError> {
    let stalled = JourneyFilter {
        status: Some(JourneyStatus::Stalled),
        order: Order::OldestFirst,
        ..JourneyFilter::default()
    };
    let is_of_tab = |journey: &Journey| Tab::of(journey, visit.now) == Some(tab);
    let page = PageRequest { limit: ROWS, cursor: visit.asked("cursor").map(str::to_owned) };
    let found = visit.engine().journeys_that(&stalled, &page, LOOKED_AT, is_of_tab).await?;
    let counts = visit.engine().counts().await?;
    let in_doubt =
        counts.deliveries.iter().filter(|((_, status), _)| *status == DeliveryStatus::Ambiguous.as_str());
    Ok(json!({
        "tab": tab.as_str(),
        "tabs": Tab::ALL.iter().map(|tab| {
            let place = visit.with(&[("tab", Some(tab.as_str())), ("cursor", None), ("said", None)]);
            json!({ "name": tab.as_str(), "href": place })
        }).collect::<Vec<_>>(),
        "stalled": counts.journeys.get(&JourneyStatus::Stalled).copied().unwrap_or(0),
        "in_doubt": in_doubt.map(|(_, count)| count).sum::<u64>(),
        "rows": found.rows.iter().map(|journey| row(visit, journey)).collect::<Vec<_>>(),
        "next": visit.next(found.cursor.as_deref()),
        "is_first": visit.asked("cursor").is_none(),
    }))
}

fn row(visit: &Visit, journey: &Journey) -> Value {
    let rules = Rules::of(visit, &journey.flow);
    let mut row = shown::row(journey, visit.now);
    row["ladder"] = shown::ladder(journey, &rules, visit.now);
    row["seen"] = json!(journey.stage_at.millis());
    row["acknowledged"] = journey.acknowledgement().map(|known| note(&known.note)).into();
    row["snoozed"] = journey
        .snooze_of_stall()
        .map(|known| {
            let mut shown = note(&known.note);
            shown["until"] = json!(known.until);
            shown
        })
        .into();
    row
}

/// An operator's word.
pub(super) fn note(note: &Note) -> Value {
    json!({ "by": note.by, "reason": note.reason, "at": note.at, "via": note.via })
}
