//! How lists have a journey: what their indexes go by.

use super::{Journey, JourneyStatus};
use crate::domain::change::JourneyMove;
use crate::domain::time::Timestamp;

/// The place of a stalled journey in the inbox, where those come first that stand in their stage for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxPlace {
    /// Whether somebody took notice of the stall; those are a list of their own.
    pub is_acknowledged: bool,
    /// Since when it is in its stage.
    pub since: Timestamp,
}

/// How lists have a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its status.
    pub status: JourneyStatus,
    /// Where the inbox has it: exactly those that stall.
    pub inbox: Option<InboxPlace>,
}

impl Listed {
    /// Whether it stalls, and somebody took notice.
    pub fn is_acknowledged(&self) -> bool {
        self.inbox.is_some_and(|place| place.is_acknowledged)
    }
}

impl Journey {
    /// How lists have it.
    pub fn listed(&self) -> Listed {
        let is_stalled = self.status == JourneyStatus::Stalled;
        let place = || InboxPlace { is_acknowledged: self.acknowledgement().is_some(), since: self.stage_at };
        Listed { status: self.status, inbox: is_stalled.then(place) }
    }

    /// Changes the journey, and notes it where that makes lists have it otherwise.
    pub(super) fn relist(&mut self, moves: &mut Vec<JourneyMove>, change: impl FnOnce(&mut Self)) {
        let was = self.listed();
        change(self);
        if self.listed() != was {
            moves.push(JourneyMove::of(self, Some(was)));
        }
    }
}

#[cfg(test)]
#[path = "listed_tests.rs"]
mod tests;
