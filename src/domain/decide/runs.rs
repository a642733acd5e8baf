//! Runs that Studio itself tells of: whose they are, and their end.
//!
//! Such a run is looked for by its execution, so its user is found by it as by an external id. Studio does not know the user: until
//! somebody names one, the run is with whom its contact's address leads to.

use super::Decision;
use super::compute::arm;
use crate::domain::change::{ExternalIdWrite, JourneyMove};
use crate::domain::definition::Flow;
use crate::domain::event::{Event, STUDIO_MESSAGE, StudioEnd};
use crate::domain::external_ids::EXECUTION;
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::{Journey, Journeys};
use crate::domain::profile::Profile;

impl Journey {
    /// Whether Studio alone told of it so far, so that its user is a conclusion.
    pub fn is_told_by_studio_alone(&self) -> bool {
        self.steps.iter().all(|step| step.message_id.starts_with(STUDIO_MESSAGE))
    }

    fn is_run(&self, execution_sid: &str) -> bool {
        self.execution_sid.as_deref() == Some(execution_sid)
    }
}

impl Profile {
    /// The user's runs that are that execution: one, unless flows were posted under several names.
    pub fn runs<'a>(&'a self, execution_sid: &'a str) -> impl Iterator<Item = &'a Journey> {
        self.journeys.iter().filter(move |journey| journey.is_run(execution_sid))
    }
}

impl Decision<'_> {
    /// Has the run found by its execution, where Studio may tell of it: it does, or its flow says which Studio flow it is.
    pub(super) fn index_run(&mut self, profile: &Profile, event: &Event, flow: Option<&Flow>) {
        let Some(run) = event.studio_run() else { return };
        let is_told_of = run.by_studio || flow.is_some_and(|flow| flow.sid.is_some());
        if is_told_of && profile.runs(run.execution_sid).next().is_none() {
            self.write_run(run.execution_sid, &profile.key, true);
        }
    }

    fn write_run(&mut self, execution_sid: &str, user: &UserKey, present: bool) {
        let (kind, id) = (EXECUTION.to_owned(), execution_sid.to_owned());
        self.changes.external_ids.push(ExternalIdWrite { kind, id, user: user.clone(), present });
    }

    /// The execution of a run ended.
    pub(super) fn end_run(
        &mut self,
        profile: &mut Profile,
        event: &Event,
        end: &StudioEnd<'_>,
    ) -> Option<JourneyId> {
        let (user, list) = (profile.key.clone(), &mut profile.journeys);
        let mut journeys = Journeys { user: &user, list, moves: &mut self.changes.journeys };
        let journey = journeys.end(end, event.timestamp.min(event.received_at), self.now);
        let wake = self.journeys_wake(profile);
        arm(profile, wake);
        journey
    }

    /// Gives a run to whom a widget's post names, where Studio alone told of it before. One of the same flow that he has already
    /// stays, and is the run.
    pub fn hand_over(&mut self, from: &mut Profile, to: &mut Profile, execution_sid: &str) {
        let goes = |journey: &mut Journey| {
            journey.is_run(execution_sid)
                && journey.is_told_by_studio_alone()
                && to.runs(execution_sid).all(|own| own.flow != journey.flow)
        };
        let going: Vec<Journey> = from.journeys.extract_if(.., goes).collect();
        if going.is_empty() {
            return;
        }
        self.write_run(execution_sid, &from.key, false);
        self.write_run(execution_sid, &to.key, true);
        for mut journey in going {
            journey.user = to.key.clone();
            journey.updated_at = self.now;
            let (id, user, status) = (journey.id, to.key.clone(), journey.status);
            let moved = JourneyMove { id, user, from: Some(status), to: status, moved: true };
            self.changes.journeys.push(moved);
            to.journeys.push(journey);
        }
        to.journeys.sort_by_key(|journey| journey.id);
        let user = to.key.clone();
        Journeys { user: &user, list: &mut to.journeys, moves: &mut self.changes.journeys }
            .supersede_surplus(self.now);
        self.archive(to, None);
        let wake = self.journeys_wake(to);
        arm(to, wake);
    }
}
