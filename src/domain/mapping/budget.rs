//! What one evaluation may cost. A mapping of a few lines can double its payload at every level, or go through a list for
//! every entry of a list: only counting while it works bounds that.

use crate::domain::limits::{MAX_MAPPED_BYTES, MAX_MAPPED_DEPTH, MAX_MAPPING_STEPS};

use super::error::Failure;

/// How many bytes of text are read for one step.
const BYTES_PER_STEP: usize = 64;
/// What a value counts for beside its text.
pub(super) const VALUE_BYTES: usize = 8;

/// What is left of an evaluation's work and of the bytes that it may make, those of results in between included.
pub(super) struct Budget {
    steps: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { steps: MAX_MAPPING_STEPS, bytes: MAX_MAPPED_BYTES }
    }

    /// One piece of work.
    pub(super) fn step(&mut self) -> Result<(), Failure> {
        self.steps_of(1)
    }

    /// The reading of a text that is not part of the definition.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Failure> {
        self.steps_of(1 + bytes / BYTES_PER_STEP)
    }

    fn steps_of(&mut self, steps: usize) -> Result<(), Failure> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| {
            Failure::new(format!("the mapping takes more than {MAX_MAPPING_STEPS} steps for this event"))
        })?;
        Ok(())
    }

    /// A value, or a key, with this much text.
    pub(super) fn value(&mut self, text: usize) -> Result<(), Failure> {
        self.make(text.saturating_add(VALUE_BYTES))
    }

    /// Text that is made, or copied.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            Failure::new(format!("the mapping makes more than {MAX_MAPPED_BYTES} bytes of this event"))
        })?;
        Ok(())
    }
}

/// Refuses what is nested too deep; `depth` is that of the value, from 0. What goes down a value calls it at every level,
/// so that no event can exhaust the stack.
pub(super) fn check_depth(depth: usize) -> Result<(), Failure> {
    if depth > MAX_MAPPED_DEPTH {
        let message = format!("the mapping gives values nested more than {MAX_MAPPED_DEPTH} deep");
        return Err(Failure::new(message));
    }
    Ok(())
}
