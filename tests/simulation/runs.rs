//! What has to be true of journeys and their levels in every world.

use std::collections::{HashMap, HashSet};

use stagepost::domain::definition::LevelKey;
use stagepost::domain::delivery::EMAIL;
use stagepost::domain::journey::{Journey, JourneyStatus};
use stagepost::domain::limits;
use stagepost::domain::time::Span;

use crate::machine::{EXPIRE_HOURS, HOUR, show};
use crate::picture::Picture;

/// A journey stands where its posts put it.
pub fn check_journey(journey: &Journey, now: i64) {
    let shown = || show(journey);
    assert!(journey.steps.is_sorted_by_key(|step| step.at), "{}", shown());
    let terminal = journey.flow == "appointment"
        && journey.steps.iter().any(|step| step.stage == "confirmed" || step.stage == "cancelled");
    match journey.status {
        JourneyStatus::Active | JourneyStatus::Stalled => {
            assert!(!terminal, "open after a terminal stage: {}", shown());
            assert_eq!(journey.stage, journey.steps.last().unwrap().stage, "{}", shown());
            assert!(journey.stage_at.millis() + expire_ms(journey) > now, "not expired: {}", shown());
        }
        JourneyStatus::Completed => assert!(terminal, "{}", shown()),
        JourneyStatus::Expired => {
            let ended = journey.ended_at.unwrap().millis();
            let quiet = journey.steps.iter().filter(|step| step.received_at.millis() <= ended);
            let last = quiet.map(|step| step.at.millis()).min().unwrap();
            assert!(last + expire_ms(journey) <= ended, "expired too early: {}", shown());
        }
        JourneyStatus::Resolved => assert!(journey.resolved.is_some(), "{}", shown()),
        JourneyStatus::Superseded => {}
    }
}

fn expire_ms(journey: &Journey) -> i64 {
    if journey.flow == "appointment" { EXPIRE_HOURS * HOUR } else { limits::DEFAULT_EXPIRE_AFTER.millis() }
}

/// Levels fire when they are due, once, and for a stage that lasted. `levels` are those in force, `ever` all there were.
pub fn check_levels(picture: &Picture, levels: &[(&str, i64)], ever: &[&[(&str, i64)]], now: i64) {
    let mails: HashMap<_, _> =
        picture.deliveries.iter().filter(|d| d.destination == EMAIL).map(|d| (d.id, d)).collect();
    let mut marks = 0;
    for journey in &picture.journeys {
        let mut fired = HashSet::new();
        for mark in &journey.escalations {
            marks += 1;
            assert!(fired.insert((mark.stage.clone(), mark.key)), "fired twice: {}", show(journey));
            assert!(mails.contains_key(&mark.delivery_id), "no mail for {}", show(mark));
            let of_stage = ever.iter().copied().flatten().filter(|(stage, _)| *stage == mark.stage);
            let shortest = of_stage.map(|(_, hours)| hours).min();
            let earliest =
                journey.steps.iter().filter(|step| step.stage == mark.stage).map(|step| step.at).min();
            assert!(
                earliest.unwrap().millis() + shortest.unwrap() * HOUR <= mark.at.millis(),
                "fired too early: {}",
                show(journey)
            );
        }
        if journey.flow == "appointment" && journey.status.is_open() && journey.acknowledgement().is_none() {
            for (_, hours) in levels.iter().filter(|(stage, _)| *stage == journey.stage) {
                let due = journey.stage_at.millis() + hours * HOUR <= now;
                let key = LevelKey { after: Span::from_hours(*hours), twin: 0 };
                let has_fired = fired.contains(&(journey.stage.clone(), key));
                assert!(!due || has_fired, "the level after {hours} h is due: {}", show(journey));
            }
        }
    }
    assert_eq!(marks, mails.len(), "each mail has its mark");
    let names: HashSet<_> = mails.values().map(|mail| &mail.message_id).collect();
    assert_eq!(names.len(), mails.len(), "each mail has its own id");
}
