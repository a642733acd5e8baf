//! Why a store can't be copied into another one.

use crate::store::StoreError;

/// Why a copy ended.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the stores failed. What was copied stays: the same copy can be gone on with.
    #[error("{0}; what was copied so far stays, and the same command goes on from there")]
    Store(#[from] StoreError),
    /// A server uses one of them.
    #[error(
        "{place} is in use by the node {node}; stop every server on it first (one that died is forgotten after some seconds), \
         then run the same command again"
    )]
    InUse {
        /// The store.
        place: String,
        /// Who uses it.
        node: String,
    },
    /// There is nothing to copy.
    #[error("there is nothing in {place}; is it the store that was meant?")]
    Empty {
        /// The store.
        place: String,
    },
    /// The source is itself half a copy.
    #[error("{place} holds only a part of a copy of {source_place}; copy from there")]
    Part {
        /// The store.
        place: String,
        /// What it is copied from.
        source_place: String,
    },
    /// The target has data of its own.
    #[error(
        "{place} is not empty; a store is copied into an empty one only, and nothing was written (if a copy into it was just finished, \
         it is whole: a part of one would be gone on with)"
    )]
    NotEmpty {
        /// The store.
        place: String,
    },
    /// The target is filled from something else.
    #[error(
        "{place} holds a part of a copy of {source_place}, of another source or of what this one held before it was written to \
         again; empty {place} and begin anew, nothing was written"
    )]
    OtherSource {
        /// The store.
        place: String,
        /// What it is copied from.
        source_place: String,
    },
    /// The source was written to meanwhile.
    #[error(
        "{place} was written to while it was copied; empty the target, and begin anew with every server stopped"
    )]
    Changed {
        /// The store.
        place: String,
    },
}
