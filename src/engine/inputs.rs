//! The inputs of one group: what each needs is loaded, then the domain decides on them in turn.

use std::collections::HashMap;

use super::command::{Input, Operation, Outcomes};
use super::error::EngineError;
use super::group::Group;
use super::settle::{Faring, expire, settle};
use crate::domain::decide::OperateError;
use crate::domain::ids::{DeliveryId, JourneyId, UserKey};
use crate::domain::journey::{Journey, Note};
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
                settle(group, &settlements, faring).await?;
                Outcomes::Done
            }
            Input::Expire(ids) => {
                expire(group, &ids);
                Outcomes::Done
            }
            Input::Operate { id, operation, by, reason } => {
                let note = Note { by, reason, at: group.now, via: None };
                Outcomes::Operated(operate(group, users.get(&id), id, operation, note).map(Box::new))
            }
        });
    }
    Ok(outcomes)
}

/// Loads what the inputs are about, all of each sort at once; answers whose the journeys are that operators speak of.
async fn load(group: &mut Group<'_>, inputs: &[Input]) -> Result<HashMap<JourneyId, UserKey>, StoreError> {
    let (mut events, mut deliveries, mut journeys) = (Vec::new(), Vec::<DeliveryId>::new(), Vec::new());
    for input in inputs {
        match input {
            Input::Ingest(new) => events.extend(new),
            Input::Settle(settlements) => deliveries.extend(settlements.iter().map(|it| it.id)),
            Input::Expire(ids) => deliveries.extend(ids),
            Input::Operate { id, .. } => journeys.push(*id),
        }
    }
    group.load(events.iter().map(|event| event.user_key())).await?;
    group.load_spilled(&events).await?;
    group.load_for(&events).await?;
    group.load_deliveries(deliveries).await?;
    let users = group.users_of(&journeys).await?;
    group.load(users.values().cloned()).await?;
    if !users.is_empty() {
        group.load_accounts().await?;
    }
    Ok(users)
}

fn operate(
    group: &mut Group<'_>,
    user: Option<&UserKey>,
    id: JourneyId,
    operation: Operation,
    note: Note,
) -> Result<Journey, EngineError> {
    let not_found = || EngineError::NotFound { what: "journey", key: id.to_string() };
    let user = user.ok_or_else(not_found)?;
    let done = group.with_profile(user, |decision, profile| {
        let done = match operation {
            Operation::Acknowledge => decision.acknowledge(profile, id, note),
            Operation::Resolve => decision.resolve(profile, id, note),
        };
        (done.is_ok(), done)
    });
    match done.ok_or_else(not_found)? {
        Ok(journey) => Ok(journey),
        // It is known, but no longer in the profile: finished long ago.
        Err(OperateError::NotFound | OperateError::NotOpen) => {
            Err(EngineError::Conflict(format!("journey {id} is finished; there is nothing left to do")))
        }
    }
}
