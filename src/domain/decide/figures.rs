//! What is counted of what was decided.

use super::Decision;
use crate::domain::change::{ChangeSet, JourneyMove};
use crate::domain::figures::{self, Counted, Family};
use crate::domain::journey::JourneyStatus;

impl Decision<'_> {
    /// Counts the events that were taken in, and what became of journeys. To be called once, when all is decided.
    pub fn count(&mut self) {
        let ChangeSet { events, journeys, figures, .. } = &mut self.changes;
        // Events of one source come in a row.
        for row in events.chunk_by(|one, next| one.source == next.source) {
            let many = i64::try_from(row.len()).unwrap_or(i64::MAX);
            figures::count(figures, Family::Accepted, &row[0].source, "", many);
        }
        journeys.iter().for_each(|step| count_move(figures, step));
    }
}

fn count_move(figures: &mut Counted, step: &JourneyMove) {
    let mut add = |family, detail: &str, change| figures::count(figures, family, &step.flow, detail, change);
    if step.from.is_none() {
        add(Family::Opened, "", 1);
    }
    let (from, to) = (step.from.map(|from| from.status), step.to.status);
    if from == Some(to) {
        return;
    }
    if let Some(from) = from {
        add(Family::Standing, from.as_str(), -1);
    }
    add(Family::Standing, to.as_str(), 1);
    if to == JourneyStatus::Stalled {
        add(Family::Stalled, figures::known_as(&step.stage), 1);
    }
    if !to.is_open() && from.is_none_or(JourneyStatus::is_open) {
        add(Family::Ended, to.as_str(), 1);
    }
}
