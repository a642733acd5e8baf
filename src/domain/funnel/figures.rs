//! Funnels from figures over time: nobody looks at journeys for them, so they cost the same however many there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Funnel, FunnelStage, rank, share};
use crate::domain::figures::{FigurePoint, known_as, read_wait_detail};
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// What was counted of a flow's journeys, by the days on which they were first seen.
#[derive(Clone, Copy, Debug)]
pub struct FunnelDays<'p> {
    /// Points of [`Opened`](crate::domain::figures::Family::Opened).
    pub opened: &'p [FigurePoint],
    /// Points of [`Reached`](crate::domain::figures::Family::Reached).
    pub reached: &'p [FigurePoint],
    /// Points of [`Waited`](crate::domain::figures::Family::Waited).
    pub waited: &'p [FigurePoint],
}

impl Funnel {
    /// The funnel of the journeys of a flow that were first seen on some days. Days of which it was not counted how many were opened are
    /// left out: then figures came only later. Median times are about right ([`about`](crate::domain::figures::about)).
    pub fn from_figures(days: &FunnelDays<'_>, initial: Option<&str>, terminal: &[String]) -> Self {
        let opened: BTreeSet<Timestamp> = days.opened.iter().map(|point| point.start).collect();
        let is_whole = |point: &&FigurePoint| opened.contains(&point.start);
        let all: u64 = days.opened.iter().map(|point| point.count).sum();
        let mut journeys_by_stage: BTreeMap<&str, u64> = BTreeMap::new();
        for point in days.reached.iter().filter(is_whole) {
            *journeys_by_stage.entry(&point.detail).or_default() += point.count;
        }
        let waits = waits_by_stage(days.waited.iter().filter(is_whole));
        // Figures know names by their beginnings.
        let initial = initial.map(known_as);
        let terminal: Vec<String> = terminal.iter().map(|stage| known_as(stage).to_owned()).collect();
        let mut stages: Vec<(&str, u64)> = journeys_by_stage.into_iter().collect();
        stages.sort_by_key(|(_, journeys)| Reverse(*journeys));
        let stages_left_out = stages.len() > limits::MAX_FUNNEL_STAGES;
        stages.truncate(limits::MAX_FUNNEL_STAGES);
        // Stable: within a rank they stay in that order.
        stages.sort_by_key(|(stage, _)| rank(stage, initial, &terminal));
        let row = |(stage, journeys): (&str, u64)| FunnelStage {
            stage: stage.to_owned(),
            journeys,
            share: share(journeys, all),
            median_seconds_from_previous: waits.get(stage).and_then(median_seconds),
        };
        Self { journeys: all, stages: stages.into_iter().map(row).collect(), stages_left_out }
    }
}

/// How often journeys had waited about how many seconds, by stage.
fn waits_by_stage<'p>(
    waited: impl Iterator<Item = &'p FigurePoint>,
) -> BTreeMap<&'p str, BTreeMap<u32, u64>> {
    let mut waits: BTreeMap<&str, BTreeMap<u32, u64>> = BTreeMap::new();
    for point in waited {
        if let Some((stage, seconds)) = read_wait_detail(&point.detail) {
            *waits.entry(stage).or_default().entry(seconds).or_default() += point.count;
        }
    }
    waits
}

