//! What is kept of one user's (or one group's) events for one leaf of a query, and what it yields at an instant.
//!
//! Nothing here knows of the query language: a [`Shape`] says which entries count and what is made of them.

mod entry;
mod kept;
mod packed;
mod pages;
mod session;
mod shape;
mod state;
mod stored;
mod sum;
mod table;
#[cfg(test)]
mod tests;
mod total;
mod tree;
mod window;
mod work;

pub use entry::{Entry, Order};
pub use packed::LeafState;
pub use pages::{Page, PageNumber, Pages};
pub use shape::{As, Reading, Reduce, Shape, Window};
pub use state::reduce_all;
pub use sum::number_value;

use crate::domain::time::Span;

/// Most entries that a [`Reduce::List`] keeps: the newest.
pub const LIST_KEPT: usize = 2000;

/// Most entries that a state keeps.
pub const MAX_ENTRIES: usize = 200_000;

/// Most distinct texts that a mode or a list of unique values counts.
pub const MAX_TEXTS: usize = 1000;

/// Most bytes of distinct texts that a mode or a list of unique values counts.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// How long before the start of the last session entries are kept, for those that arrive late and join them to it; or
/// twice the longest gap of a session if that is longer. An entry that is older is forgotten: should later arrivals close
/// all of the gap, it is not counted.
pub const SESSION_LATE: Span = Span::from_days(90);
