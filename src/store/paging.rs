//! One page out of a list, the same way in every backend.

use super::cursor::{self, Place};
use super::{Page, PageRequest, Result};
use crate::domain::limits;

/// A page that is being put together, row by row.
pub(super) struct Paging<P, T> {
    limit: usize,
    most: usize,
    looked: usize,
    last: Option<P>,
    rows: Vec<T>,
}

impl<P: Place, T> Paging<P, T> {
    /// The page that is asked for; nothing was looked at yet. It may look at `most` rows, at [`limits::MAX_SCAN`] where that is
    /// not said.
    pub(super) fn new(request: &PageRequest, most: Option<usize>) -> Self {
        let most = most.map_or(limits::MAX_SCAN, |most| most.clamp(1, limits::MAX_SCAN));
        Self { limit: request.limit.max(1), most, looked: 0, last: None, rows: Vec::new() }
    }

    /// Looks at the next row of the list: `None` where the filter does not want it. Answers the page where that was whole
    /// before: it has all the rows that were asked for, or as many were looked at as may be.
    pub(super) fn look_at(&mut self, place: P, row: Option<T>) -> Option<Page<T>> {
        let is_whole = self.rows.len() == self.limit || self.looked == self.most;
        if let Some(last) = self.last.as_ref().filter(|_| is_whole) {
            return Some(Page { rows: std::mem::take(&mut self.rows), cursor: Some(cursor::write(last)) });
        }
        self.looked += 1;
        self.rows.extend(row);
        self.last = Some(place);
        None
    }

    /// The page, at the end of the list.
    pub(super) fn end(self) -> Page<T> {
        Page { rows: self.rows, cursor: None }
    }
}

/// Takes a page from `items`, which come in the list's order, begin after the request's cursor and are looked up lazily.
/// A row is `None` where the filter does not want it. At most [`limits::MAX_SCAN`] are looked at; then the page is handed
/// out as it is, with a cursor.
pub(super) fn page<P: Place, T>(
    request: &PageRequest,
    items: impl Iterator<Item = Result<(P, Option<T>)>>,
) -> Result<Page<T>> {
    page_of(request, None, items)
}

/// The same, where at most that many may be looked at.
pub(super) fn page_of<P: Place, T>(
    request: &PageRequest,
    most: Option<usize>,
    items: impl Iterator<Item = Result<(P, Option<T>)>>,
) -> Result<Page<T>> {
    let mut paging = Paging::new(request, most);
    for item in items {
        let (place, row) = item?;
        if let Some(page) = paging.look_at(place, row) {
            return Ok(page);
        }
    }
    Ok(paging.end())
}
