//! How a posted stage moves a user's journeys.
//!
//! A run is named by its execution SID where the post has one. Without one, the flow's initial stage opens a run and
//! other stages belong to the newest open one. Posts may come late or out of order: a finished run is never reopened,
//! and its timeline keeps them all.

use super::{Death, Journey, JourneyStatus, Step};
use crate::domain::change::JourneyMove;
use crate::domain::definition::Flow;
use crate::domain::event::{STUDIO_MESSAGE, STUDIO_START, StudioEnd, StudioStep, studio_message};
use crate::domain::figures::Counted;
use crate::domain::ids::{IdSource, JourneyId, UserKey};
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A stage post with its times.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// What it says.
    pub step: StudioStep<'a>,
    /// When the stage was reached; never after `received_at`.
    pub at: Timestamp,
    /// When the post arrived.
    pub received_at: Timestamp,
    /// The post's message id.
    pub message_id: &'a str,
}

/// A user's journeys, with what is needed to move them.
pub struct Journeys<'a> {
    /// Whose.
    pub user: &'a UserKey,
    /// Open ones and the newest finished ones, in the order they were opened.
    pub list: &'a mut Vec<Journey>,
    /// Where changes of status are noted.
    pub moves: &'a mut Vec<JourneyMove>,
    /// Where it is counted which stages they reach.
    pub figures: &'a mut Counted,
}

