//! Pages of a list, walked by cursor.

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Most rows, 1 to `limits::MAX_PAGE`.
    pub limit: usize,
    /// Where the page before ended, as that page said; `None` for the first page.
    pub cursor: Option<String>,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What was made last.
    #[default]
    NewestFirst,
    /// What was made first.
    OldestFirst,
}

impl Order {
    /// `rising`, the oldest first, in this order.
    pub fn of<'i, T: 'i>(
        self,
        rising: impl DoubleEndedIterator<Item = T> + 'i,
    ) -> Box<dyn Iterator<Item = T> + 'i> {
        match self {
            Self::NewestFirst => Box::new(rising.rev()),
            Self::OldestFirst => Box::new(rising),
        }
    }
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
