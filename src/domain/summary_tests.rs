use super::*;
use crate::domain::definition::LevelKey;
use crate::domain::ids::IdSource;
use crate::domain::journey::{Acknowledgement, Death, Escalation, Note};
use crate::domain::test_journeys;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_lenient(text).unwrap()
}

fn note(at: Timestamp) -> Note {
    Note { by: "ada".into(), reason: String::new(), at, via: None }
}

/// A journey that began at that time.
fn journey(ids: &mut IdSource, flow: &str, began: Timestamp, status: JourneyStatus) -> Journey {
    Journey { id: ids.journey(began), status, ..test_journeys::journey(flow, "no_reply", began) }
}

fn escalation(ids: &mut IdSource, stage: &str, at: Timestamp) -> Escalation {
    Escalation {
        stage: stage.into(),
        level: 1,
        key: LevelKey { after: Span::from_secs(60), twin: 0 },
        channel: "email".into(),
        at,
        delivery_id: ids.delivery(at),
        again: 0,
        receipt: None,
        moved_by: 0,
    }
}

#[test]
fn a_day_of_journeys() {
    let mut ids = IdSource::new([1; 32]);
    let (from, until) = (at("2026-11-20T07:00:00Z"), at("2026-11-21T07:00:00Z"));
    let (before, early, late) =
        (at("2026-11-19T12:00:00Z"), at("2026-11-20T07:00:00Z"), at("2026-11-21T06:59:59Z"));
    let mut tally = Tally::new(from, until, at("2026-11-21T08:00:00Z"));

    // Ids only rise: what began first is made first.
    let mut stalled = journey(&mut ids, "f", before, JourneyStatus::Stalled);
    let mut resolved = journey(&mut ids, "g", before, JourneyStatus::Resolved);
    (resolved.resolved, resolved.ended_at) = (Some(note(late)), Some(late));
    let mut expired = journey(&mut ids, "g", before, JourneyStatus::Expired);
    expired.ended_at = Some(until);
    let nothing = journey(&mut ids, "h", before, JourneyStatus::Active);
    let mut completed = journey(&mut ids, "f", early, JourneyStatus::Completed);
    completed.ended_at = Some(late);
    let mut waiting = journey(&mut ids, "g", early, JourneyStatus::Stalled);
    waiting.died = Some(Death { at: early, reason: String::new(), told_at: Timestamp::default() });
    // Two marks of one stall, a later stall of another stage; somebody took notice after the day.
    stalled.escalations = vec![
        escalation(&mut ids, "no_reply", early),
        // What told somebody else of the same is no alarm of its own.
        escalation(&mut ids, "no_reply", early),
        escalation(&mut ids, "no_reply", late),
        escalation(&mut ids, "other", late),
    ];
    let (stage, stage_at) = (stalled.stage.clone(), stalled.stage_at);
    stalled.acknowledged = vec![Acknowledgement { stage, stage_at, note: note(until) }];
    for journey in [&completed, &stalled, &waiting, &resolved, &expired, &nothing] {
        tally.count(journey);
    }

    let told = tally.finish("ops", true);
    let row = |flow: &str, figures: [u64; 8]| {
        let [started, completed, stalled, escalations, acknowledged, resolved, expired, waiting] = figures;
        json!({"flow": flow, "started": started, "completed": completed, "stalled": stalled, "escalations": escalations,
            "acknowledged": acknowledged, "resolved": resolved, "expired": expired, "waiting": waiting})
    };
    assert_eq!(
        told["flows"],
        json!([row("g", [1, 0, 1, 0, 0, 1, 0, 1]), row("f", [1, 1, 2, 3, 0, 0, 0, 0])])
    );
    assert_eq!((&told["total"]["started"], &told["total"]["stalled"]), (&json!(2), &json!(3)));
    let mut hours = vec![0; 24];
    (hours[0], hours[23]) = (2, 1);
    assert_eq!(told["hours"], json!(hours));
    let oldest = json!([{"id": waiting.id, "userId": "u1", "phoneNumber": null, "flow": "g", "stage": "no_reply",
        "stageAt": early, "stalledFor": "25 hours"}]);
    assert_eq!(told["oldest"], oldest);
    assert_eq!((&told["from"], &told["until"], &told["team"]), (&json!(from), &json!(until), &json!("ops")));
}

#[test]
fn only_so_much_is_listed() {
    let mut ids = IdSource::new([1; 32]);
    let from = at("2026-10-24T06:00:00Z");
    // A night on which clocks went back has 25 hours.
    let until = from.plus(Span::from_hours(25));
    let mut tally = Tally::new(from, until, until);
    for number in (0..60).rev() {
        let began = from.plus(Span::from_secs(number));
        tally.count(&journey(&mut ids, &format!("f{number}"), began, JourneyStatus::Stalled));
    }
    let told = tally.finish("ops", false);
    let length = |field: &str| told[field].as_array().unwrap().len();
    assert_eq!((length("flows"), length("oldest"), length("hours")), (SUMMARY_FLOWS, SUMMARY_OLDEST, 25));
    assert_eq!((&told["moreFlows"], &told["total"]["waiting"]), (&json!(10), &json!(60)));
    assert_eq!((&told["oldest"][0]["flow"], &told["whole"]), (&json!("f0"), &json!(false)));
}
