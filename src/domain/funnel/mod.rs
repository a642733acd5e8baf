//! Funnels: how far the journeys of a flow come, and how long each stage takes them.

mod figures;

use std::collections::BTreeMap;

use super::journey::Journey;
use super::limits;

pub use figures::FunnelDays;

/// One stage of a funnel.
#[derive(Clone, Debug, PartialEq)]
pub struct FunnelStage {
    /// Its name.
    pub stage: String,
    /// How many journeys reached it.
    pub journeys: u64,
    /// Their part of all journeys, 0 to 1.
    pub share: f64,
    /// The median time between the stage before it and this one, in seconds; `None` where it always came first.
    pub median_seconds_from_previous: Option<f64>,
}

/// A funnel: the stages in the order in which journeys take them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Funnel {
    /// How many journeys it is about.
    pub journeys: u64,
    /// The flow's initial stage first, its terminal stages last; the others by their usual place, or, where it was made from figures,
    /// by how many journeys reach them.
    pub stages: Vec<FunnelStage>,
    /// Whether stages were left out, past `limits::MAX_FUNNEL_STAGES`.
    pub stages_left_out: bool,
}

/// What is known of one stage while journeys are added.
#[derive(Debug, Default)]
struct Tally {
    /// Its place among the stages of each journey that reached it, from 0.
    places: Vec<u32>,
    /// Milliseconds from the stage before, of each journey in which there was one.
    waits: Vec<i64>,
}

/// Adds up journeys to a [`Funnel`].
#[derive(Debug, Default)]
pub struct FunnelBuilder {
    journeys: u64,
    stages: BTreeMap<String, Tally>,
    left_out: bool,
}

impl FunnelBuilder {
    /// Adds one journey. Only the first time that it reached a stage counts.
    pub fn add(&mut self, journey: &Journey) {
        self.journeys += 1;
        let mut firsts: Vec<(&str, i64)> = Vec::new();
        for step in &journey.steps {
            if !firsts.iter().any(|(stage, _)| *stage == step.stage) {
                firsts.push((&step.stage, step.at.millis()));
            }
        }
        let mut before: Option<i64> = None;
        for (place, (stage, at)) in (0..).zip(firsts) {
            let wait = before.map(|earlier: i64| (at - earlier).max(0));
            self.reached(stage, place, wait);
            before = Some(at);
        }
    }

    fn reached(&mut self, stage: &str, place: u32, wait: Option<i64>) {
        if !self.stages.contains_key(stage) {
            if self.stages.len() >= limits::MAX_FUNNEL_STAGES {
                self.left_out = true;
                return;
            }
            self.stages.insert(stage.to_owned(), Tally::default());
        }
        if let Some(tally) = self.stages.get_mut(stage) {
            tally.places.push(place);
            tally.waits.extend(wait);
        }
    }

    /// The funnel of a flow that begins with `initial` and ends with one of `terminal`.
    pub fn finish(self, initial: Option<&str>, terminal: &[String]) -> Funnel {
        let all = self.journeys;
        let mut stages: Vec<_> = self
            .stages
            .into_iter()
            .map(|(stage, mut tally)| {
                let rank = rank(&stage, initial, terminal);
                // Doubled, so that the median of an even number of places is a whole number.
                let place =
                    median_doubled(&mut tally.places.iter().copied().map(i64::from).collect::<Vec<_>>());
                let journeys = tally.places.len() as u64;
                let row = FunnelStage {
                    journeys,
                    share: share(journeys, all),
                    median_seconds_from_previous: median_doubled(&mut tally.waits).map(seconds_of_doubled),
                    stage,
                };
                ((rank, place), row)
            })
            .collect();
        // Among stages with one usual place, the one that more journeys reach comes first.
        stages.sort_by(|(left, a), (right, b)| left.cmp(right).then(b.journeys.cmp(&a.journeys)));
        Funnel {
            journeys: all,
            stages: stages.into_iter().map(|(_, row)| row).collect(),
            stages_left_out: self.left_out,
        }
    }
}