fn median_seconds(waits: &BTreeMap<u32, u64>) -> Option<f64> {
    let middle = waits.values().sum::<u64>().div_ceil(2);
    let mut passed = 0;
    let median = waits.iter().find(|(_, count)| {
        passed += **count;
        passed >= middle
    });
    median.map(|(seconds, _)| f64::from(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::figures::wait_detail;
    use crate::domain::time::{Span, Timestamp};

    fn point(day: i64, detail: String, count: u64) -> FigurePoint {
        FigurePoint { start: Timestamp::from_millis(day * 86_400_000), detail, count }
    }

    fn reached(stages: &[(&str, u64)]) -> Vec<FigurePoint> {
        // On two days, some on either.
        let on = |day: i64, (stage, count): &(&str, u64)| {
            point(day, (*stage).to_owned(), count / 2 + (count % 2) * u64::from(day == 0))
        };
        (0..2).flat_map(|day| stages.iter().map(move |stage| on(day, stage))).collect()
    }

    fn waited(waits: &[(&str, i64, u64)]) -> Vec<FigurePoint> {
        let wait = |(stage, secs, count): &(&str, i64, u64)| {
            point(0, wait_detail(stage, Span::from_secs(*secs)), *count)
        };
        waits.iter().map(wait).collect()
    }

    fn funnel(opened: u64, stages: &[(&str, u64)], waits: &[(&str, i64, u64)]) -> Funnel {
        let terminal = ["confirmed".to_owned(), "cancelled".to_owned()];
        let opened = if opened == 0 { Vec::new() } else { reached(&[("", opened)]) };
        let days = FunnelDays { opened: &opened, reached: &reached(stages), waited: &waited(waits) };
        Funnel::from_figures(&days, Some("initiation"), &terminal)
    }

    fn names(funnel: &Funnel) -> Vec<&str> {
        funnel.stages.iter().map(|row| row.stage.as_str()).collect()
    }

    #[test]
    fn stages_come_in_their_order_with_shares_and_medians() {
        let stages =
            [("asked", 90), ("cancelled", 20), ("confirmed", 61), ("initiation", 100), ("no_reply", 30)];
        let waits =
            [("asked", 2, 90), ("confirmed", 60, 30), ("confirmed", 3600, 31), ("no_reply", 1800, 30)];
        let found = funnel(100, &stages, &waits);
        assert_eq!(names(&found), ["initiation", "asked", "no_reply", "confirmed", "cancelled"]);
        assert_eq!(found.journeys, 100);
        let shares: Vec<f64> = found.stages.iter().map(|row| row.share).collect();
        assert_eq!(shares, [1.0, 0.9, 0.3, 0.61, 0.2]);
        let medians: Vec<_> = found.stages.iter().map(|row| row.median_seconds_from_previous).collect();
        assert_eq!(medians, [None, Some(2.0), Some(1800.0), Some(3600.0), None]);
    }

    #[test]
    fn days_whose_openings_nobody_counted_are_left_out() {
        let of_day = |day, detail: &str, count| point(day, detail.to_owned(), count);
        let days = FunnelDays {
            opened: &[of_day(2, "", 10)],
            reached: &[of_day(1, "confirmed", 40), of_day(2, "asked", 8), of_day(2, "confirmed", 5)],
            waited: &[of_day(1, "confirmed:60", 40), of_day(2, "confirmed:30", 5)],
        };
        let found = Funnel::from_figures(&days, None, &[]);
        assert_eq!((found.journeys, names(&found)), (10, vec!["asked", "confirmed"]));
        let confirmed = &found.stages[1];
        assert_eq!((confirmed.share, confirmed.median_seconds_from_previous), (0.5, Some(30.0)));
    }

    #[test]
    fn nothing_gives_an_empty_funnel() {
        assert_eq!(funnel(0, &[], &[]), Funnel::default());
        assert_eq!(funnel(3, &[], &[("asked", 2, 1)]).journeys, 3);
    }

    #[test]
    fn long_names_are_known_by_their_beginnings() {
        let long = "s".repeat(300);
        let stages = reached(&[(known_as(&long), 2), ("other", 9)]);
        let days = FunnelDays { opened: &reached(&[("", 9)]), reached: &stages, waited: &[] };
        let found = Funnel::from_figures(&days, Some(&long), &[]);
        assert_eq!(names(&found), [known_as(&long), "other"]);
    }

    #[test]
    fn the_rarest_of_too_many_stages_are_left_out() {
        let many: Vec<_> = (0..limits::MAX_FUNNEL_STAGES + 5).map(|n| format!("s{n:03}")).collect();
        let stages: Vec<_> = many.iter().map(String::as_str).zip(1..).collect();
        let found = funnel(1000, &stages, &[]);
        assert!(found.stages_left_out);
        assert_eq!(names(&found), many[5..].iter().rev().map(String::as_str).collect::<Vec<_>>());
    }
}
