//! Why the engine did not do what it was asked.

use crate::domain::definition::Problem;
use crate::domain::people::StaffError;
use crate::store::StoreError;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Too much is waiting for the writer; come back in `limits::RETRY_AFTER_SECS`.
    #[error("too much is waiting to be written; try again in a second")]
    Busy,
    /// The server is stopping, or its store failed; nothing was accepted.
    #[error("the server is not accepting anything now: {0}")]
    Unavailable(String),
    /// There is no such thing.
    #[error("there is no {what} `{key}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// The name it was asked by.
        key: String,
    },
    /// What was asked does not fit the state of things.
    #[error("{0}")]
    Conflict(String),
    /// What was asked can't be done with a person.
    #[error(transparent)]
    Staff(#[from] StaffError),
    /// What was asked is not valid.
    #[error("{} problem(s): {}", .0.len(), .0.first().map(|problem| problem.message.as_str()).unwrap_or_default())]
    Invalid(Vec<Problem>),
    /// The store could not read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