/// 0 for the initial stage, 2 for a terminal one, 1 for the others.
fn rank(stage: &str, initial: Option<&str>, terminal: &[String]) -> u8 {
    if initial == Some(stage) {
        0
    } else if terminal.iter().any(|end| end == stage) {
        2
    } else {
        1
    }
}

/// Twice the median; `None` of nothing.
fn median_doubled(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = if values.len().is_multiple_of(2) { values[values.len() / 2 - 1] } else { upper };
    Some(upper.saturating_add(lower))
}

#[allow(clippy::cast_precision_loss, reason = "times and counts here are far below 2^53")]
fn seconds_of_doubled(doubled_ms: i64) -> f64 {
    doubled_ms as f64 / 2000.0
}

#[allow(clippy::cast_precision_loss, reason = "times and counts here are far below 2^53")]
fn share(part: u64, all: u64) -> f64 {
    // Four digits are what anybody reads; they also keep the answer free of 0.30000000000000004.
    if all == 0 { 0.0 } else { (part as f64 / all as f64 * 10_000.0).round() / 10_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::journey::Step;
    use crate::domain::test_journeys;
    use crate::domain::time::Timestamp;

    fn journey(steps: &[(&str, i64)]) -> Journey {
        let at = |secs: i64| Timestamp::from_millis(secs * 1000);
        let steps: Vec<_> = steps
            .iter()
            .map(|(stage, secs)| Step {
                stage: (*stage).to_owned(),
                at: at(*secs),
                received_at: at(*secs),
                message_id: String::new(),
            })
            .collect();
        Journey { steps, ..test_journeys::journey("f", "", at(0)) }
    }

    fn funnel(journeys: &[Journey]) -> Funnel {
        let mut builder = FunnelBuilder::default();
        journeys.iter().for_each(|journey| builder.add(journey));
        builder.finish(Some("initiation"), &["confirmed".to_owned(), "cancelled".to_owned()])
    }

    #[test]
    fn stages_come_in_the_order_of_the_flow() {
        let found = funnel(&[
            journey(&[("initiation", 0), ("asked", 10), ("confirmed", 40)]),
            journey(&[("initiation", 0), ("asked", 20), ("no_reply", 100), ("confirmed", 160)]),
            journey(&[("initiation", 0), ("cancelled", 5)]),
            journey(&[("initiation", 0)]),
        ]);
        let rows: Vec<_> = found
            .stages
            .iter()
            .map(|row| (row.stage.as_str(), row.journeys, row.share, row.median_seconds_from_previous))
            .collect();
        assert_eq!(
            rows,
            [
                ("initiation", 4, 1.0, None),
                ("asked", 2, 0.5, Some(15.0)),
                ("no_reply", 1, 0.25, Some(80.0)),
                ("cancelled", 1, 0.25, Some(5.0)),
                ("confirmed", 2, 0.5, Some(45.0)),
            ]
        );
        assert_eq!(found.journeys, 4);
    }

    #[test]
    fn a_stage_counts_once_per_journey() {
        let found =
            funnel(&[journey(&[("initiation", 0), ("asked", 10), ("asked", 500), ("initiation", 600)])]);
        assert_eq!(found.stages.iter().map(|row| row.journeys).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(found.stages[1].median_seconds_from_previous, Some(10.0));
    }

    #[test]
    fn nothing_gives_an_empty_funnel() {
        assert_eq!(funnel(&[]), Funnel::default());
        assert_eq!(funnel(&[journey(&[])]).journeys, 1);
    }

    #[test]
    fn stages_are_bounded() {
        let many: Vec<_> = (0..limits::MAX_FUNNEL_STAGES + 5).map(|n| format!("s{n}")).collect();
        let journeys: Vec<_> = many.iter().map(|stage| journey(&[(stage, 1)])).collect();
        let found = funnel(&journeys);
        assert_eq!(found.stages.len(), limits::MAX_FUNNEL_STAGES);
        assert!(found.stages_left_out);
    }
}
