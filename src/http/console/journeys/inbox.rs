//! The inbox: stalled journeys by what people said of them, who has waited longest first.

use serde_json::{Value, json};

use super::super::page::{Answer, Refusal};
use super::super::visit::Visit;
use super::shown::{self, Rules, Tab};
use super::waiting;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::journey::{Journey, JourneyStatus, Note};
use crate::engine::EngineError;

pub(super) async fn inbox(visit: Visit) -> Answer {
    let asked = visit.asked("tab").unwrap_or_default();
    let tab = Tab::ALL.into_iter().find(|tab| tab.as_str() == asked).unwrap_or(Tab::Waiting);
    let context = context(&visit, tab).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("inbox.html", context))
}

async fn context(visit: &Visit, tab: Tab) -> Result<Value, EngineError> {
    let counts = visit.engine().counts().await?;
    let stalled = counts.journeys.get(&JourneyStatus::Stalled).copied().unwrap_or(0);
    // Those that are snoozed are looked for.
    let _turn = if tab == Tab::Snoozed { Some(visit.state.search_turn().await?) } else { None };
    let found = waiting::page(visit.engine(), tab, visit.asked("cursor"), visit.now).await?;
    let in_doubt =
        counts.deliveries.iter().filter(|((_, status), _)| *status == DeliveryStatus::Ambiguous.as_str());
    Ok(json!({
        "tab": tab.as_str(),
        "tabs": Tab::ALL.iter().map(|tab| {
            let place = visit.with(&[("tab", Some(tab.as_str())), ("cursor", None), ("said", None)]);
            json!({ "name": tab.as_str(), "href": place })
        }).collect::<Vec<_>>(),
        "stalled": stalled,
        "in_doubt": in_doubt.map(|(_, count)| count).sum::<u64>(),
        "rows": found.rows.iter().map(|journey| row(visit, journey)).collect::<Vec<_>>(),
        "next": visit.next(found.cursor.as_deref()),
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
