//! What is counted of the stages that journeys reach.

use proptest::prelude::*;

use super::*;
use crate::domain::change::ChangeSet;
use crate::domain::figures::{Family, Figure, wait_detail};
use crate::domain::time::Span;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * 60_000)
}

/// Posts stages of one run, told in that order; answers the run and what was counted.
fn posted(posts: &[(&str, i64)]) -> (Journey, ChangeSet) {
    let (mut list, mut changes, mut ids) = (Vec::new(), ChangeSet::default(), IdSource::new([1; 32]));
    let user = UserKey::user("u1");
    for (number, (stage, minute)) in (0..).zip(posts) {
        let step = StudioStep { flow: "f", stage, phone_number: None, execution_sid: Some("FN1") };
        let (received_at, message_id) = (at(1_000 + number), format!("m{number}"));
        let post = Post { step, at: at(*minute), received_at, message_id: &message_id };
        changes.journeys_of(&user, &mut list).post(None, &post, received_at, &mut ids);
    }
    (list.remove(0), changes)
}

fn details(changes: &ChangeSet, family: Family) -> Vec<(&str, i64)> {
    let of_family = changes.figures.iter().filter(|((_, figure), _)| figure.family == family);
    of_family.map(|((_, Figure { detail, .. }), count)| (detail.as_str(), *count)).collect()
}

fn wait(stage: &str, minutes: i64) -> String {
    wait_detail(stage, Span::from_secs(minutes * 60))
}

#[test]
fn a_stage_counts_once_with_the_time_since_the_stage_before_it() {
    let (journey, changes) = posted(&[("a", 0), ("b", 10), ("a", 50), ("b", 60), ("c", 70)]);
    assert_eq!(details(&changes, Family::Reached), [("a", 1), ("b", 1), ("c", 1)]);
    // As in a funnel: from the first time that the stage before it was reached.
    assert_eq!(details(&changes, Family::Waited), [(&*wait("b", 10), 1), (&*wait("c", 60), 1)]);
    let mut anew = ChangeSet::default();
    journey.count_anew(&mut anew.figures);
    for family in [Family::Reached, Family::Waited] {
        assert_eq!(details(&anew, family), details(&changes, family), "an old store is counted alike");
    }
}

#[test]
fn a_stage_that_is_told_late_counts_by_its_own_time() {
    let (_, changes) = posted(&[("b", 10), ("d", 40), ("c", 30), ("a", 0)]);
    assert_eq!(details(&changes, Family::Reached), [("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    assert_eq!(details(&changes, Family::Waited), [(&*wait("c", 20), 1), (&*wait("d", 30), 1)]);
}

#[test]
fn what_finds_no_room_in_the_timeline_is_not_counted() {
    let names: Vec<String> = (0..limits::MAX_JOURNEY_STEPS + 20).map(|n| format!("s{n}")).collect();
    let posts: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(0..).collect();
    let (journey, changes) = posted(&posts);
    assert_eq!(journey.steps_left_out, 20);
    assert_eq!(details(&changes, Family::Reached).len(), limits::MAX_JOURNEY_STEPS);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_stage_of_a_timeline_counts_once(posts in proptest::collection::vec((0..6_usize, 0..500_i64), 1..40)) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let posts: Vec<(&str, i64)> = posts.into_iter().map(|(name, minute)| (names[name], minute)).collect();
        let (journey, changes) = posted(&posts);
        let stages: std::collections::BTreeSet<&str> =
            journey.steps.iter().map(|step| step.stage.as_str()).collect();
        let expected: Vec<_> = stages.iter().map(|stage| (*stage, 1)).collect();
        prop_assert_eq!(details(&changes, Family::Reached), expected);
        let waits: i64 = details(&changes, Family::Waited).iter().map(|(_, count)| count).sum();
        prop_assert!(usize::try_from(waits).unwrap() < stages.len());
    }
}