impl Journeys<'_> {
    /// Takes in one post of `flow` (`None` when no definition knows it); answers the run that it belongs to.
    pub fn post(
        &mut self,
        flow: Option<&Flow>,
        post: &Post<'_>,
        now: Timestamp,
        ids: &mut IdSource,
    ) -> JourneyId {
        let index = match self.find(flow, post) {
            Some(index) => index,
            None => self.open(flow, post, now, ids),
        };
        self.add_step(index, flow, post, now);
        self.list[index].id
    }

    /// The run that a post belongs to, if it is one of those known.
    fn find(&self, flow: Option<&Flow>, post: &Post<'_>) -> Option<usize> {
        if let Some(sid) = post.step.execution_sid {
            return self.newest(post, |journey| journey.execution_sid.as_deref() == Some(sid));
        }
        let initial = flow.and_then(|flow| flow.initial.as_deref());
        if initial == Some(post.step.stage) {
            // A late initiation: the run that it began was opened by a stage that overtook it.
            return self.newest(post, |journey| {
                post.at <= journey.started_at
                    && journey.steps.iter().all(|step| Some(step.stage.as_str()) != initial)
            });
        }
        self.newest(post, |journey| journey.status.is_open())
            // Late, but it happened while that run was still going on.
            .or_else(|| {
                self.newest(post, |journey| journey.started_at <= post.at && post.at < journey.stage_at)
            })
    }

    fn newest(&self, post: &Post<'_>, wanted: impl Fn(&Journey) -> bool) -> Option<usize> {
        self.list.iter().rposition(|journey| journey.flow == post.step.flow && wanted(journey))
    }

    /// Opens a run. An initial stage without a SID takes the place of what is open in that flow, unless a newer run was
    /// there before it: then it is itself the one that was superseded.
    fn open(&mut self, flow: Option<&Flow>, post: &Post<'_>, now: Timestamp, ids: &mut IdSource) -> usize {
        let begins = post.step.execution_sid.is_none()
            && flow.is_some_and(|flow| flow.initial.as_deref() == Some(post.step.stage));
        let overtaken = begins && self.newest(post, |journey| journey.started_at > post.at).is_some();
        if begins && !overtaken {
            self.supersede(now, |journey| journey.flow == post.step.flow);
        }
        self.leave_open(limits::MAX_OPEN_JOURNEYS - 1, now);
        let id = ids.journey(now);
        let status = if overtaken { JourneyStatus::Superseded } else { JourneyStatus::Active };
        let journey = Journey {
            id,
            user: self.user.clone(),
            flow: post.step.flow.to_owned(),
            phone_number: None,
            execution_sid: post.step.execution_sid.map(str::to_owned),
            status,
            stage: post.step.stage.to_owned(),
            stage_at: post.at,
            started_at: post.at,
            updated_at: now,
            ended_at: overtaken.then_some(now),
            steps: Vec::new(),
            steps_left_out: 0,
            escalations: Vec::new(),
            acknowledged: Vec::new(),
            snoozes: Vec::new(),
            died: None,
            resolved: None,
        };
        self.moves.push(JourneyMove::of(&journey, None));
        self.list.push(journey);
        self.list.len() - 1
    }

    /// The execution of a run ended; answers the run, if it is known. One that is still open died of it: it reached no terminal
    /// stage. Told late, or again, that does no harm.
    pub fn end(&mut self, end: &StudioEnd<'_>, at: Timestamp, now: Timestamp) -> Option<JourneyId> {
        let is_it = |journey: &&mut Journey| {
            journey.flow == end.flow && journey.execution_sid.as_deref() == Some(end.execution_sid)
        };
        let journey = self.list.iter_mut().rev().find(is_it)?;
        if journey.status.is_open() && journey.died.as_ref().is_none_or(|known| at < known.at) {
            let told_at = journey.died.as_ref().map_or(now, |known| known.told_at);
            journey.died = Some(Death { at, reason: end.reason.to_owned(), told_at });
            journey.updated_at = now;
        }
        Some(journey.id)
    }

    /// Closes the runs that are that execution: somebody else has it.
    pub fn supersede_run(&mut self, execution_sid: &str, now: Timestamp) {
        self.supersede(now, |journey| journey.execution_sid.as_deref() == Some(execution_sid));
    }

    /// Supersedes the oldest of the open runs where there are more than one user may have.
    pub fn supersede_surplus(&mut self, now: Timestamp) {
        self.leave_open(limits::MAX_OPEN_JOURNEYS, now);
    }

    /// Supersedes the oldest of the open runs until there are no more than `most`.
    fn leave_open(&mut self, most: usize, now: Timestamp) {
        let open: Vec<JourneyId> =
            self.list.iter().filter(|journey| journey.status.is_open()).map(|journey| journey.id).collect();
        let surplus = &open[..open.len().saturating_sub(most)];
        self.supersede(now, |journey| surplus.contains(&journey.id));
    }

    fn supersede(&mut self, now: Timestamp, which: impl Fn(&Journey) -> bool) {
        for journey in self.list.iter_mut().filter(|journey| journey.status.is_open()) {
            if which(journey) {
                journey.relist(self.moves, |it| close(it, JourneyStatus::Superseded, now, now));
            }
        }
    }

    fn add_step(&mut self, index: usize, flow: Option<&Flow>, post: &Post<'_>, now: Timestamp) {
        let timeline: usize = self.list.iter().flat_map(|journey| &journey.steps).map(step_bytes).sum();
        let journey = &mut self.list[index];
        journey.updated_at = now;
        journey.started_at = journey.started_at.min(post.at);
        if let Some(phone) = post.step.phone_number {
            journey.phone_number = Some(phone.to_owned());
        }
        record(journey, post, timeline, self.figures);
        journey.relist(self.moves, |journey| {
            if flow.is_some_and(|flow| flow.is_terminal(post.step.stage)) {
                complete(journey, post);
            } else if journey.status != JourneyStatus::Completed {
                enter_stage(journey, post);
            }
        });
    }
}

fn step_bytes(step: &Step) -> usize {
    step.stage.len() + step.message_id.len() + 32
}

impl Journey {
    /// Where the timeline has the beginning of which a message tells once more: Studio tells of it by itself, and so may a widget
    /// that posts the initial stage.
    pub fn beginning(&self, stage: &str, message_id: &str) -> Option<usize> {
        let start = studio_message(self.execution_sid.as_deref()?, STUDIO_START);
        let by_studio = |id: &str| id.starts_with(STUDIO_MESSAGE);
        let mut known = self.steps.iter().enumerate().filter(|(_, step)| step.stage == stage);
        if message_id == start {
            return known.find(|(_, step)| !by_studio(&step.message_id)).map(|(place, _)| place);
        }
        // A widget that posts the stage again returned to it.
        let first = known.next().filter(|(_, step)| step.message_id == start && !by_studio(message_id));
        first.filter(|_| known.next().is_none()).map(|(place, _)| place)
    }
}

