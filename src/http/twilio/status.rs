//! How a call or message stands.

use super::callback::Callback;
use crate::domain::delivery::Receipt;
use crate::domain::ingest::{Code, IngestError};
use crate::domain::link::Purpose;
use crate::domain::twilio::{Thing, is_later, reached};
use crate::engine::EngineError;
use crate::http::ingest::{Incoming, Refusal, of_engine};

/// Longest status, and longest SID, that is kept.
const MAX_WORD: usize = 40;

/// Keeps what Twilio says, unless something later is known.
///
/// # Errors
/// When it says nothing that can be kept, or it could not be written.
pub(super) async fn told(incoming: &Incoming<'_>, callback: &Callback) -> Result<(), Refusal> {
    let refused = |error| Refusal::unknown(error, b"");
    let wrong = |code, message: &str| refused(IngestError::new(code, message));
    let Purpose::Status(replays) = callback.link.purpose else {
        return Err(wrong(Code::BadLink, "the link is for something else"));
    };
    let (thing, _) =
        callback.asked().ok_or_else(|| wrong(Code::BadLink, "nothing is told of such a delivery"))?;
    let (sid, status) = match thing {
        Thing::Call => (callback.field("CallSid"), callback.field("CallStatus")),
        _ => (
            callback.field("MessageSid").or_else(|| callback.field("SmsSid")),
            callback.field("MessageStatus").or_else(|| callback.field("SmsStatus")),
        ),
    };
    let is_short = |word: &&str| word.len() <= MAX_WORD;
    let (sid, status) = (sid.filter(is_short), status.filter(is_short));
    let status = status.ok_or_else(|| wrong(Code::MissingField, "there is no status in this callback"))?;
    let known = callback.delivery.receipt.as_ref().filter(|known| known.sid.as_deref() == sid);
    // What was made before a replay is not what the replay is to make, unless the replay found it.
    let is_earlier = replays != callback.delivery.replays && known.is_none_or(|known| known.sid.is_none());
    if is_earlier || known.is_some_and(|known| !is_later(thing, &known.status, status)) {
        return Ok(());
    }
    let receipt = Receipt {
        sid: sid.map(str::to_owned),
        status: status.to_owned(),
        reached: reached(thing, status),
        error_code: callback.field("ErrorCode").and_then(|code| code.parse().ok()),
        at: incoming.now,
    };
    match incoming.engine.receipt(callback.delivery.id, receipt).await {
        // It was deleted meanwhile: nobody asks any more.
        Ok(()) | Err(EngineError::NotFound { .. }) => Ok(()),
        Err(error) => Err(refused(of_engine(error))),
    }
}
