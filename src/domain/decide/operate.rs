//! What operators do with a journey.

use super::Decision;
use crate::domain::ids::JourneyId;
use crate::domain::journey::{Journey, Note};
use crate::domain::profile::Profile;

/// Why an operator's word had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperateError {
    /// The user has no such journey any more.
    NotFound,
    /// It is finished.
    NotOpen,
}

impl Decision<'_> {
    /// Stops the ladder of the journey's present stall.
    ///
    /// # Errors
    /// When it is unknown or finished.
    pub fn acknowledge(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        note: Note,
    ) -> Result<Journey, OperateError> {
        let journey = find(profile, id)?;
        let done = journey.acknowledge(note);
        answer(journey, done)
    }

    /// Closes the journey.
    ///
    /// # Errors
    /// When it is unknown or finished.
    pub fn resolve(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        note: Note,
    ) -> Result<Journey, OperateError> {
        let journey = find(profile, id)?;
        let done = journey.resolve(note, &mut self.changes.journeys);
        answer(journey, done)
    }
}

fn find(profile: &mut Profile, id: JourneyId) -> Result<&mut Journey, OperateError> {
    profile.journeys.iter_mut().find(|journey| journey.id == id).ok_or(OperateError::NotFound)
}

fn answer(journey: &Journey, done: bool) -> Result<Journey, OperateError> {
    if done { Ok(journey.clone()) } else { Err(OperateError::NotOpen) }
}
