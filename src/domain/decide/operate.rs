//! What operators do with a journey.

use std::sync::Arc;

use super::Decision;
use super::compute::arm;
use crate::domain::ids::{DeliveryId, JourneyId};
use crate::domain::journey::{EscalationReceipt, Journey, Note, Standing};
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
    /// The stall that somebody was told of is over: what he says is not about what the journey does now.
    MovedOn,
    /// Its present stall was acknowledged already, so there is nothing to put off.
    Acknowledged,
    /// It is not to be snoozed to before now, or that far.
    OutOfRange,
    /// It would be given up by then.
    Expires(Timestamp),
}

impl Decision<'_> {
    /// Stops the ladder of the journey's present stall; only if that is the one that somebody was told of at `told_at`, where that
    /// is given. Acknowledged twice, the first word stands.
    ///
    /// # Errors
    /// When it is unknown or finished, or that stall is over.
    pub fn acknowledge(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        told_at: Option<Timestamp>,
        note: Note,
    ) -> Result<Journey, OperateError> {
        let journey = find(profile, id)?;
        match journey.standing(told_at) {
            Standing::Closed => return Err(OperateError::NotOpen),
            Standing::MovedOn => return Err(OperateError::MovedOn),
            Standing::Acknowledged => {}
            Standing::Stalled => journey.acknowledge(note, &mut self.changes.journeys),
        }
        Ok(journey.clone())
    }

    /// Lets the ladder of the journey's present stall rest until then; `told_at` as in [`Self::acknowledge`].
    ///
    /// # Errors
    /// When it is unknown, finished, acknowledged, or given up before that, or that stall is over.
    pub fn snooze(
        &mut self,
        profile: &mut Profile,
        id: JourneyId,
        until: Timestamp,
        told_at: Option<Timestamp>,
        note: Note,
    ) -> Result<Journey, OperateError> {
        let journey = find(profile, id)?;
        let flow = self.rules.definitions.flows.get(&journey.flow).map(Arc::as_ref);
        let team = flow.and_then(|flow| self.team_of(flow));
        let expires_at = journey.expires_at(flow, team.as_deref());
        match journey.standing(told_at) {
            Standing::Closed => return Err(OperateError::NotOpen),
            Standing::MovedOn => return Err(OperateError::MovedOn),
            Standing::Acknowledged => return Err(OperateError::Acknowledged),
            Standing::Stalled => {}
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
        if done { Ok(journey.clone()) } else { Err(OperateError::NotOpen) }
    }
}

fn find(profile: &mut Profile, id: JourneyId) -> Result<&mut Journey, OperateError> {
    profile.journeys.iter_mut().find(|journey| journey.id == id).ok_or(OperateError::NotFound)
}
