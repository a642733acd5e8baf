//! Stalled journeys in the order of the inbox: those come first that stand in their stage for longest.

use super::shown::Tab;
use super::{LOOKED_AT, ROWS};
use crate::domain::journey::Journey;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};

/// Fewest that are asked for at once, so that a page may have a few rows more than others.
const STEP: usize = 20;

/// A page of a tab's journeys.
pub(super) async fn page(
    engine: &Engine,
    tab: Tab,
    cursor: Option<&str>,
    now: Timestamp,
) -> Result<Page<Journey>, EngineError> {
    let mut found = Page { rows: Vec::new(), cursor: cursor.map(str::to_owned) };
    let mut looked_at = 0;
    loop {
        let limit = (ROWS - found.rows.len()).max(STEP);
        let request = PageRequest { limit, cursor: found.cursor.take() };
        // Those that are snoozed stand among those that wait.
        let page = engine.inbox(tab == Tab::Acknowledged, &request).await?;
        looked_at += limit;
        found.rows.extend(page.rows.into_iter().filter(|journey| Tab::of(journey, now) == Some(tab)));
        found.cursor = page.cursor;
        if found.cursor.is_none() || found.rows.len() >= ROWS || looked_at >= LOOKED_AT {
            return Ok(found);
        }
    }
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
    let found = page(engine, Tab::Waiting, None, now).await?;
    Ok(Waiting { count: found.rows.len(), is_more: found.cursor.is_some() })
}
