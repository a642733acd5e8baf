//! What an HTTP answer, or none, means for the delivery: the retry rules that all HTTP destinations share.
//!
//! From Segment's retry rules: 408, 423, 429 and 5xx but 501 are tried again, so are network errors and timeouts;
//! other 4xx, and redirects (which are not followed), are final.

use crate::delivery::http_client::{Answer, HttpError};
use crate::delivery::sender::Verdict;
use crate::domain::delivery::Outcome;
use crate::domain::limits::RETRY_AFTER_CAP;
use crate::domain::time::{Span, Timestamp};

/// Judges what came back, `now`.
pub fn judge(result: Result<Answer, HttpError>, now: Timestamp) -> Verdict {
    match result {
        Ok(answer) => judge_answer(answer, now),
        Err(error @ (HttpError::Refused(_) | HttpError::Unsendable(_))) => Verdict::failed(error.to_string()),
        Err(
            error @ (HttpError::Timeout(_)
            | HttpError::Certificate(_)
            | HttpError::Connect(_)
            | HttpError::Network(_)),
        ) => Verdict::retry(None, error.to_string()),
    }
}

fn judge_answer(answer: Answer, now: Timestamp) -> Verdict {
    let after = answer.retry_after.as_deref().and_then(|text| retry_after(text, now));
    let (outcome, error) = match (answer.status, answer.broken_off) {
        (200..=299, None) => (Outcome::Delivered, None),
        // A success that breaks off was most likely a receiver that fell over while it worked.
        (status @ 200..=299, Some(why)) => {
            (Outcome::Retry { after: None }, Some(format!("answered {status}, but {why}")))
        }
        (status @ 300..=399, _) => {
            (Outcome::Failed, Some(format!("answered {status}: redirects are not followed")))
        }
        (status, _) if is_retryable(status) => (Outcome::Retry { after }, Some(format!("answered {status}"))),
        (status, _) => (Outcome::Failed, Some(format!("answered {status}, which is final"))),
    };
    Verdict { outcome, status: Some(answer.status), snippet: Some(answer.snippet), error }
}

fn is_retryable(status: u16) -> bool {
    matches!(status, 408 | 423 | 429 | 500 | 502..=599)
}

/// `Retry-After` as seconds or as an HTTP date, clamped to `limits::RETRY_AFTER_CAP`.
fn retry_after(text: &str, now: Timestamp) -> Option<Span> {
    let text = text.trim();
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

    fn answered(status: u16) -> Outcome {
        let answer = Answer { status, retry_after: None, snippet: String::new(), broken_off: None };
        judge(Ok(answer), Timestamp::from_millis(0)).outcome
    }

    #[test]
    fn statuses_mean_what_the_table_says() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status), Outcome::Delivered, "{status}");
        }
        for status in [408, 423, 429, 500, 502, 503, 504, 511, 598, 599] {
            assert_eq!(answered(status), Outcome::Retry { after: None }, "{status}");
        }
        for status in [300, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 418, 422, 451, 501] {
            assert_eq!(answered(status), Outcome::Failed, "{status}");
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let now = Timestamp::parse_lenient("2026-11-21T10:00:00Z").unwrap();
        let read = |text| retry_after(text, now).map(Span::millis);
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
