//! What is counted of what was decided.

use super::Decision;
use crate::domain::change::{ChangeSet, JourneyMove};
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::figures::{self, Counted, Family};
use crate::domain::journey::JourneyStatus;

impl Decision<'_> {
    /// Counts the events that were taken in, and what became of journeys. To be called once, when all is decided.
    pub fn count(&mut self) {
        let ChangeSet { events, journeys, deliveries, figures, .. } = &mut self.changes;
        // Events of one source come in a row.
        for row in events.chunk_by(|one, next| one.source == next.source) {
            let many = i64::try_from(row.len()).unwrap_or(i64::MAX);
            figures::count(figures, Family::Accepted, &row[0].source, "", many);
        }
        journeys.iter().for_each(|step| count_move(figures, step));
        deliveries.iter().for_each(|write| count_stillborn(figures, &write.delivery));
    }
}

fn count_move(figures: &mut Counted, step: &JourneyMove) {
    let first_seen = step.id.made_at();
    if step.from.is_none() {
        // Clocks go back, ids do not: the day is to be that of the stages which it reaches.
        figures::count_at(figures, first_seen, Family::Opened, &step.flow, "");
    }
    let mut add = |family, detail: &str, change| figures::count(figures, family, &step.flow, detail, change);
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
        if matches!(to, JourneyStatus::Expired | JourneyStatus::Superseded) {
            let stage = figures::known_as(&step.stage);
            figures::count_of_day(figures, first_seen, Family::Lost, &step.flow, stage);
        }
    }
}

/// Counts a delivery that could not even be tried.
fn count_stillborn(figures: &mut Counted, delivery: &Delivery) {
    if delivery.status == DeliveryStatus::Failed && delivery.attempts.is_empty() {
        figures::count(figures, Family::Attempted, &delivery.destination, delivery.status.as_str(), 1);
    }
}
