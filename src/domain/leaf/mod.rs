//! What is kept of one user's (or one group's) events for one leaf of a query, and what it yields at an instant.
//!
//! Nothing here knows of the query language: a [`Shape`] says which entries count and what is made of them.

mod entry;
mod shape;

pub use entry::{Entry, Order};
pub use shape::{As, Reading, Reduce, Shape, Window};

/// Most entries that a [`Reduce::List`] keeps: the newest.
pub const LIST_KEPT: usize = 2000;
