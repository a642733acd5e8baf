//! What an HTTP answer, or none, means for the delivery.
//!
//! From Segment's retry rules: 408, 429 and 5xx are tried again, so are network errors and timeouts; other 4xx, and redirects
//! (which are not followed), are final. Its webhook actions try 423 again, too, and 501 not.

use crate::delivery::http_client::{Answer, HttpError};
use crate::delivery::sender::Verdict;
use crate::domain::delivery::Outcome;
use crate::domain::health::Signal;
use crate::domain::limits::RETRY_AFTER_CAP;
use crate::domain::time::{Span, Timestamp};

/// Whose retry rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Those of classic webhooks.
    Webhook,
    /// Those of webhook actions.
    Action,
}

impl Rules {
    fn is_retryable(self, status: u16) -> bool {
        match (self, status) {
            (_, 408 | 429 | 500 | 502..=599) => true,
            (Self::Webhook, status) => status == 501,
            (Self::Action, status) => status == 423,
        }
    }
}

/// Judges what came back, `now`.
pub(super) fn judge(result: Result<Answer, HttpError>, rules: Rules, now: Timestamp) -> Verdict {
    match result {
        Ok(answer) => judge_answer(answer, rules, now),
        // A setting of the server, or a name that leads elsewhere for a while: neither must cost a destination its queue.
        Err(error @ HttpError::Refused(_)) => Verdict::not_tried(error.to_string()),
        Err(error @ HttpError::Unsendable(_)) => unsendable(error.to_string(), rules),
        Err(
            error @ (HttpError::Timeout(_)
            | HttpError::Certificate(_)
            | HttpError::Connect(_)
            | HttpError::Network(_)),
        ) => Verdict::retry(None, error.to_string()),
    }
}

/// No request can be made: of a setting, which can be put right, or of what a mapping made of this one call.
fn unsendable(error: String, rules: Rules) -> Verdict {
    match rules {
        Rules::Webhook => Verdict::not_tried(error),
        Rules::Action => Verdict::failed(error),
    }
}

fn judge_answer(answer: Answer, rules: Rules, now: Timestamp) -> Verdict {
    let after = retry_after(&answer, now);
    let (outcome, error) = match (answer.status, answer.broken_off) {
        (200..=299, None) => (Outcome::Delivered, None),
        // A success that breaks off was most likely a receiver that fell over while it worked.
        (status @ 200..=299, Some(why)) => {
            (Outcome::Retry { after: None }, Some(format!("answered {status}, but {why}")))
        }
        (status @ 300..=399, _) => {
            (Outcome::Failed, Some(format!("answered {status}: redirects are not followed")))
        }
        (status, _) if rules.is_retryable(status) => {
            (Outcome::Retry { after }, Some(format!("answered {status}")))
        }
        (status @ (401 | 403), _) => {
            let error =
                format!("answered {status}, which is final: are the destination's credentials right?");
            (Outcome::Failed, Some(error))
        }
        (status, _) => (Outcome::Failed, Some(format!("answered {status}, which is final"))),
    };
    let signal = match (&outcome, answer.status) {
        (Outcome::Delivered, _) => Signal::Good,
        (Outcome::Failed, status) if is_about_the_call(status) => Signal::None,
        (_, _) => Signal::Bad,
    };
    Verdict {
        outcome,
        signal,
        status: Some(answer.status),
        snippet: Some(answer.snippet),
        error,
        receipt: None,
    }
}

/// Whether a refusal speaks of the one call, its form or its size, and so says nothing of how the destination fares: others must
/// not wait for it.
fn is_about_the_call(status: u16) -> bool {
    matches!(status, 400 | 409 | 413..=415 | 422 | 431)
}

