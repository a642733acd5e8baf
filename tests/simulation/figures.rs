//! Figures over time are what counting journeys, events and deliveries gives.

use std::collections::{BTreeMap, BTreeSet};

use stagepost::domain::delivery::Delivery;
use stagepost::domain::figures::{Family, Grain, known_as, read_wait_detail};
use stagepost::domain::journey::{Journey, JourneyStatus};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::{Span, Timestamp};

use crate::machine::Machine;
use crate::picture::Picture;

/// How many of each detail.
type Details = BTreeMap<String, u64>;

/// Counts each of them once more.
fn tally(details: impl Iterator<Item = String>) -> Details {
    let mut counts = Details::new();
    details.for_each(|detail| *counts.entry(detail).or_default() += 1);
    counts
}

fn stages(journey: &Journey) -> BTreeSet<String> {
    journey.steps.iter().map(|step| known_as(&step.stage).to_owned()).collect()
}

impl Machine {
    pub async fn check_figures(&self, picture: &Picture) {
        let mut flows: BTreeMap<&str, Vec<&Journey>> = BTreeMap::new();
        for journey in &picture.journeys {
            flows.entry(known_as(&journey.flow)).or_default().push(journey);
        }
        for (flow, journeys) in flows {
            let counted = async |family, grain| self.counted(family, flow, grain, i64::MIN).await;
            let status = |journey: &&&Journey| journey.status.as_str().to_owned();
            let standing = tally(journeys.iter().map(|journey| status(&journey)));
            assert_eq!(counted(Family::Standing, Grain::Ever).await, standing, "{flow}");
            let opened: Details = [(String::new(), journeys.len() as u64)].into();
            assert_eq!(counted(Family::Opened, Grain::Day).await, opened, "{flow}");
            let ended = journeys.iter().filter(|journey| !journey.status.is_open());
            let ended = tally(ended.map(|journey| status(&journey)));
            assert_eq!(counted(Family::Ended, Grain::Day).await, ended, "{flow}");
            let reached = tally(journeys.iter().flat_map(|journey| stages(journey)));
            assert_eq!(counted(Family::Reached, Grain::Day).await, reached, "{flow}");
            self.check_days(flow, &journeys).await;
            self.check_waits(flow, &journeys).await;
            self.check_alarms(flow, &journeys).await;
        }
        self.check_inbox(picture).await;
        self.check_accepted(picture).await;
        self.check_attempts(picture).await;
    }

    /// The inbox is what sorting all journeys gives.
    async fn check_inbox(&self, picture: &Picture) {
        let stalled =
            picture.journeys.iter().filter_map(|journey| Some((journey.listed().inbox?, journey.id)));
        let stalled: BTreeSet<_> = stalled.collect();
        let mut listed = Vec::new();
        for acknowledged in [false, true] {
            let mut request = PageRequest { limit: 7, cursor: None };
            loop {
                let page = self.store.inbox(acknowledged, &request).await.unwrap();
                listed.extend(page.rows.iter().map(|journey| journey.id));
                request.cursor = page.cursor;
                if request.cursor.is_none() {
                    break;
                }
            }
        }
        assert_eq!(listed, stalled.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    }

    /// What was counted since then, of all points together.
    async fn counted(&self, family: Family, subject: &str, grain: Grain, from: i64) -> Details {
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(i64::MAX));
        let mut details = Details::new();
        for point in self.store.figures(family, subject, grain, from, to).await.unwrap() {
            assert!(point.count > 0, "{point:?}");
            assert_eq!(grain.start_of(point.start), point.start);
            *details.entry(point.detail).or_default() += point.count;
        }
        details
    }

