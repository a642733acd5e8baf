//! What an attempt makes of a delivery: done, again later, or a dead letter.
//!
//! Waits grow from `limits::RETRY_BASE` by doubling up to `limits::RETRY_CAP`; jitter takes up to half of each away, so
//! that deliveries which failed together do not come back together. A receiver's `Retry-After` is a lower bound.

use super::delivery::{Attempt, Delivery, DeliveryStatus, Outcome, Receipt};
use super::limits::{MAX_ATTEMPTS_KEPT, RETRY_AFTER_CAP, RETRY_BASE, RETRY_CAP};
use super::time::{Span, Timestamp};

/// What holds for the deliveries of one destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// How long they are tried, counted from their first attempt or the destination's last pause, whichever was later.
    pub retry_for: Span,
    /// How long they may wait at all, counted from their making or newest replay.
    pub expire_after: Option<Span>,
    /// When the destination was last paused no more.
    pub resumed_at: Option<Timestamp>,
    /// Whether it is paused for its failures, or by hand: time does not run out then.
    pub is_paused: bool,
    /// Whether this was a probe that the destination did not pass: no call is lost to finding out that.
    pub is_failed_probe: bool,
    /// A fraction in `0.0..=1.0`.
    pub jitter: f64,
}

/// The delivery as it is after `attempt`.
///
/// A delivery that stopped being pending while the attempt was under way (superseded, say) keeps its status, unless
/// the attempt went through: then that is the truth.
pub fn settle(
    delivery: &Delivery,
    attempt: Attempt,
    outcome: &Outcome,
    terms: &Terms,
    now: Timestamp,
) -> Delivery {
    let delivery = &if *outcome == Outcome::Begun { delivery.clone() } else { without_begun(delivery) };
    let mut settled = delivery.clone();
    if delivery.tries == 0 {
        settled.retry_from = attempt.at;
    }
    let error = attempt.error.clone().unwrap_or_else(|| format!("it ended as {}", outcome.as_str()));
    keep(&mut settled.attempts, attempt);
    settled.tries = delivery.tries.saturating_add(1);
    settled.updated_at = now;
    if *outcome == Outcome::Begun
        || delivery.status != DeliveryStatus::Pending && *outcome != Outcome::Delivered
    {
        return settled;
    }
    let outcome = match outcome {
        Outcome::Failed if terms.is_failed_probe => &Outcome::Retry { after: None },
        outcome => outcome,
    };
    (settled.status, settled.reason) = match outcome {
        Outcome::Begun => (settled.status, settled.reason),
        Outcome::Delivered => (DeliveryStatus::Delivered, None),
        Outcome::Failed => (DeliveryStatus::Failed, Some(error)),
        Outcome::Ambiguous => (DeliveryStatus::Ambiguous, Some(error)),
        // Asked again until it is known; when time is up, an operator has to look.
        Outcome::Unsure | Outcome::Sought => {
            let next = now.plus(wait(delivery.tries, None, terms.jitter));
            match out_of_time(&settled, next, terms) {
                Some(why) => (DeliveryStatus::Ambiguous, Some(format!("{why}; the last attempt: {error}"))),
                None => {
                    settled.next_attempt_at = next;
                    (DeliveryStatus::Pending, None)
                }
            }
        }
        Outcome::Retry { after } => {
            let next = now.plus(wait(delivery.tries, *after, terms.jitter));
            match out_of_time(&settled, next, terms) {
                Some(why) => (DeliveryStatus::Dead, Some(format!("{why}; the last attempt: {error}"))),
                None => {
                    settled.next_attempt_at = next;
                    (DeliveryStatus::Pending, None)
                }
            }
        }
    };
    if delivery.status == DeliveryStatus::Superseded && settled.status == DeliveryStatus::Delivered {
        settled.superseded_by = None;
    }
    settled
}

/// How an attempt ended, for whoever counts: `delivered`, `retry`, `failed`, `dead` or `ambiguous`. `settled` is what it made of its
/// delivery; `None` where it only begins.
pub fn ended_as(outcome: &Outcome, settled: &Delivery) -> Option<&'static str> {
    let by_outcome = match outcome {
        Outcome::Begun => return None,
        Outcome::Delivered => return Some(outcome.as_str()),
        Outcome::Failed => "failed",
        Outcome::Ambiguous => "ambiguous",
        Outcome::Retry { .. } | Outcome::Unsure | Outcome::Sought => "retry",
    };
    Some(match settled.status {
        DeliveryStatus::Pending => "retry",
        DeliveryStatus::Dead => "dead",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Ambiguous => "ambiguous",
        // It stopped being pending meanwhile.
        DeliveryStatus::Superseded | DeliveryStatus::Delivered => by_outcome,
    })
}

