//! The key that somebody pressed in a call.

use super::callback::Callback;
use crate::delivery::sender::KEY_PROMPT;
use crate::domain::delivery::Delivery;
use crate::domain::ids::JourneyId;
use crate::domain::ingest::{Code, IngestError};
use crate::domain::journey::{Journey, Standing};
use crate::domain::limits::MAX_BY;
use crate::domain::link::Purpose;
use crate::domain::twilio::{ACKNOWLEDGE_KEY, Gather, ask_for_key, say};
use crate::engine::{By, EngineError, Operation};
use crate::http::api::ApiState;
use crate::http::ingest::{Incoming, Refusal, of_engine};

/// How often the message is repeated for a key that means nothing.
const MOST_REPEATS: u32 = 3;
/// What is said where what the call was about was deleted.
const GONE: &str = "This alarm is no longer known. There is nothing to do.";

/// Does what the key means, and answers what is said then.
///
/// # Errors
/// When the link is for something else, or it could not be written.
pub(super) async fn pressed(
    incoming: &Incoming<'_>,
    state: &ApiState,
    callback: &Callback,
) -> Result<String, Refusal> {
    let Purpose::CallKey(id) = callback.link.purpose else {
        let error = IngestError::new(Code::BadLink, "the link is for something else");
        return Err(Refusal::unknown(error, b""));
    };
    if callback.field("Digits") != Some(ACKNOWLEDGE_KEY) {
        return Ok(again(incoming, state, callback));
    }
    let failed = |error| Refusal::unknown(of_engine(error), b"");
    let journey = incoming.engine.journey(id).await.map_err(failed)?;
    match journey {
        None => Ok(say(GONE)),
        Some(journey) => match nothing_to_do(&journey, &callback.delivery) {
            Some(why) => Ok(say(&why)),
            None => acknowledge(incoming, callback, id, &journey).await,
        },
    }
}

/// Why the key has no effect any more, if it has none.
fn nothing_to_do(journey: &Journey, delivery: &Delivery) -> Option<String> {
    match journey.standing(Some(delivery.created_at)) {
        Standing::Stalled => None,
        Standing::Closed => {
            Some(format!("This journey is {}. There is nothing left to do.", journey.status.as_str()))
        }
        Standing::MovedOn => Some(format!(
            "The journey has moved on to the stage {}. There is nothing to acknowledge.",
            journey.stage
        )),
        Standing::Acknowledged => {
            let by = journey.acknowledgement().map_or("somebody", |known| known.note.by.as_str());
            Some(format!("This alarm was acknowledged by {by} already. Thank you."))
        }
    }
}

async fn acknowledge(
    incoming: &Incoming<'_>,
    callback: &Callback,
    id: JourneyId,
    journey: &Journey,
) -> Result<String, Refusal> {
    let by = By {
        who: who(incoming, callback, journey),
        reason: format!("pressed {ACKNOWLEDGE_KEY} in the call"),
        via: "call",
    };
    let failed = |error| Refusal::unknown(of_engine(error), b"");
    let operation = Operation::Acknowledge { told_at: Some(callback.delivery.created_at) };
    match incoming.engine.operate(id, operation, by).await {
        Ok(_) => Ok(say("Acknowledged. Further alarms of this stall are stopped. Thank you. Good bye.")),
        // Closed, or in another stage, since it was looked at.
        Err(EngineError::Conflict(_) | EngineError::NotFound { .. }) => {
            let journey = incoming.engine.journey(id).await.map_err(failed)?;
            let why = journey.and_then(|journey| nothing_to_do(&journey, &callback.delivery));
            Ok(say(why.as_deref().unwrap_or("This alarm is over. There is nothing left to do.")))
        }
        Err(error) => Err(failed(error)),
    }
}

/// The number that was called, and whose it is as far as the flow's team says.
fn who(incoming: &Incoming<'_>, callback: &Callback, journey: &Journey) -> String {
    let number = callback.asked().map_or("?", |(_, to)| to);
    let definitions = incoming.engine.definitions();
    let flow = definitions.flows.get(&journey.flow);
    let team = flow.and_then(|flow| definitions.teams.get(flow.team.as_deref()?));
    let shifts = team.iter().flat_map(|team| &team.on_call);
    let mut names = shifts
        .filter(|shift| !shift.name.is_empty() && shift.phone.iter().any(|phone| phone == number))
        .map(|shift| &shift.name);
    let who = names.next().map_or_else(|| number.to_owned(), |name| format!("{name} ({number})"));
    who.chars().take(MAX_BY).collect()
}

/// The message once more, for a key that means nothing; not for ever.
fn again(incoming: &Incoming<'_>, state: &ApiState, callback: &Callback) -> String {
    let text = state.tester().and_then(|sender| sender.spoken(&callback.delivery).ok());
    match (text, next_try(incoming, state)) {
        (Some(text), Some(action)) => {
            ask_for_key(&text, Some(Gather { action: &action, prompt: KEY_PROMPT }))
        }
        _ => say("That key means nothing here. Good bye."),
    }
}

/// What is said to whoever pressed a key where that failed by no fault of his; nothing is said to who is not to be trusted.
pub(super) fn said_of(refusal: &Refusal, incoming: &Incoming<'_>, state: &ApiState) -> Option<String> {
    match refusal.error.code {
        Code::Busy | Code::Unavailable => Some(match next_try(incoming, state) {
            Some(action) => ask_for_key(
                "Your key could not be noted just now.",
                Some(Gather { action: &action, prompt: "Press 1 again to acknowledge." }),
            ),
            None => say("Your key could not be noted. Please acknowledge in another way. Good bye."),
        }),
        Code::NotFound => Some(say(GONE)),
        _ => None,
    }
}

/// Where the next key of the call goes, if it may take another one.
fn next_try(incoming: &Incoming<'_>, state: &ApiState) -> Option<String> {
    let uri = incoming.request.uri();
    let times = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "again")
        .and_then(|(_, times)| times.parse().ok())
        .unwrap_or(0_u32);
    let links = state.links.as_ref().filter(|_| times < MOST_REPEATS)?;
    let token = uri.path().split('/').nth_back(1).unwrap_or_default();
    Some(format!("{}/twilio/{token}/key?again={}", links.base_url, times + 1))
}
