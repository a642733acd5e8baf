//! The inbox: stalled journeys, oldest first, by what people said of them.

use serde_json::{Value, json};

use super::super::page::{Answer, Refusal};
use super::super::visit::Visit;
use super::search::{Found, search};
use super::shown::{self, Rules, Tab};
use crate::domain::delivery::DeliveryStatus;
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus, Note};
use crate::domain::page::Order;
use crate::engine::EngineError;

pub(super) async fn inbox(visit: Visit) -> Answer {
    let asked = visit.asked("tab").unwrap_or_default();
    let tab = Tab::ALL.into_iter().find(|tab| tab.as_str() == asked).unwrap_or(Tab::Waiting);
    let context = context(&visit, tab).await.map_err(|error| Refusal::of(&visit, error))?;
    Ok(visit.page("inbox.html", context))
}

async fn context(visit: &Visit, tab: Tab) -> Result<Value, EngineError> {
    let found = of_tab(visit, tab, visit.asked("cursor")).await?;
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
    }))
}

/// How many journeys wait for a human.
pub(in crate::http::console) struct Waiting {
    /// How many were found.
    pub count: usize,
    /// Whether there may be more: only the first page of the inbox is counted.
    pub is_more: bool,
}

/// Counts them: those that the inbox begins with.
///
/// # Errors
/// The store can't be read.
pub(in crate::http::console) async fn waiting(visit: &Visit) -> Result<Waiting, EngineError> {
    let found = of_tab(visit, Tab::Waiting, None).await?;
    Ok(Waiting { count: found.rows.len(), is_more: found.cursor.is_some() })
}

/// Those of a tab, from that place on.
async fn of_tab(visit: &Visit, tab: Tab, cursor: Option<&str>) -> Result<Found, EngineError> {
    let stalled = JourneyFilter {
        status: Some(JourneyStatus::Stalled),
        order: Order::OldestFirst,
        ..JourneyFilter::default()
    };
    let is_of_tab = |journey: &Journey| Tab::of(journey, visit.now) == Some(tab);
    search(visit.engine(), &stalled, cursor, is_of_tab).await
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
