//! What a team's summary tells of the journeys of some time: figures of each flow, when journeys stalled, and who still waits.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::decide::in_words;
use super::journey::{Journey, JourneyStatus};
use super::limits::{SUMMARY_FLOWS, SUMMARY_OLDEST};
use super::time::{Span, Timestamp};

/// What happened in one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Journeys that were first seen.
    pub started: u64,
    /// That reached a terminal stage.
    pub completed: u64,
    /// Times that a journey stood in a stage for too long.
    pub stalled: u64,
    /// Times that a level fired, whatever it did and however many it told.
    pub escalations: u64,
    /// Stalls that somebody took notice of.
    pub acknowledged: u64,
    /// Journeys that somebody closed.
    pub resolved: u64,
    /// That were given up.
    pub expired: u64,
    /// That are stalled now, and nobody took notice of it.
    pub waiting: u64,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.completed += other.completed;
        self.stalled += other.stalled;
        self.escalations += other.escalations;
        self.acknowledged += other.acknowledged;
        self.resolved += other.resolved;
        self.expired += other.expired;
        self.waiting += other.waiting;
    }

    fn fields(&self) -> Value {
        json!({
            "started": self.started,
            "completed": self.completed,
            "stalled": self.stalled,
            "escalations": self.escalations,
            "acknowledged": self.acknowledged,
            "resolved": self.resolved,
            "expired": self.expired,
            "waiting": self.waiting,
        })
    }
}

/// A journey that still waits for somebody.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    stage_at: Timestamp,
    shown: Value,
}

/// A summary as it is put together.
#[derive(Clone, Debug)]
pub struct Tally {
    from: Timestamp,
    until: Timestamp,
    now: Timestamp,
    flows: BTreeMap<String, Figures>,
    /// Stalls in each hour.
    hours: Vec<u64>,
    oldest: Vec<Waiting>,
}

impl Tally {
    /// Nothing counted yet of what happens from `from` until before `until`; who still waits is said of `now`.
    pub fn new(from: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let hour = Span::from_hours(1).millis();
        let hours = until.millis_since(from).max(0).div_euclid(hour);
        let is_whole = until.millis_since(from).rem_euclid(hour) == 0;
        let hours = usize::try_from(hours).unwrap_or_default() + usize::from(!is_whole);
        Self { from, until, now, flows: BTreeMap::new(), hours: vec![0; hours], oldest: Vec::new() }
    }

    /// The time that it is about: from, and until before.
    pub fn window(&self) -> (Timestamp, Timestamp) {
        (self.from, self.until)
    }

    /// Counts a journey; each is to be counted once.
    pub fn count(&mut self, journey: &Journey) {
        let is_in = |at: Timestamp| self.from <= at && at < self.until;
        let count = |is: bool| u64::from(is);
        let ended = |status| count(journey.status == status && journey.ended_at.is_some_and(is_in));
        let stalls: Vec<Timestamp> = stalls(journey).into_iter().filter(|at| is_in(*at)).collect();
        let is_waiting = journey.status == JourneyStatus::Stalled && journey.acknowledgement().is_none();
        let how_many = |all: usize| u64::try_from(all).unwrap_or(u64::MAX);
        let alarms: BTreeSet<_> = journey
            .escalations
            .iter()
            .filter(|mark| is_in(mark.at))
            .map(|mark| (&mark.stage, mark.level, mark.again, mark.at))
            .collect();
        let figures = Figures {
            started: count(is_in(journey.id.made_at())),
            completed: ended(JourneyStatus::Completed),
            stalled: how_many(stalls.len()),
            escalations: how_many(alarms.len()),
            acknowledged: how_many(journey.acknowledged.iter().filter(|it| is_in(it.note.at)).count()),
            resolved: count(journey.resolved.as_ref().is_some_and(|note| is_in(note.at))),
            expired: ended(JourneyStatus::Expired),
            waiting: count(is_waiting),
        };
        if figures == Figures::default() {
            return;
        }
        for at in stalls {
            let hour = at.millis_since(self.from) / Span::from_hours(1).millis();
            if let Some(hour) = usize::try_from(hour).ok().and_then(|hour| self.hours.get_mut(hour)) {
                *hour += 1;
            }
        }
        self.flows.entry(journey.flow.clone()).or_default().add(&figures);
        if is_waiting {
            self.note_waiting(journey);
        }
    }

    fn note_waiting(&mut self, journey: &Journey) {
        let user = journey.user.user_id().or(journey.user.anonymous_id());
        let shown = json!({
            "id": journey.id,
            "userId": user,
            "phoneNumber": journey.phone_number,
            "flow": journey.flow,
            "stage": journey.stage,
            "stageAt": journey.stage_at,
            "stalledFor": in_words(self.now.millis_since(journey.stage_at)),
        });
        self.oldest.push(Waiting { stage_at: journey.stage_at, shown });
        self.oldest.sort_by_key(|waiting| waiting.stage_at);
        self.oldest.truncate(SUMMARY_OLDEST);
    }

    /// What the mail tells: the flows in which most journeys wait or stalled first. `is_whole` says whether every journey that
    /// could matter was counted.
    pub fn finish(self, team: &str, is_whole: bool) -> Value {
        let mut total = Figures::default();
        self.flows.values().for_each(|figures| total.add(figures));
        let mut flows: Vec<(String, Figures)> = self.flows.into_iter().collect();
        flows.sort_by_key(|(_, figures)| {
            std::cmp::Reverse((figures.waiting, figures.stalled, figures.started))
        });
        let more_flows = flows.len().saturating_sub(SUMMARY_FLOWS);
        let row = |(flow, figures): &(String, Figures)| {
            let mut row = json!({ "flow": flow });
            if let (Value::Object(row), Value::Object(fields)) = (&mut row, figures.fields()) {
                row.extend(fields);
            }
            row
        };
        json!({
            "team": team,
            "from": self.from,
            "until": self.until,
            "flows": flows.iter().take(SUMMARY_FLOWS).map(row).collect::<Vec<_>>(),
            "moreFlows": more_flows,
            "total": total.fields(),
            "hours": self.hours,
            "oldest": self.oldest.into_iter().map(|waiting| waiting.shown).collect::<Vec<_>>(),
            "whole": is_whole,
        })
    }
}

/// When the journey began to stand in a stage for too long: for each stage when its first level fired; where none did, when
/// its execution died.
fn stalls(journey: &Journey) -> Vec<Timestamp> {
    let stages: BTreeSet<&str> = journey.escalations.iter().map(|mark| mark.stage.as_str()).collect();
    let first =
        |stage: &str| journey.escalations.iter().filter(|mark| mark.stage == stage).map(|mark| mark.at).min();
    let died = journey.died.as_ref().filter(|_| stages.is_empty()).map(|death| death.at);
    stages.into_iter().filter_map(first).chain(died).collect()
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
