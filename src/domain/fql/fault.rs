//! Why an event could not be judged, and the bound on the work of judging it.

use crate::domain::limits::{MAX_FQL_STEPS, MAX_FQL_TEXT_BYTES};

use super::ast::Type;
use super::function::Function;

/// Why a filter could not judge an event: it is not sent then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FqlFault {
    /// Something is neither true nor false where that is needed.
    #[error("a {found} is no condition")]
    NoCondition {
        /// The type of what was found: `string`, `number`, `list` or `map`.
        found: &'static str,
    },
    /// A function was given a type that it does not take.
    #[error("`{function}` does not take a {found}")]
    WrongType {
        /// The name of the function.
        function: &'static str,
        /// The type that it was given.
        found: &'static str,
    },
    /// `number` was given a text that is none.
    #[error("a text that `number` was given is no number")]
    NoNumber,
    /// The pattern of a `match`, taken from the event, is none.
    #[error("a pattern taken from the event is none: {0}")]
    Pattern(String),
    /// A function would have made a text longer than [`MAX_FQL_TEXT_BYTES`].
    #[error("a function made a text that is too long (more than {MAX_FQL_TEXT_BYTES} bytes)")]
    TooLong,
    /// It would have taken more than [`MAX_FQL_STEPS`].
    #[error("the event takes too much work to judge (more than {MAX_FQL_STEPS} steps)")]
    TooMuchWork,
}

impl FqlFault {
    pub(super) fn wrong_type(function: Function, found: Type) -> Self {
        Self::WrongType { function: function.name(), found: found.name() }
    }
}

/// The work that may still be done.
pub(super) struct Budget(usize);

impl Budget {
    /// That of one event.
    pub(super) fn new() -> Self {
        Self(MAX_FQL_STEPS)
    }

    /// Takes from it.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), FqlFault> {
        self.0 = self.0.checked_sub(steps).ok_or(FqlFault::TooMuchWork)?;
        Ok(())
    }
}
