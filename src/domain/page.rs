//! Pages of a list, walked by cursor.

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Most rows, 1 to `limits::MAX_PAGE`.
    pub limit: usize,
    /// Where the page before ended, as that page said; `None` for the first page.
    pub cursor: Option<String>,
}

/// One part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows. May be fewer than asked (even none) while `cursor` says that there is more.
    pub rows: Vec<T>,
    /// Where to go on; `None` at the end. Opaque to callers.
    pub cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(change).collect(), cursor: self.cursor }
    }
}
