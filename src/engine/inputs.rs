//! The inputs of one group: what each needs is loaded, then the domain decides on them in turn.

use std::collections::HashMap;

use serde_json::json;

use super::command::{By, Input, Operation, Outcomes, Settlement};
use super::error::EngineError;
use super::group::Group;
use super::people::entry;
use super::receipts::{load_owners, receive};
use super::settle::{Faring, expire, settle, withdraw};
use crate::domain::change::DeliveryWrite;
use crate::domain::decide::{Decision, OperateError};
use crate::domain::delivery::{Cause, Outcome};
use crate::domain::ids::{DeliveryId, JourneyId, UserKey};
use crate::domain::journey::{Journey, Note};
use crate::domain::limits;
use crate::domain::people::{Action, Deed};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// Lets the domain decide on each input in turn; answers in the same order.
pub(super) async fn decide(
    group: &mut Group<'_>,
    mut inputs: Vec<Input>,
    faring: &mut Faring,
) -> Result<Vec<Outcomes>, StoreError> {
    group.find_runs(&mut inputs).await?;
    let users = load(group, &inputs).await?;
    let mut outcomes = Vec::with_capacity(inputs.len());
    for input in inputs {
        outcomes.push(match input {
            Input::Ingest(events) => {
                Outcomes::Accepted(events.into_iter().map(|event| group.take_in(event)).collect())
            }
            Input::Settle(settlements) => {
                settle(group, &settlements, faring, &users).await?;
                Outcomes::Done
            }
            Input::Expire(ids) => {
                expire(group, &ids, &users);
                Outcomes::Done
            }
            Input::Withdraw(ids) => {
                withdraw(group, &ids, &users).await?;
                Outcomes::Done
            }
            Input::Operate { id, operation, by, asked_by } => {
                let by = Word { note: note(by, group.now), asked_by };
                Outcomes::Operated(operate(group, users.get(&id), id, operation, by).map(Box::new))
            }
            Input::AcknowledgeAll { digest, by, asked_by } => {
                let by = Word { note: note(by, group.now), asked_by };
                Outcomes::AcknowledgedAll(acknowledge_all(group, &users, digest, &by))
            }
            Input::Receipt { id, receipt } => Outcomes::Received(receive(group, &users, id, receipt)),
        });
    }
    Ok(outcomes)
}

/// Whose journeys are.
pub(super) type Owners = HashMap<JourneyId, UserKey>;

/// Loads what the inputs are about, all of each sort at once; answers whose the journeys are that they concern beside events.
async fn load(group: &mut Group<'_>, inputs: &[Input]) -> Result<Owners, StoreError> {
    let (mut events, mut deliveries, mut journeys) = (Vec::new(), Vec::<DeliveryId>::new(), Vec::new());
    // Deliveries whose journeys are to know what becomes of them.
    let mut telling: Vec<DeliveryId> = Vec::new();
    for input in inputs {
        match input {
            Input::Ingest(new) => events.extend(new),
            Input::Settle(settlements) => {
                deliveries.extend(settlements.iter().map(|it| it.id));
                // What arrives at a receiver that tells nothing more is no news.
                let is_news = |it: &&Settlement| it.outcome != Outcome::Delivered || it.receipt.is_some();
                telling.extend(settlements.iter().filter(is_news).map(|it| it.id));
            }
            Input::Expire(ids) | Input::Withdraw(ids) => telling.extend(ids),
            Input::Operate { id, .. } => journeys.push(*id),
            Input::AcknowledgeAll { digest, .. } => telling.push(*digest),
            Input::Receipt { id, .. } => telling.push(*id),
        }
    }
    deliveries.extend(&telling);
    group.load(events.iter().map(|event| event.user_key())).await?;
    group.load_spilled(&events).await?;
    group.load_for(&events).await?;
    group.load_deliveries(deliveries).await?;
    for DeliveryWrite { delivery, .. } in telling.into_iter().filter_map(|id| group.delivery(id)) {
        journeys.extend(delivery.stalls().into_iter().map(|(journey, _)| journey));
    }
    load_owners(group, &journeys).await
}