/// Puts the step into the timeline, in the order of the times at which stages happened. The beginning stands there once, by the
/// widget's message: it names the user.
fn record(journey: &mut Journey, post: &Post<'_>, timeline: usize, figures: &mut Counted) {
    if let Some(place) = journey.beginning(post.step.stage, post.message_id) {
        if !post.message_id.starts_with(STUDIO_MESSAGE) {
            post.message_id.clone_into(&mut journey.steps[place].message_id);
        }
        return;
    }
    let bytes = timeline + post.step.stage.len() + post.message_id.len();
    if journey.steps.len() >= limits::MAX_JOURNEY_STEPS || bytes > limits::MAX_TIMELINE_BYTES {
        journey.steps_left_out = journey.steps_left_out.saturating_add(1);
        return;
    }
    let place =
        journey.steps.partition_point(|step| (step.at, step.received_at) <= (post.at, post.received_at));
    journey.count_reached(post.step.stage, post.at, place, figures);
    journey.steps.insert(
        place,
        Step {
            stage: post.step.stage.to_owned(),
            at: post.at,
            received_at: post.received_at,
            message_id: post.message_id.to_owned(),
        },
    );
}

/// A terminal stage was reached, now or (when it comes late) earlier than what was known.
fn complete(journey: &mut Journey, post: &Post<'_>) {
    let earlier = journey.status == JourneyStatus::Completed && post.at < journey.stage_at;
    if journey.status.is_open() || earlier {
        post.step.stage.clone_into(&mut journey.stage);
        journey.stage_at = post.at;
    }
    // A terminal stage that is told of after the end was reached before it.
    journey.died = None;
    if journey.status.is_open() {
        close(journey, JourneyStatus::Completed, post.at, post.received_at);
    } else if earlier {
        journey.ended_at = Some(post.at);
    }
}

/// Another stage was posted: the stage that happened last is the one the journey is in, since its first post in a row.
fn enter_stage(journey: &mut Journey, post: &Post<'_>) {
    let (stage, since) = match journey.steps.last() {
        Some(last) if journey.steps_left_out == 0 => {
            let row = journey.steps.iter().rev().take_while(|step| step.stage == last.stage);
            (last.stage.clone(), row.map(|step| step.at).min().unwrap_or(last.at))
        }
        _ if post.at >= journey.stage_at && post.step.stage != journey.stage => {
            (post.step.stage.to_owned(), post.at)
        }
        _ => return,
    };
    let is_new = stage != journey.stage || since > journey.stage_at;
    if is_new && journey.status == JourneyStatus::Stalled {
        journey.status = JourneyStatus::Active;
    }
    if stage == journey.stage && since < journey.stage_at {
        begin_earlier(journey, since);
    }
    journey.stage = stage;
    journey.stage_at = since;
}

/// It is the same stay, and began earlier than was known: what people said of it holds on.
fn begin_earlier(journey: &mut Journey, since: Timestamp) {
    let Journey { stage, stage_at, acknowledged, snoozes, .. } = journey;
    for known in acknowledged.iter_mut().filter(|it| it.stage == *stage && it.stage_at == *stage_at) {
        known.stage_at = since;
    }
    for known in snoozes.iter_mut().filter(|it| it.stage == *stage && it.stage_at == *stage_at) {
        known.stage_at = since;
    }
}

/// Ends an open journey.
pub(super) fn close(journey: &mut Journey, status: JourneyStatus, ended_at: Timestamp, now: Timestamp) {
    journey.status = status;
    journey.ended_at = Some(ended_at);
    journey.updated_at = now;
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
