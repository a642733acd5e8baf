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
    /// One of the stores is a part of a copy.
    #[error(
        "{place} is not whole: it holds a part of a copy of {source_place}, which the copy from there completes"
    )]
    Part {
        /// The store.
        place: String,
        /// What it is copied from.
        source_place: String,
    },
    /// The target has data of its own.
    #[error(
        "{place} is not empty, and nothing was written to it. If a copy into it was finished before, `--compare-only` tells whether \
         the two stores still hold the same; else empty it first"
    )]
    NotEmpty {
        /// The store.
        place: String,
    },
    /// The target is filled from something else.
    #[error(
        "{place} holds a part of a copy of {copied}, not of {source_place}, and nothing was written to it; go on with that copy, or \
         empty {place} first"
    )]
    OtherSource {
        /// The target.
        place: String,
        /// What it is copied from.
        copied: String,
        /// What was to be copied into it.
        source_place: String,
    },
    /// The source was written to meanwhile.
    #[error(
        "{source_place} was written to after the copy into {place} began; empty {place}, and copy anew with every server stopped"
    )]
    Changed {
        /// The target.
        place: String,
        /// The source.
        source_place: String,
    },
    /// An earlier comparison found that the target is not what the source is.
    #[error(
        "{place} holds a copy of {source_place} that is not the same as what it was copied from; empty {place}, and copy anew"
    )]
    Differs {
        /// The target.
        place: String,
        /// What it is copied from.
        source_place: String,
    },
    /// Both are one.
    #[error("source and target are the same store, {place}")]
    SameStore {
        /// The store.
        place: String,
    },
    /// Somebody else fills the target.
    #[error("another copy into {place} is under way; this one wrote nothing more")]
    OtherCopy {
        /// The target.
        place: String,
    },
}
