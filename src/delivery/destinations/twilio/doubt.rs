//! Whether it is known that a delivery was not sent before, and if not, when it may have been: attempts leave word before they
//! send, and only those that ended clearly leave no doubt.

use crate::domain::delivery::{Attempt, Delivery, Outcome};
use crate::domain::time::{Span, Timestamp};

/// How far Twilio's clock may be from ours.
const SLACK: Span = Span::from_secs(5);
/// How long it may take until Twilio's lists show what it took.
const LISTING: Span = Span::from_secs(5);

/// A doubt: it may have been sent within these times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubt {
    times: Vec<(Timestamp, Timestamp)>,
    /// Since when nothing of it can be on its way to Twilio any more.
    over_at: Timestamp,
    /// Whether somebody wants it to be sent now, if it was not.
    pub is_wanted_anew: bool,
}

impl Doubt {
    /// What is in doubt about `delivery` before another attempt. One that began and has no end may have been under way for
    /// `longest`, in a process that died or on a node that lost its lease.
    pub fn of(delivery: &Delivery, longest: Span) -> Option<Self> {
        let is = |outcome: &Outcome, attempt: &Attempt| outcome.as_str() == attempt.status;
        let is_open = |attempt: &&Attempt| {
            attempt.may_have_sent() || is(&Outcome::Sought, attempt) || is(&Outcome::Ambiguous, attempt)
        };
        let open = delivery.attempts.iter().rev().take_while(is_open);
        let sent: Vec<_> = open.filter(|attempt| attempt.may_have_sent()).collect();
        let took = |attempt: &Attempt| match Span::from_millis(
            i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX),
        ) {
            _ if is(&Outcome::Begun, attempt) => longest,
            took => took,
        };
        let times: Vec<_> = sent.iter().map(|attempt| (attempt.at, attempt.at.plus(took(attempt)))).collect();
        let over_at = times.iter().map(|(_, until)| *until).max()?;
        Some(Self {
            times: times.into_iter().map(|(from, until)| (from.minus(SLACK), until.plus(SLACK))).collect(),
            over_at,
            // A replay begins to count anew: nothing was sent since.
            is_wanted_anew: delivery.tries == 0
                || sent.iter().all(|attempt| attempt.at < delivery.retry_from),
        })
    }

    /// Whether Twilio's lists show by now whatever was sent.
    pub fn can_be_settled(&self, now: Timestamp) -> bool {
        now >= self.over_at.plus(LISTING)
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

    const LONGEST: Span = Span::from_secs(10);

    fn doubt(statuses: &[&str]) -> Option<Doubt> {
        Doubt::of(&tried(statuses), LONGEST)
    }

    #[test]
    fn what_never_left_or_ended_clearly_is_in_no_doubt() {
        for statuses in
            [&[][..], &["retry"], &["unsure", "retry"], &["unsure", "sought", "failed"], &["sought"]]
        {
            assert_eq!(doubt(statuses), None, "{statuses:?}");
        }
    }

    #[test]
    fn what_a_process_died_over_may_have_been_sent_until_its_request_would_have_ended() {
        let doubt = doubt(&["begun"]).unwrap();
        assert!(
            doubt.holds(at(0))
                && doubt.holds(at(15_000))
                && !doubt.holds(at(15_001))
                && !doubt.holds(at(-5001))
        );
        assert!(!doubt.can_be_settled(at(14_999)) && doubt.can_be_settled(at(15_000)));
        assert!(!doubt.is_wanted_anew);
    }

    #[test]
    fn every_attempt_that_sent_since_the_last_one_that_was_clear_is_in_doubt() {
        let doubt = doubt(&["unsure", "retry", "unsure", "sought", "ambiguous"]).unwrap();
        assert!(!doubt.is_wanted_anew);
        assert!(!doubt.holds(at(0)) && !doubt.holds(at(100_000)), "that was clear");
        assert!(doubt.holds(at(200_000)) && doubt.holds(at(206_000)));
        assert!(!doubt.holds(at(300_000)) && !doubt.holds(at(400_000)), "nothing was sent by a look-up");
        assert_eq!(doubt.bounds(), (at(195_000), at(206_000)));
    }

    #[test]
    fn a_replay_wants_it_sent_if_it_was_not() {
        let replayed =
            Delivery { tries: 0, replays: 1, retry_from: at(150_000), ..tried(&["unsure", "ambiguous"]) };
        assert!(Doubt::of(&replayed, LONGEST).unwrap().is_wanted_anew);
        let sought = Delivery {
            tries: 1,
            replays: 1,
            retry_from: at(200_000),
            ..tried(&["unsure", "ambiguous", "sought"])
        };
        assert!(Doubt::of(&sought, LONGEST).unwrap().is_wanted_anew, "nothing was sent since");
        let sent = Delivery {
            tries: 1,
            replays: 1,
            retry_from: at(200_000),
            ..tried(&["unsure", "ambiguous", "unsure"])
        };
        assert!(!Doubt::of(&sent, LONGEST).unwrap().is_wanted_anew);
    }
}