    /// What became of journeys is counted towards the days on which they were first seen.
    async fn check_days(&self, flow: &str, journeys: &[&Journey]) {
        let day = |journey: &Journey| Grain::Day.start_of(journey.id.made_at()).to_rfc3339();
        let by_day = async |family| {
            let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
            let mut days = Details::new();
            for point in self.store.figures(family, flow, Grain::Day, from, to).await.unwrap() {
                *days.entry(point.start.to_rfc3339()).or_default() += point.count;
            }
            days
        };
        let all = tally(journeys.iter().map(|journey| day(journey)));
        assert_eq!(by_day(Family::Opened).await, all, "{flow}");
        let reached = journeys.iter().flat_map(|journey| stages(journey).into_iter().map(|_| day(journey)));
        assert_eq!(by_day(Family::Reached).await, tally(reached), "{flow}");
        let is_lost = |journey: &&&Journey| {
            matches!(journey.status, JourneyStatus::Expired | JourneyStatus::Superseded)
        };
        let lost = tally(journeys.iter().filter(is_lost).map(|journey| day(journey)));
        assert_eq!(by_day(Family::Lost).await, lost, "{flow}");
    }

    /// Nobody waited for a journey's first stage, nor for one that was told too late to have any before it.
    async fn check_waits(&self, flow: &str, journeys: &[&Journey]) {
        let mut waits = Details::new();
        for (detail, count) in self.counted(Family::Waited, flow, Grain::Day, i64::MIN).await {
            let (stage, _) = read_wait_detail(&detail).unwrap_or_else(|| panic!("{detail}"));
            *waits.entry(stage.to_owned()).or_default() += count;
        }
        let reached = tally(journeys.iter().flat_map(|journey| stages(journey)));
        assert!(waits.iter().all(|(stage, count)| *count <= reached[stage]), "{flow}: {waits:?} {reached:?}");
        let later: usize = journeys.iter().map(|journey| stages(journey).len().saturating_sub(1)).sum();
        assert!(waits.values().sum::<u64>() <= later as u64, "{flow}: {waits:?}");
    }

    /// A level that fired left a mark for each thing that it sent; a journey stalls before any of them fires.
    async fn check_alarms(&self, flow: &str, journeys: &[&Journey]) {
        let marks = || {
            journeys.iter().flat_map(|journey| journey.escalations.iter().map(move |mark| (journey.id, mark)))
        };
        let marked = tally(marks().map(|(_, mark)| mark.channel.clone()));
        let firings: BTreeSet<_> = marks()
            .map(|(id, mark)| (id, &mark.channel, mark.at, &mark.stage, mark.level, mark.again))
            .collect();
        let fired = tally(firings.iter().map(|(_, channel, ..)| (*channel).clone()));
        let counted = self.counted(Family::Escalated, flow, Grain::Day, i64::MIN).await;
        assert!(counted.keys().eq(marked.keys()), "{flow}: {counted:?} {marked:?}");
        for (channel, count) in counted {
            assert!(
                (fired[&channel]..=marked[&channel]).contains(&count),
                "{flow} {channel}: {count} {marked:?}"
            );
        }
        let stalls: u64 = self.counted(Family::Stalled, flow, Grain::Day, i64::MIN).await.values().sum();
        let stalled = journeys.iter().filter(|journey| !journey.escalations.is_empty()).count();
        assert!(stalls >= stalled as u64, "{flow}: {stalls} {stalled}");
    }

    /// Events of the last weeks: hours before that are forgotten.
    async fn check_accepted(&self, picture: &Picture) {
        let since = Grain::Hour.start_of(self.clock.now().minus(Span::from_days(39)));
        let recent = picture.events.iter().filter(|event| event.id.made_at() >= since);
        for (source, count) in tally(recent.map(|event| event.source.clone())) {
            let counted = self.counted(Family::Accepted, &source, Grain::Hour, since.millis()).await;
            assert_eq!(counted, Details::from([(String::new(), count)]), "{source}");
        }
    }

    /// What an attempt delivered is counted; it may have been replayed since, and delivered again. (A receiver may also tell by itself
    /// that it has something.)
    async fn check_attempts(&self, picture: &Picture) {
        let by_attempt = |it: &&Delivery| it.attempts.iter().any(|attempt| attempt.status == "delivered");
        let delivered = picture.deliveries.iter().filter(by_attempt);
        for (destination, count) in tally(delivered.map(|it| it.destination.clone())) {
            let counted = self.counted(Family::Attempted, &destination, Grain::Day, i64::MIN).await;
            assert!(
                counted.get("delivered").is_some_and(|told| *told >= count),
                "{destination}: {counted:?}"
            );
        }
    }
}