/// The delivery without the word that its attempt began, where it left one: what came of it takes its place. That of an attempt
/// that a process died over stays, as it is not the newest.
fn without_begun(delivery: &Delivery) -> Delivery {
    let mut before = delivery.clone();
    if before.attempts.pop_if(|newest| newest.status == Outcome::Begun.as_str()).is_some() {
        before.tries = before.tries.saturating_sub(1);
    }
    before
}

/// Keeps what an attempt learned of the thing at its receiver. A callback may have been faster: it knows more.
pub fn keep_receipt(delivery: &mut Delivery, learned: Option<Receipt>) {
    let Some(learned) = learned else { return };
    match &mut delivery.receipt {
        Some(known) if known.sid.is_none() => known.sid = learned.sid,
        Some(_) => {}
        empty @ None => *empty = Some(learned),
    }
}

/// Why there is no attempt at `next`, if there is none.
fn out_of_time(delivery: &Delivery, next: Timestamp, terms: &Terms) -> Option<String> {
    let from = delivery.retry_from.max(terms.resumed_at.unwrap_or(delivery.retry_from));
    if !terms.is_paused && next > from.plus(terms.retry_for) {
        let tries = delivery.tries;
        return Some(format!("given up after {tries} attempts within {}", terms.retry_for));
    }
    let after = terms.expire_after.filter(|after| next > delivery.wanted_since().plus(*after))?;
    Some(expired(after))
}

/// Gives a delivery up that has waited for longer than `after`; says whether it did.
pub fn expire(delivery: &mut Delivery, after: Span, now: Timestamp) -> bool {
    let is_over = delivery.status == DeliveryStatus::Pending && is_expired(delivery, after, now);
    if is_over {
        delivery.status = DeliveryStatus::Dead;
        delivery.reason = Some(expired(after));
        delivery.updated_at = now;
    }
    is_over
}

/// Whether a delivery has waited for `after`, or longer.
pub fn is_expired(delivery: &Delivery, after: Span, now: Timestamp) -> bool {
    delivery.wanted_since().plus(after) <= now
}

/// What is said of a delivery that waited longer than its destination lets it.
fn expired(after: Span) -> String {
    format!("not delivered within {after} of its making (`expire_after`)")
}

/// How long to wait after `tries` earlier attempts and one more that failed.
fn wait(tries: u32, after: Option<Span>, jitter: f64) -> Span {
    let factor = 1_i64.checked_shl(tries.min(62)).unwrap_or(i64::MAX);
    let step = RETRY_BASE.millis().saturating_mul(factor).min(RETRY_CAP.millis());
    // Per mille keeps the sum exact in integers.
    #[allow(clippy::cast_possible_truncation, reason = "clamped to 0..=1000 first")]
    let share = (jitter.clamp(0.0, 1.0) * 1000.0) as i64;
    let spread = step / 2 + step / 2 * share / 1000;
    let asked = after.map_or(0, |after| after.min(RETRY_AFTER_CAP).millis());
    Span::from_millis(spread.max(asked))
}

