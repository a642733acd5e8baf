//! Stalled journeys in the order of the inbox: whoever has waited for a human longest comes first.

use super::shown::Tab;
use super::{LOOKED_AT, ROWS};
use crate::domain::ids::JourneyId;
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::{Order, Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};

/// Most stalled journeys that are put in order for a page. The index has them by when they were first seen; of more than these, that
/// is the order.
pub(super) const SORTED: usize = 500;

/// Where a page begins: behind this one.
type Place = (Timestamp, JourneyId);

/// Since when a stalled journey waits for a human: since the first level of its stall fired.
pub(super) fn since(journey: &Journey) -> Timestamp {
    journey.marks_of_stall().next().map_or(journey.stage_at, |mark| mark.at)
}

/// A page of those that are `wanted`; `stalled` is how many there are in all.
pub(super) async fn page(
    engine: &Engine,
    stalled: u64,
    cursor: Option<&str>,
    wanted: impl Fn(&Journey) -> bool,
) -> Result<Page<Journey>, EngineError> {
    let filter = stalled_first();
    let after = cursor.and_then(place);
    if !is_sorted(stalled) {
        let cursor = cursor.filter(|_| after.is_none()).map(str::to_owned);
        return engine.journeys_that(&filter, &PageRequest { limit: ROWS, cursor }, LOOKED_AT, wanted).await;
    }
    let mut rows = engine.journeys(&filter, &PageRequest { limit: SORTED, cursor: None }).await?.rows;
    rows.retain(|journey| wanted(journey) && after.is_none_or(|after| (since(journey), journey.id) > after));
    rows.sort_by_key(|journey| (since(journey), journey.id));
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let last = rows.last().filter(|_| more);
    let cursor = last.map(|last| format!("{}.{}", since(last).millis(), last.id));
    Ok(Page { rows, cursor })
}

/// How many journeys wait for a human.
pub(in crate::http::console) struct Waiting {
    /// How many were found.
    pub count: usize,
    /// Whether there may be more: it is counted as far as a page of the inbox goes.
    pub is_more: bool,
}

/// Counts them.
///
/// # Errors
/// The store can't be read.
pub(in crate::http::console) async fn count(engine: &Engine, now: Timestamp) -> Result<Waiting, EngineError> {
    let waits = |journey: &Journey| Tab::of(journey, now) == Some(Tab::Waiting);
    let page = PageRequest { limit: ROWS, cursor: None };
    let found = engine.journeys_that(&stalled_first(), &page, LOOKED_AT, waits).await?;
    Ok(Waiting { count: found.rows.len(), is_more: found.cursor.is_some() })
}

/// Those that stall, the oldest first.
fn stalled_first() -> JourneyFilter {
    JourneyFilter {
        status: Some(JourneyStatus::Stalled),
        order: Order::OldestFirst,
        ..JourneyFilter::default()
    }
}

/// Whether so many are put in order.
pub(super) fn is_sorted(stalled: u64) -> bool {
    stalled <= SORTED as u64
}

/// A cursor of this order; `None` for one of the index.
fn place(cursor: &str) -> Option<Place> {
    let (since, id) = cursor.split_once('.')?;
    Some((Timestamp::from_millis(since.parse().ok()?), id.parse().ok()?))
}
