//! Whether it is known that a delivery was not sent before, and if not, when it may have been.

use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::time::{Span, Timestamp};

/// How far Twilio's clock may be from ours, and how long it may take to note what it took.
const SLACK: Span = Span::from_secs(5);
/// A delivery that was due for longer, without an attempt that is on record, may have been under way in a process that died, or
/// on a node that lost its lease.
const FRESH: Span = Span::from_secs(2);

/// A doubt: it may have been sent within these times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubt {
    times: Vec<(Timestamp, Timestamp)>,
    /// Whether an attempt is on record that may have got through.
    pub was_tried: bool,
    /// Whether somebody wants it to be sent now, if it was not.
    pub is_wanted_anew: bool,
}

impl Doubt {
    /// What is in doubt about `delivery` before an attempt `now`, by a sender that was made at `begun`.
    pub fn of(delivery: &Delivery, begun: Timestamp, now: Timestamp) -> Option<Self> {
        let is_open = |status: &str| {
            [Outcome::Unsure, Outcome::Ambiguous].iter().any(|outcome| outcome.as_str() == status)
        };
        let open = delivery.attempts.iter().rev().take_while(|attempt| is_open(&attempt.status));
        let times: Vec<_> = open
            .map(|attempt| {
                let took = Span::from_millis(i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX));
                around(attempt.at, attempt.at.plus(took))
            })
            .collect();
        if !times.is_empty() {
            // A replay begins to count its attempts anew.
            return Some(Self { times, was_tried: true, is_wanted_anew: delivery.tries == 0 });
        }
        let due = delivery.next_attempt_at;
        let is_fresh = due >= begun && now <= due.plus(FRESH);
        (!is_fresh).then(|| Self { times: vec![around(due, now)], was_tried: false, is_wanted_anew: true })
    }

    /// The first and the last instant that it may have been taken at.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        let from = self.times.iter().map(|(from, _)| *from).min().unwrap_or_default();
        let until = self.times.iter().map(|(_, until)| *until).max().unwrap_or_default();
        (from, until)
    }

    /// Whether it may have been taken then.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.times.iter().any(|(from, until)| (*from..=*until).contains(&at))
    }
}

fn around(from: Timestamp, until: Timestamp) -> (Timestamp, Timestamp) {
    (from.minus(SLACK), until.plus(SLACK))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::delivery::test_deliveries::{NOW, delivery};
    use crate::domain::delivery::Attempt;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(NOW + ms)
    }

    fn tried(statuses: &[&str]) -> Delivery {
        let attempts = statuses.iter().zip(0_i64..).map(|(status, number)| Attempt {
            at: at(number * 100_000),
            status: (*status).to_owned(),
            http_status: None,
            duration_ms: 1000,
            response_snippet: None,
            error: None,
        });
        let tries = u32::try_from(statuses.len()).unwrap();
        Delivery { attempts: attempts.collect(), tries, ..delivery("u1", &json!({})) }
    }

    #[test]
    fn what_is_due_just_now_and_was_not_tried_is_in_no_doubt() {
        assert_eq!(Doubt::of(&tried(&[]), at(0), at(1000)), None);
        assert_eq!(Doubt::of(&tried(&["retry"]), at(-5000), at(2000)), None);
    }

    #[test]
    fn what_was_due_before_this_process_or_for_a_while_may_have_been_sent() {
        let doubt = Doubt::of(&tried(&[]), at(500), at(1000)).unwrap();
        assert!(!doubt.was_tried && doubt.is_wanted_anew);
        assert!(doubt.holds(at(0)) && doubt.holds(at(1000)) && !doubt.holds(at(-6000)) && !doubt.holds(at(7000)));
        assert!(Doubt::of(&tried(&[]), at(-500), at(3000)).is_some());
    }

    #[test]
    fn every_attempt_since_the_last_one_that_was_clear_is_in_doubt() {
        let doubt = Doubt::of(&tried(&["unsure", "retry", "unsure", "ambiguous"]), at(0), at(1)).unwrap();
        assert!(doubt.was_tried && !doubt.is_wanted_anew);
        assert!(!doubt.holds(at(0)) && !doubt.holds(at(100_000)), "that was clear");
        assert!(doubt.holds(at(200_000)) && doubt.holds(at(306_000)) && !doubt.holds(at(250_000)));
        assert_eq!(doubt.bounds(), (at(195_000), at(306_000)));
    }

    #[test]
    fn a_replay_wants_it_sent_if_it_was_not() {
        let replayed = Delivery { tries: 0, replays: 1, ..tried(&["unsure", "ambiguous"]) };
        let doubt = Doubt::of(&replayed, at(0), at(1)).unwrap();
        assert!(doubt.was_tried && doubt.is_wanted_anew);
    }
}
