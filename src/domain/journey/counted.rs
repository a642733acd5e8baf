//! What figures know of a journey.

use super::{Journey, JourneyStatus, Step};
use crate::domain::figures::{self, Counted, Family};
use crate::domain::time::{Span, Timestamp};

impl Journey {
    /// Counts the stage of a post that is about to have that place in the timeline, where it is not there yet. (What finds no room in
    /// the timeline is not counted: nobody could tell whether it was the first time.)
    pub(super) fn count_reached(&self, stage: &str, at: Timestamp, place: usize, counted: &mut Counted) {
        if self.steps.iter().any(|step| step.stage == stage) {
            return;
        }
        let before = &self.steps[..place];
        let is_first = |index: &usize| before[..*index].iter().all(|step| step.stage != before[*index].stage);
        let newest = (0..place).rev().find(is_first).map(|index| before[index].at);
        self.count_stage(stage, newest.map(|newest| Span::from_millis(at.millis_since(newest))), counted);
    }

    fn count_stage(&self, stage: &str, wait: Option<Span>, counted: &mut Counted) {
        let first_seen = self.id.made_at();
        figures::count_of_day(counted, first_seen, Family::Reached, &self.flow, figures::known_as(stage));
        if let Some(wait) = wait {
            let detail = figures::wait_detail(stage, wait);
            figures::count_of_day(counted, first_seen, Family::Waited, &self.flow, &detail);
        }
    }

    /// Counts all that would have been counted of it by now and that belongs to a day, or to all of time.
    pub fn count_anew(&self, counted: &mut Counted) {
        let (first_seen, status) = (self.id.made_at(), self.status.as_str());
        figures::count(counted, Family::Standing, &self.flow, status, 1);
        figures::count_of_day(counted, first_seen, Family::Opened, &self.flow, "");
        let mut firsts: Vec<&Step> = Vec::new();
        for step in &self.steps {
            if firsts.iter().all(|first| first.stage != step.stage) {
                let wait = firsts.last().map(|newest| Span::from_millis(step.at.millis_since(newest.at)));
                self.count_stage(&step.stage, wait, counted);
                firsts.push(step);
            }
        }
        if let Some(at) = self.ended_at {
            figures::count_of_day(counted, at, Family::Ended, &self.flow, status);
        }
        if matches!(self.status, JourneyStatus::Expired | JourneyStatus::Superseded) {
            let stage = figures::known_as(&self.stage);
            figures::count_of_day(counted, first_seen, Family::Lost, &self.flow, stage);
        }
    }
}