fn operate(
    group: &mut Group<'_>,
    user: Option<&UserKey>,
    id: JourneyId,
    operation: Operation,
    word: Word,
) -> Result<Journey, EngineError> {
    let not_found = || EngineError::NotFound { what: "journey", key: id.to_string() };
    let user = user.ok_or_else(not_found)?;
    let done = group.with_profile(user, |decision, profile| {
        let before = profile.journeys.iter().find(|journey| journey.id == id).cloned();
        let note = word.note.clone();
        let done = match operation {
            Operation::Acknowledge { told_at } => decision.acknowledge(profile, id, told_at, note),
            Operation::Resolve => decision.resolve(profile, id, note),
            Operation::Snooze { until, told_at } => decision.snooze(profile, id, until, told_at, note),
        };
        if let (Some(before), Ok(after)) = (&before, &done) {
            tell_audit(decision, operation, before, after, &word);
        }
        (done.is_ok(), done)
    });
    done.ok_or_else(not_found)?.map_err(|error| {
        EngineError::Conflict(match error {
            // It is known, but no longer in the profile: finished long ago.
            OperateError::NotFound | OperateError::NotOpen => {
                format!("journey {id} is finished; there is nothing left to do")
            }
            OperateError::MovedOn => {
                format!("journey {id} has moved on; the stall that was told of is over")
            }
            OperateError::Acknowledged => {
                format!("journey {id} is acknowledged: nobody is told of this stall any more, so there is nothing to snooze")
            }
            OperateError::OutOfRange => {
                format!("a journey can be snoozed until some time within the next {}", limits::MAX_SNOOZE)
            }
            OperateError::Expires(at) => {
                format!("journey {id} is given up at {at} if nothing is heard of it; snooze it for less")
            }
        })
    })
}

/// An operator's word as the journey keeps it, and who asked for it.
struct Word {
    note: Note,
    asked_by: By,
}

/// Puts what somebody did with a journey into the audit log, unless nothing came of it.
fn tell_audit(
    decision: &mut Decision<'_>,
    operation: Operation,
    before: &Journey,
    after: &Journey,
    word: &Word,
) {
    if before == after {
        return;
    }
    let (action, until) = match operation {
        Operation::Acknowledge { .. } => (Action::Acknowledged, None),
        Operation::Resolve => (Action::Resolved, None),
        Operation::Snooze { until, .. } => (Action::Snoozed, Some(until)),
    };
    let state = |journey: &Journey| json!({ "flow": journey.flow, "stage": journey.stage, "status": journey.status.as_str() });
    let mut then = state(after);
    then["by"] = json!(word.note.by);
    if let Some(until) = until {
        then["until"] = json!(until);
    }
    let deed = Deed::new(action, format!("journey {}", after.id)).from(state(before)).to(then);
    let now = decision.now();
    let entry = entry(decision.ids(), now, &word.asked_by, deed);
    decision.changes.entries.push(entry);
}

fn note(by: By, at: Timestamp) -> Note {
    Note { by: by.who, reason: by.reason, at, via: Some(by.via.to_owned()) }
}

/// Acknowledges the stalls that a digest told of, as far as they last.
fn acknowledge_all(
    group: &mut Group<'_>,
    users: &Owners,
    digest: DeliveryId,
    word: &Word,
) -> Result<usize, EngineError> {
    let found = group.delivery(digest).map(|write| write.delivery);
    let not_found = || EngineError::NotFound { what: "digest", key: digest.to_string() };
    let (told_at, stalls) = match found.map(|delivery| (delivery.created_at, delivery.cause)) {
        Some((told_at, Cause::Digest(stalls))) => (told_at, stalls),
        _ => return Err(not_found()),
    };
    let mut done = 0;
    for (journey, _) in stalls {
        let Some(user) = users.get(&journey) else { continue };
        let acknowledged = group.with_profile(user, |decision, profile| {
            let operation = Operation::Acknowledge { told_at: Some(told_at) };
            let before = profile.journeys.iter().find(|known| known.id == journey).cloned();
            let done = decision.acknowledge(profile, journey, Some(told_at), word.note.clone());
            if let (Some(before), Ok(after)) = (&before, &done) {
                tell_audit(decision, operation, before, after, word);
            }
            (done.is_ok(), done.is_ok())
        });
        done += usize::from(acknowledged == Some(true));
    }
    Ok(done)
}
