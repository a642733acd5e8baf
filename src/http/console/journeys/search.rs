//! Journeys looked for in what an index gives, as far as a page has time for.

use crate::domain::journey::{Journey, JourneyFilter};
use crate::domain::page::PageRequest;
use crate::engine::{Engine, EngineError};

/// Rows of a page.
pub(super) const ROWS: usize = 50;
/// Most journeys that are looked at for one page: what is rare is looked for on the next one.
const LOOKED_AT: usize = 1000;
/// Fewest that are asked for at once, so that a page may have a few rows more than others.
const STEP: usize = 20;

/// A page of journeys, and where the next one begins.
pub(super) struct Found {
    pub rows: Vec<Journey>,
    pub cursor: Option<String>,
}

/// Those of `index` that are `wanted`. `index` is to name only what has an index: status `stalled`, the user, times.
pub(super) async fn search(
    engine: &Engine,
    index: &JourneyFilter,
    cursor: Option<&str>,
    wanted: impl Fn(&Journey) -> bool,
) -> Result<Found, EngineError> {
    let mut found = Found { rows: Vec::new(), cursor: cursor.map(str::to_owned) };
    let mut looked_at = 0;
    loop {
        let limit = (ROWS - found.rows.len()).max(STEP);
        let page = engine.journeys(index, &PageRequest { limit, cursor: found.cursor.take() }).await?;
        looked_at += limit;
        found.rows.extend(page.rows.into_iter().filter(&wanted));
        found.cursor = page.cursor;
        if found.cursor.is_none() || found.rows.len() >= ROWS || looked_at >= LOOKED_AT {
            return Ok(found);
        }
    }
}
