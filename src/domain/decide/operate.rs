//! What operators do with a journey.

use std::sync::Arc;

use super::Decision;
use super::compute::arm;
use crate::domain::ids::{DeliveryId, JourneyId};
use crate::domain::journey::{EscalationReceipt, Journey, Note};
use crate::domain::limits;
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

/// Why an operator's word had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperateError {
    /// The user has no such journey any more.
    NotFound,
    /// It is finished.
    NotOpen,
    /// Its present stall was acknowledged already, so there is nothing to put off.
    Acknowledged,
    /// It is not to be snoozed to before now, or that far.
    OutOfRange,
    /// It would be given up by then.
    Expires(Timestamp),
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

    /// Lets the ladder of the journey's present stall rest until then.
    ///
    /// # Errors
    /// When it is unknown, finished, acknowledged, or given up before that.
    pub fn snooze(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        until: Timestamp,
        note: Note,
    ) -> Result<Journey, OperateError> {
        let journey = find(profile, id)?;
        let expires_at = journey.expires_at(self.rules.definitions.flows.get(&journey.flow).map(Arc::as_ref));
        if !journey.status.is_open() {
            return Err(OperateError::NotOpen);
        }
        if journey.acknowledgement().is_some() {
            return Err(OperateError::Acknowledged);
        }
        if until <= note.at || until > note.at.plus(limits::MAX_SNOOZE) {
            return Err(OperateError::OutOfRange);
        }
        if until >= expires_at {
            return Err(OperateError::Expires(expires_at));
        }
        journey.snooze(until, note);
        let snoozed = journey.clone();
        // Where all levels fired, only the reminder is still to come.
        let wake = self.journeys_wake(profile);
        arm(profile, wake);
        Ok(snoozed)
    }

    /// Acknowledges the journey's present stall if it is the one that somebody was told of at `told_at`; says whether it is.
    pub fn acknowledge_told(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        told_at: Timestamp,
        note: Note,
    ) -> bool {
        let journey = find(profile, id).ok().filter(|journey| journey.was_told(told_at));
        journey.is_some_and(|journey| journey.acknowledge(note))
    }

    /// Notes what became of something that was sent for a journey; says whether that was news.
    pub fn receive(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        delivery: DeliveryId,
        receipt: Option<&EscalationReceipt>,
    ) -> bool {
        let is_news = find(profile, id).is_ok_and(|journey| journey.receive(delivery, receipt));
        if is_news {
            // Where nobody was reached, the next level is due.
            let wake = self.journeys_wake(profile);
            arm(profile, wake);
        }
        is_news
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
