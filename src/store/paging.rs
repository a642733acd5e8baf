//! One page out of a list, the same way in every backend.

use super::cursor::{self, Place};
use super::{Page, PageRequest, Result};
use crate::domain::limits;

/// Takes a page from `items`, which come in the list's order, begin after the request's cursor and are looked up lazily.
/// A row is `None` where the filter does not want it. At most [`limits::MAX_SCAN`] are looked at; then the page is handed
/// out as it is, with a cursor.
pub(super) fn page<P: Place, T>(
    request: &PageRequest,
    items: impl Iterator<Item = Result<(P, Option<T>)>>,
) -> Result<Page<T>> {
    let limit = request.limit.max(1);
    let mut rows = Vec::new();
    let mut last = None;
    for (looked, item) in items.enumerate() {
        let (place, row) = item?;
        if let Some(last) = last.as_ref().filter(|_| rows.len() == limit || looked == limits::MAX_SCAN) {
            return Ok(Page { rows, cursor: Some(cursor::write(last)) });
        }
        rows.extend(row);
        last = Some(place);
    }
    Ok(Page { rows, cursor: None })
}
