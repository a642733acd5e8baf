//! The inbox: stalled journeys, those first that wait for longest, by what people said of them.

use serde_json::{Value, json};

use super::super::page::{Answer, Refusal};
use super::super::visit::Visit;
use super::shown::{self, Rules, Tab};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::journey::{Journey, JourneyStatus, Note};
use crate::domain::page::{Page, PageRequest};
use crate::engine::EngineError;

/// Rows of a page.
const ROWS: usize = 50;
/// Fewest that are asked for at once, so that a page may have a few rows more than others.
const STEP: usize = 20;
/// Most journeys that are looked at for one page.
const LOOKED_AT: usize = 1000;

pub(super) async fn inbox(visit: Visit) -> Answer {
    let asked = visit.asked("tab").unwrap_or_default();
    let tab = Tab::ALL.into_iter().find(|tab| tab.as_str() == asked).unwrap_or(Tab::Waiting);
    let context = context(&visit, tab).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("inbox.html", context))
}

async fn context(visit: &Visit, tab: Tab) -> Result<Value, EngineError> {
    let found = found(visit, tab).await?;
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

/// A page of a tab's journeys.
async fn found(visit: &Visit, tab: Tab) -> Result<Page<Journey>, EngineError> {
    // Those that are snoozed stand among those that wait.
    let _turn = if tab == Tab::Snoozed { Some(visit.state.search_turn().await?) } else { None };
    let mut found = Page { rows: Vec::new(), cursor: visit.asked("cursor").map(str::to_owned) };
    let mut looked_at = 0;
    loop {
        let limit = (ROWS - found.rows.len()).max(STEP);
        let request = PageRequest { limit, cursor: found.cursor.take() };
        let page = visit.engine().inbox(tab == Tab::Acknowledged, &request).await?;
        looked_at += limit;
        let of_tab = page.rows.into_iter().filter(|journey| Tab::of(journey, visit.now) == Some(tab));
        found.rows.extend(of_tab);
        found.cursor = page.cursor;
        if found.cursor.is_none() || found.rows.len() >= ROWS || looked_at >= LOOKED_AT {
            return Ok(found);
        }
    }
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
