//! Runs that Studio itself tells of: whose they are, and their end.
//!
//! Such a run is looked for by its execution, so its user is found by it as by an external id. Studio does not know the user: until
//! somebody names one, the run is with whom its contact's address leads to.

use std::sync::Arc;

use super::Decision;
use super::compute::arm;
use super::intake::message_hash;
use crate::domain::change::{ExternalIdWrite, JourneyMove};
use crate::domain::definition::Flow;
use crate::domain::event::{
    Event, LONGEST_SID, STUDIO_MESSAGE, STUDIO_START, StudioEnd, StudioStep, studio_message,
};
use crate::domain::external_ids::EXECUTION;
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::{Death, Journey, Post, Step};
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

/// Whether the event tells of a run's beginning that one of this user's events told of before. Where Studio's was somebody
/// else's, of whom the run was taken over, the widget's is the first of this user.
pub(super) fn begins_again(profile: &Profile, event: &Event) -> bool {
    let Some((step, sid)) = event.studio_step().and_then(|step| Some((step, step.execution_sid?))) else {
        return false;
    };
    let is_told = |journey: &Journey| {
        journey.flow == step.flow && journey.beginning(step.stage, &event.message_id).is_some()
    };
    let start = studio_message(sid, STUDIO_START);
    let was_his = || {
        let start = message_hash(&start);
        profile.seen.recent.iter().any(|(known, _)| *known == start)
    };
    profile.runs(sid).any(is_told) && (event.message_id == start || was_his())
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
        let user = profile.key.clone();
        let mut journeys = self.changes.journeys_of(&user, &mut profile.journeys);
        let journey = journeys.end(end, event.timestamp.min(event.received_at), self.now);
        let wake = self.journeys_wake(profile);
        arm(profile, wake);
        journey
    }

    /// Has the open runs of flows found by their executions, as [`Self::index_run`] does: their flow may have been told only now
    /// which Studio flow it is.
    pub(super) fn index_open_runs(&mut self, profile: &Profile) {
        let definitions = Arc::clone(&self.rules.definitions);
        let has_sid = |name: &str| definitions.flows.get(name).is_some_and(|flow| flow.sid.is_some());
        let open =
            profile.journeys.iter().filter(|journey| journey.status.is_open() && has_sid(&journey.flow));
        let sids = open.filter_map(|journey| journey.execution_sid.as_deref());
        for sid in sids.filter(|sid| sid.len() <= LONGEST_SID) {
            self.write_run(sid, &profile.key, true);
        }
    }

    /// Gives a run to whom a widget's post names, where Studio alone told of it before. One of the same flow that he has already
    /// stays, and is the run: what the other one knows goes over to it, and that one is closed.
    pub fn hand_over(&mut self, from: &mut Profile, to: &mut Profile, execution_sid: &str) {
        let has_it = |flow: &str| to.runs(execution_sid).any(|own| own.flow == flow);
        let concluded =
            |journey: &Journey| journey.is_run(execution_sid) && journey.is_told_by_studio_alone();
        let goes = |journey: &mut Journey| concluded(journey) && !has_it(&journey.flow);
        let going: Vec<Journey> = from.journeys.extract_if(.., goes).collect();
        let copies: Vec<Journey> = from.journeys.iter().filter(|it| concluded(it)).cloned().collect();
        if going.is_empty() && copies.is_empty() {
            return;
        }
        self.write_run(execution_sid, &from.key, false);
        self.write_run(execution_sid, &to.key, true);
        for copy in &copies {
            self.add_copy(to, copy, execution_sid);
        }
        let user = from.key.clone();
        self.changes.journeys_of(&user, &mut from.journeys).supersede_run(execution_sid, self.now);
        for mut journey in going {
            journey.user = to.key.clone();
            journey.updated_at = self.now;
            self.changes.journeys.push(JourneyMove::to_another(&journey));
            to.journeys.push(journey);
        }
        to.journeys.sort_by_key(|journey| journey.id);
        let user = to.key.clone();
        self.changes.journeys_of(&user, &mut to.journeys).supersede_surplus(self.now);
        self.archive(to, None);
        let wake = self.journeys_wake(to);
        arm(to, wake);
    }

    /// Adds to a user's run what another one's copy of it knows beyond that: stages, and the end.
    fn add_copy(&mut self, to: &mut Profile, copy: &Journey, execution_sid: &str) {
        let definitions = Arc::clone(&self.rules.definitions);
        let flow = definitions.flows.get(&copy.flow).map(Arc::as_ref);
        let lacks = |to: &Profile, stage: &str| {
            to.runs(execution_sid)
                .filter(|own| own.flow == copy.flow)
                .flat_map(|own| &own.steps)
                .all(|own| own.stage != stage)
        };
        let lacking: Vec<&Step> = copy.steps.iter().filter(|step| lacks(to, &step.stage)).collect();
        let user = to.key.clone();
        let mut journeys = self.changes.journeys_of(&user, &mut to.journeys);
        for Step { stage, at, received_at, message_id } in lacking {
            let step = StudioStep {
                flow: &copy.flow,
                stage,
                phone_number: None,
                execution_sid: Some(execution_sid),
            };
            let post = Post { step, at: *at, received_at: *received_at, message_id };
            journeys.post(flow, &post, self.now, self.ids);
        }
        if let Some(Death { at, reason, .. }) = &copy.died {
            journeys.end(&StudioEnd { flow: &copy.flow, execution_sid, reason }, *at, self.now);
        }
    }
}