/// Adds `attempt`; past the bound, the oldest of the newer half goes: how it began stays visible. One that may have sent something
/// stays as long as another can go, for it is what has its delivery looked for before anything is sent again.
fn keep(attempts: &mut Vec<Attempt>, attempt: Attempt) {
    while attempts.len() >= MAX_ATTEMPTS_KEPT {
        let newer = &attempts[MAX_ATTEMPTS_KEPT / 2..];
        let idle = newer.iter().position(|attempt| !attempt.may_have_sent()).unwrap_or(0);
        attempts.remove(MAX_ATTEMPTS_KEPT / 2 + idle);
    }
    attempts.push(attempt);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::delivery::{Cause, Payload};
    use crate::domain::ids::{IdSource, UserKey};
    use crate::domain::limits::RETRY_FOR;

    const TERMS: Terms = Terms {
        retry_for: RETRY_FOR,
        expire_after: None,
        resumed_at: None,
        is_paused: false,
        is_failed_probe: false,
        jitter: 0.5,
    };

    const START: i64 = 1_790_000_000_000;

    fn pending() -> Delivery {
        let start = Timestamp::from_millis(START);
        let id = IdSource::new([3; 32]).delivery(start);
        let payload = Payload::Call(serde_json::Map::new());
        Delivery::new(id, "crm".into(), UserKey::user("u1"), "personas_1".into(), Cause::Time, payload, start)
    }

    fn attempt(at: Timestamp) -> Attempt {
        Attempt {
            at,
            status: "retry".to_owned(),
            http_status: Some(503),
            duration_ms: 3,
            response_snippet: None,
            error: None,
        }
    }

    #[test]
    fn what_came_of_an_attempt_takes_the_place_of_its_beginning() {
        let begin = |delivery: &Delivery| {
            let attempt = Attempt { status: "begun".to_owned(), ..attempt(delivery.created_at) };
            settle(delivery, attempt, &Outcome::Begun, &TERMS, delivery.created_at)
        };
        let states = |delivery: &Delivery| -> Vec<String> {
            delivery.attempts.iter().map(|attempt| attempt.status.clone()).collect()
        };
        let begun = begin(&pending());
        assert_eq!(
            (begun.status, begun.tries, begun.next_attempt_at),
            (DeliveryStatus::Pending, 1, begun.created_at)
        );
        // A process died over the first.
        let again = begin(&begun);
        assert_eq!((states(&again), again.tries), (vec!["begun".to_owned(); 2], 2));
        let retry = Outcome::Retry { after: None };
        let ended = settle(&again, attempt(again.created_at), &retry, &TERMS, again.created_at);
        assert_eq!((states(&ended), ended.tries), (vec!["begun".to_owned(), "retry".to_owned()], 2));
    }

    #[test]
    fn what_may_have_been_sent_is_remembered_however_often_it_is_looked_for() {
        let of =
            |status: &str| Attempt { status: status.to_owned(), ..attempt(Timestamp::from_millis(START)) };
        let half = MAX_ATTEMPTS_KEPT / 2;
        let mut attempts: Vec<Attempt> = Vec::new();
        (0..half).for_each(|_| keep(&mut attempts, of("retry")));
        keep(&mut attempts, of("begun"));
        keep(&mut attempts, of("unsure"));
        (0..MAX_ATTEMPTS_KEPT).for_each(|_| keep(&mut attempts, of("sought")));
        let statuses: Vec<&str> = attempts.iter().map(|attempt| attempt.status.as_str()).collect();
        assert_eq!(statuses[half - 1..=half + 2], ["retry", "begun", "unsure", "sought"]);
        (0..2 * MAX_ATTEMPTS_KEPT).for_each(|_| keep(&mut attempts, of("unsure")));
        assert_eq!(attempts.len(), MAX_ATTEMPTS_KEPT, "there is a bound all the same");
    }

    #[test]
    fn the_first_waits_double_up_to_the_cap() {
        let waits: Vec<i64> = (0..9).map(|tries| wait(tries, None, 1.0).millis() / 1000).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1200, 1200]);
        assert_eq!(wait(0, None, 0.0).millis(), 5000, "half of the step at least");
        assert_eq!(wait(u32::MAX, None, 1.0), RETRY_CAP);
    }

    #[test]
    fn retry_after_is_a_lower_bound_up_to_an_hour() {
        assert_eq!(wait(0, Some(Span::from_secs(90)), 0.3).millis(), 90_000);
        assert_eq!(wait(4, Some(Span::from_secs(1)), 1.0).millis(), 160_000);
        assert_eq!(wait(0, Some(Span::from_days(2)), 0.3), RETRY_AFTER_CAP);
    }

    #[test]
    fn final_outcomes_end_it() {
        let delivery = pending();
        let now = Timestamp::from_millis(START + 20);
        for (outcome, status) in [
            (Outcome::Delivered, DeliveryStatus::Delivered),
            (Outcome::Failed, DeliveryStatus::Failed),
            (Outcome::Ambiguous, DeliveryStatus::Ambiguous),
        ] {
            let settled = settle(&delivery, attempt(now), &outcome, &TERMS, now);
            assert_eq!((settled.status, settled.tries, settled.updated_at), (status, 1, now));
        }
    }

    #[test]
    fn what_was_superseded_meanwhile_stays_so_unless_it_arrived() {
        let delivery = Delivery { status: DeliveryStatus::Superseded, ..pending() };
        let now = Timestamp::from_millis(START + 20);
        let again = settle(&delivery, attempt(now), &Outcome::Retry { after: None }, &TERMS, now);
        assert_eq!(again.status, DeliveryStatus::Superseded);
        assert_eq!(again.attempts.len(), 1);
        let arrived = settle(&delivery, attempt(now), &Outcome::Delivered, &TERMS, now);
        assert_eq!(arrived.status, DeliveryStatus::Delivered);
    }

    fn retried(delivery: &Delivery, terms: &Terms, now: Timestamp) -> Delivery {
        settle(delivery, attempt(now), &Outcome::Retry { after: None }, terms, now)
    }

    #[test]
    fn time_runs_from_the_first_attempt_and_not_while_the_destination_is_paused() {
        let late = Timestamp::from_millis(START).plus(Span::from_days(2));
        let first = retried(&pending(), &TERMS, late);
        assert_eq!((first.status, first.retry_from), (DeliveryStatus::Pending, late), "it waited, untried");
        let end = late.plus(RETRY_FOR);
        let dead = retried(&first, &TERMS, end);
        assert_eq!(dead.status, DeliveryStatus::Dead);
        let reason = dead.reason.unwrap();
        assert!(reason.starts_with("given up after 2 attempts within 4h; the last attempt: "), "{reason}");
        let paused = Terms { is_paused: true, ..TERMS };
        assert_eq!(retried(&first, &paused, end).status, DeliveryStatus::Pending);
        let resumed = Terms { resumed_at: Some(end), ..TERMS };
        assert_eq!(retried(&first, &resumed, end).status, DeliveryStatus::Pending, "its time begins anew");
    }

    #[test]
    fn a_probe_that_is_refused_for_good_costs_no_call() {
        let now = Timestamp::from_millis(START + 20);
        let terms = Terms { is_paused: true, is_failed_probe: true, ..TERMS };
        let probed = settle(&pending(), attempt(now), &Outcome::Failed, &terms, now);
        assert_eq!((probed.status, probed.tries), (DeliveryStatus::Pending, 1));
        assert!(probed.next_attempt_at > now);
        assert_eq!(
            settle(&pending(), attempt(now), &Outcome::Delivered, &terms, now).status,
            DeliveryStatus::Delivered
        );
    }

    #[test]
    fn what_waited_too_long_expires_even_while_the_destination_is_paused() {
        let terms = Terms { expire_after: Some(Span::from_hours(1)), is_paused: true, ..TERMS };
        let now = Timestamp::from_millis(START).plus(Span::from_hours(1));
        let expired = retried(&pending(), &terms, now);
        assert_eq!(expired.status, DeliveryStatus::Dead);
        assert!(expired.reason.unwrap().starts_with("not delivered within 1h"));
    }

    proptest! {
        /// A receiver that is down for good: tried many times, never past the end of its time, then dead.
        #[test]
        fn a_receiver_that_stays_down_ends_in_a_dead_letter(
            jitters in proptest::collection::vec(0.0..=1.0_f64, 8),
            asked in proptest::option::of(0_i64..10_000),
        ) {
            let mut delivery = pending();
            let end = delivery.retry_from.plus(RETRY_FOR);
            let outcome = Outcome::Retry { after: asked.map(Span::from_secs) };
            let mut rounds = 0_usize;
            while delivery.status == DeliveryStatus::Pending {
                let now = delivery.next_attempt_at;
                prop_assert!(now <= end);
                let terms = Terms { jitter: jitters[rounds % jitters.len()], ..TERMS };
                let settled = settle(&delivery, attempt(now), &outcome, &terms, now);
                prop_assert!(settled.status == DeliveryStatus::Dead || settled.next_attempt_at > now);
                delivery = settled;
                rounds += 1;
            }
            prop_assert_eq!(delivery.status, DeliveryStatus::Dead);
            prop_assert!((4..60).contains(&rounds), "{} rounds", rounds);
            prop_assert_eq!(delivery.tries as usize, rounds);
            prop_assert!(delivery.attempts.len() <= MAX_ATTEMPTS_KEPT);
            prop_assert_eq!(delivery.attempts[0].at, Timestamp::from_millis(START));
            prop_assert!(delivery.attempts.is_sorted_by_key(|attempt| attempt.at));
        }

        #[test]
        fn a_wait_is_within_half_and_whole_of_its_step(tries in 0_u32..100, jitter in 0.0..=1.0_f64) {
            let full = wait(tries, None, 1.0);
            let some = wait(tries, None, jitter);
            prop_assert!(some <= full && some.millis() >= full.millis() / 2);
            prop_assert!(full <= RETRY_CAP);
        }
    }
}
