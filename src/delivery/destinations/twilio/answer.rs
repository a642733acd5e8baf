//! What Twilio's answers mean.
//!
//! | answer | what follows |
//! |---|---|
//! | 2xx with a SID | taken |
//! | 429, code 20429 | was not looked at: again later |
//! | no connection, no name, no TLS | nothing was sent: again later |
//! | no answer in time, a broken connection, 5xx, 2xx that can't be read | it may have been taken: ask before anything is sent |
//! | 401, 402, 403, code 20003 | nobody is let in: the destination is paused, the operators are told |
//! | any other | never going to work |

use serde_json::Value;

use crate::delivery::destinations::answer::retry_after;
use crate::delivery::http_client::{Answer, HttpError};
use crate::delivery::secrets::Secrets;
use crate::delivery::sender::Verdict;
use crate::domain::delivery::{Outcome, Receipt};
use crate::domain::health::Signal;
use crate::domain::limits::RESPONSE_SNIPPET_BYTES;
use crate::domain::time::Timestamp;

/// The recipient wants no messages of this sender.
pub(super) const OPTED_OUT: u32 = 21610;

/// Codes that speak of the one request whatever the status is, and what they mean.
const CODES: [(u32, &str); 15] = [
    (
        13227,
        "the account may not call that country: allow it in Twilio's console, under Voice, Geographic permissions",
    ),
    (20404, "there is no such thing: are the SIDs right, and of this account?"),
    (21205, "Twilio takes no callbacks at this server's public URL"),
    (21210, "the number that it is from is neither the account's nor verified"),
    (21211, "the number it is to is not valid: write it with + and the country"),
    (21214, "the number it is to can't be reached"),
    (
        21215,
        "the account may not call that country: allow it in Twilio's console, under Voice, Geographic permissions",
    ),
    (21219, "a trial account reaches only numbers that are verified in Twilio's console"),
    (
        21408,
        "the account may not send messages to that country: allow it in Twilio's console, under Messaging, Geo permissions",
    ),
    (21606, "the number it is from can't send messages to that one"),
    (21608, "a trial account reaches only numbers that are verified in Twilio's console"),
    (
        OPTED_OUT,
        "its recipient has opted out of messages of this sender and has to be told in another way; only he can take that back, by START",
    ),
    (21612, "there is no route from that sender to that number: use another sender"),
    (21614, "the number it is to takes no messages: it is no mobile number"),
    (21617, "it is longer than 1,600 characters"),
];

/// What was made.
#[derive(Debug)]
pub(super) struct Taken {
    pub sid: String,
    /// Twilio's word for how it stands.
    pub status: String,
    pub http_status: u16,
    pub snippet: String,
}

/// Why nothing was made, or read.
#[derive(Debug)]
pub(super) struct Refusal {
    pub verdict: Verdict,
    /// Whether it may be that something stands in the way, as far as the answer tells.
    pub may_be_a_conflict: bool,
    /// Twilio's code for it.
    pub code: Option<u32>,
}

impl Refusal {
    /// Of a request that can't be made.
    pub fn before_sending(why: String) -> Box<Self> {
        Self::of(Verdict::not_tried(why))
    }

    fn of(verdict: Verdict) -> Box<Self> {
        Box::new(Self { verdict, may_be_a_conflict: false, code: None })
    }
}

/// What came of a request that was to make something.
pub(super) fn made(
    result: Result<Answer, HttpError>,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Taken, Box<Refusal>> {
    let (answer, body) = judge(result, secrets, now)?;
    let snippet = secrets.masked(&answer.snippet, RESPONSE_SNIPPET_BYTES);
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(sid) = text("sid") else { return Err(unreadable(&answer, snippet, "it names no SID")) };
    let status = text("status").or_else(|| text("assignment_status")).unwrap_or_default();
    Ok(Taken { sid: sid.to_owned(), status: status.to_owned(), http_status: answer.status, snippet })
}

/// What came of a request that was to read something.
pub(super) fn read(
    result: Result<Answer, HttpError>,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Value, Box<Refusal>> {
    judge(result, secrets, now).map(|(_, body)| body)
}

/// The answer and its JSON object, where it is a success.
fn judge(
    result: Result<Answer, HttpError>,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(Answer, Value), Box<Refusal>> {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ HttpError::Refused(_)) => return Err(Refusal::of(Verdict::not_tried(error.to_string()))),
        Err(error @ HttpError::Unsendable(_)) => return Err(Refusal::of(Verdict::failed(error.to_string()))),
        Err(error) if error.may_have_left() => return Err(Refusal::of(Verdict::unsure(error.to_string()))),
        Err(error) => return Err(Refusal::of(Verdict::retry(None, error.to_string()))),
    };
    if !(200..=299).contains(&answer.status) {
        return Err(refused(&answer, secrets, now));
    }
    let snippet = || secrets.masked(&answer.snippet, RESPONSE_SNIPPET_BYTES);
    if let Some(why) = &answer.broken_off {
        return Err(unreadable(&answer, snippet(), why));
    }
    match serde_json::from_str::<Value>(&answer.snippet) {
        Ok(body) if body.is_object() => Ok((answer, body)),
        Ok(_) | Err(_) => Err(unreadable(&answer, snippet(), "it is no JSON object")),
    }
}

fn unreadable(answer: &Answer, snippet: String, why: &str) -> Box<Refusal> {
    let verdict = Verdict::unsure(format!("Twilio answered {}, which can't be read: {why}", answer.status));
    Refusal::of(Verdict { status: Some(answer.status), snippet: Some(snippet), ..verdict })
}

fn refused(answer: &Answer, secrets: &Secrets, now: Timestamp) -> Box<Refusal> {
    let body: Value = serde_json::from_str(&answer.snippet).unwrap_or_default();
    let code = body.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    let told = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let known = CODES.iter().find(|(known, _)| Some(*known) == code).map(|(_, meaning)| *meaning);
    let error = secrets.masked(&in_words(answer.status, code, known, told), RESPONSE_SNIPPET_BYTES);
    let verdict = match (answer.status, code) {
        (429, _) | (_, Some(20429)) => Verdict::retry(retry_after(answer, now), error),
        (408 | 500..=599, _) => Verdict::unsure(error),
        (401..=403, _) | (_, Some(20003)) if known.is_none() => Verdict {
            signal: Signal::Barred,
            ..Verdict::retry(
                None,
                format!("{error}; nothing is sent until the credentials, or the account, are put right"),
            )
        },
        _ => Verdict {
            receipt: Some(Receipt {
                sid: None,
                status: "refused".to_owned(),
                reached: Some(false),
                error_code: code,
                at: now,
            }),
            ..Verdict::failed(error)
        },
    };
    // Twilio does not say which code that has; those that are known speak of a number, a flow or the account.
    let may_be_a_conflict = verdict.outcome == Outcome::Failed && (answer.status == 409 || known.is_none());
    let snippet = secrets.masked(&answer.snippet, RESPONSE_SNIPPET_BYTES);
    let verdict = Verdict { status: Some(answer.status), snippet: Some(snippet), ..verdict };
    Box::new(Refusal { verdict, may_be_a_conflict, code })
}

fn in_words(status: u16, code: Option<u32>, known: Option<&str>, told: &str) -> String {
    let mut words = format!("Twilio answered {status}");
    if let Some(code) = code {
        words.push_str(&format!(", code {code}"));
    }
    for part in [known.unwrap_or_default(), told].into_iter().filter(|part| !part.is_empty()) {
        words.push_str(": ");
        words.push_str(part);
    }
    words
}