/// The answer's `Retry-After`, seconds or an HTTP date, clamped to `limits::RETRY_AFTER_CAP`.
pub(super) fn retry_after(answer: &Answer, now: Timestamp) -> Option<Span> {
    let text = answer.retry_after.as_deref()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Span::from_secs(text.parse().unwrap_or(i64::MAX))
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        Span::from_millis(Timestamp::from_chrono(at.into()).millis_since(now))
    };
    Some(wait.min(RETRY_AFTER_CAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let retry_after = retry_after.map(str::to_owned);
        Answer { status, retry_after, snippet: String::new(), broken_off: None }
    }

    fn judged(result: Result<Answer, HttpError>) -> Verdict {
        judge(result, Rules::Action, Timestamp::from_millis(0))
    }

    fn answered(rules: Rules, status: u16) -> Outcome {
        judge(Ok(answer(status, None)), rules, Timestamp::from_millis(0)).outcome
    }

    #[test]
    fn whether_the_destination_did_its_part() {
        assert_eq!(judged(Ok(answer(204, None))).signal, Signal::Good);
        for status in [302, 401, 403, 404, 410, 429, 500, 503] {
            assert_eq!(judged(Ok(answer(status, None))).signal, Signal::Bad, "{status}");
        }
        for status in [400, 409, 413, 415, 422] {
            assert_eq!(judged(Ok(answer(status, None))).signal, Signal::None, "{status}: the others go on");
        }
        let half = Answer { broken_off: Some("it broke off".to_owned()), ..answer(200, None) };
        assert_eq!(judged(Ok(half)).signal, Signal::Bad);
        for error in [
            HttpError::Timeout(std::time::Duration::from_secs(5)),
            HttpError::Connect(String::new()),
            HttpError::Certificate(String::new()),
            HttpError::Network(String::new()),
        ] {
            assert_eq!(judged(Err(error)).signal, Signal::Bad);
        }
        for error in [HttpError::Refused(String::new()), HttpError::Unsendable(String::new())] {
            assert_eq!(judged(Err(error)).signal, Signal::None);
        }
    }

    #[test]
    fn statuses_mean_what_the_table_says() {
        for rules in [Rules::Webhook, Rules::Action] {
            for status in [200, 201, 202, 204, 299] {
                assert_eq!(answered(rules, status), Outcome::Delivered, "{status}");
            }
            for status in [408, 429, 500, 502, 503, 504, 511, 598, 599] {
                assert_eq!(answered(rules, status), Outcome::Retry { after: None }, "{status}");
            }
            for status in [300, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 451, 600] {
                assert_eq!(answered(rules, status), Outcome::Failed, "{status}");
            }
        }
    }

    #[test]
    fn webhooks_and_actions_differ_in_two_statuses() {
        let retry = Outcome::Retry { after: None };
        assert_eq!(
            (answered(Rules::Webhook, 501), answered(Rules::Webhook, 423)),
            (retry.clone(), Outcome::Failed)
        );
        assert_eq!((answered(Rules::Action, 501), answered(Rules::Action, 423)), (Outcome::Failed, retry));
    }

    #[test]
    fn what_can_be_put_right_is_tried_again() {
        let refused = || Err(HttpError::Refused(String::new()));
        let unsendable = || Err(HttpError::Unsendable(String::new()));
        for (result, rules, outcome) in [
            (refused(), Rules::Webhook, Outcome::Retry { after: None }),
            (refused(), Rules::Action, Outcome::Retry { after: None }),
            (unsendable(), Rules::Webhook, Outcome::Retry { after: None }),
            (unsendable(), Rules::Action, Outcome::Failed),
        ] {
            assert_eq!(judge(result, rules, Timestamp::from_millis(0)).outcome, outcome, "{rules:?}");
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = Timestamp::parse_lenient("2026-11-21T10:00:00Z").unwrap();
        let read = |text| retry_after(&answer(429, Some(text)), now).map(Span::millis);
        assert_eq!(read("120"), Some(120_000));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("99999999999999999999"), Some(RETRY_AFTER_CAP.millis()));
        assert_eq!(read("Sat, 21 Nov 2026 10:01:30 GMT"), Some(90_000));
        assert_eq!(read("Sat, 21 Nov 2026 09:00:00 GMT"), Some(0), "in the past: at once");
        assert_eq!(read("Sun, 22 Nov 2026 10:00:00 GMT"), Some(RETRY_AFTER_CAP.millis()));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-5"), None);
    }
}
