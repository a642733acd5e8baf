//! What lists are told of what becomes of a journey.

use super::*;
use crate::domain::change::ChangeSet;
use crate::domain::event::StudioStep;
use crate::domain::ids::{IdSource, UserKey};
use crate::domain::journey::{Note, Post};
use crate::domain::test_journeys;
use crate::domain::time::Span;

fn at(minutes: i64) -> Timestamp {
    Timestamp::default().plus(Span::from_secs(minutes * 60))
}

/// A user's only journey, and what was noted of it.
#[derive(Default)]
struct Run {
    list: Vec<Journey>,
    changes: ChangeSet,
    noted: usize,
}

impl Run {
    /// Posts the stage that was reached at that minute, a minute after that and an hour.
    fn post(&mut self, stage: &str, minute: i64) {
        let flow = test_journeys::flow("appointment");
        let (user, mut ids) = (UserKey::user("u"), IdSource::new([1; 32]));
        let step = StudioStep { flow: "appointment", stage, phone_number: None, execution_sid: Some("FN1") };
        let (received_at, message_id) = (at(minute + 61), format!("{stage} {minute}"));
        let post = Post { step, at: at(minute), received_at, message_id: &message_id };
        self.changes.journeys_of(&user, &mut self.list).post(Some(&flow), &post, received_at, &mut ids);
    }

    /// How lists had it, and have it now, in what was noted since the last call.
    fn noted(&mut self) -> Vec<(Option<Listed>, Listed)> {
        let new = self.changes.journeys[self.noted..].iter().map(|step| (step.from, step.to)).collect();
        self.noted = self.changes.journeys.len();
        new
    }
}

fn active() -> Listed {
    Listed { status: JourneyStatus::Active, inbox: None }
}

fn stalled(is_acknowledged: bool, minute: i64) -> Listed {
    let inbox = Some(InboxPlace { is_acknowledged, since: at(minute) });
    Listed { status: JourneyStatus::Stalled, inbox }
}

#[test]
fn lists_are_told_whenever_they_have_a_journey_otherwise() {
    let mut run = Run::default();
    run.post("no_reply", 10);
    assert_eq!(run.noted(), [(None, active())]);
    run.post("no_reply", 20);
    assert_eq!(run.noted(), [], "it stays in its stage");
    run.list[0].stall(at(90), &mut run.changes.journeys);
    assert_eq!(run.noted(), [(Some(active()), stalled(false, 10))]);
    run.post("no_reply", 5);
    assert_eq!(run.noted(), [(Some(stalled(false, 10)), stalled(false, 5))], "it began earlier");
    let note = Note { by: "ada".to_owned(), reason: String::new(), at: at(95), via: None };
    run.list[0].acknowledge(note, &mut run.changes.journeys);
    assert_eq!(run.noted(), [(Some(stalled(false, 5)), stalled(true, 5))]);
    run.post("no_reply", 3);
    assert_eq!(run.noted(), [(Some(stalled(true, 5)), stalled(true, 3))], "what was said holds on");
    run.post("reminded", 30);
    assert_eq!(run.noted(), [(Some(stalled(true, 3)), active())]);
    run.list[0].stall(at(99), &mut run.changes.journeys);
    assert_eq!(run.noted(), [(Some(active()), stalled(false, 30))]);
    let note = Note { by: "ada".to_owned(), reason: String::new(), at: at(99), via: None };
    assert!(run.list[0].resolve(note, &mut run.changes.journeys));
    let resolved = Listed { status: JourneyStatus::Resolved, inbox: None };
    assert_eq!(run.noted(), [(Some(stalled(false, 30)), resolved)]);
}
