//! The inputs of one group: what each needs is loaded, then the domain decides on them in turn.

use super::command::{Command, Operation};
use super::error::EngineError;
use super::group::{Answer, Group};
use super::settle::{Faring, expire, settle};
use crate::domain::decide::OperateError;
use crate::domain::ids::{JourneyId, UserKey};
use crate::domain::journey::{Journey, Note};
use crate::store::StoreError;

/// Lets the domain decide on each command in turn.
pub(super) async fn decide(
    group: &mut Group<'_>,
    commands: Vec<Command>,
    answers: &mut Vec<Answer>,
    faring: &mut Faring,
) -> Result<(), StoreError> {
    let mut journeys: Vec<(JourneyId, Option<UserKey>)> = Vec::new();
    let mut events = Vec::new();
    for command in &commands {
        if let Command::Ingest { events: new, .. } = command {
            events.extend(new);
        }
    }
    group.load(events.iter().map(|event| event.user_key())).await?;
    group.load_spilled(&events).await?;
    group.load_for(&events).await?;
    drop(events);
    for command in &commands {
        if let Command::Operate { id, .. } = command {
            let user = group.user_of(*id).await?;
            group.load(user.clone()).await?;
            group.load_accounts().await?;
            journeys.push((*id, user));
        }
    }
    for command in commands {
        match command {
            Command::Ingest { events, reply, bytes } => {
                let accepted = events.into_iter().map(|event| group.take_in(event)).collect();
                answers.push(Answer::Ingested { reply, accepted, _bytes: bytes });
            }
            Command::Settle { settlements, reply } => {
                settle(group, &settlements, faring).await?;
                answers.push(Answer::Done(reply));
            }
            Command::Expire { ids, reply } => {
                expire(group, &ids).await?;
                answers.push(Answer::Done(reply));
            }
            Command::Operate { id, operation, by, reason, reply } => {
                let user = journeys.iter().find(|(known, _)| *known == id).and_then(|(_, user)| user.clone());
                let note = Note { by, reason, at: group.now };
                match operate(group, user.as_ref(), id, operation, note) {
                    Ok(journey) => answers.push(Answer::Operated(reply, Box::new(journey))),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Command::Apply { .. }
            | Command::Remove { .. }
            | Command::Pause { .. }
            | Command::NotifyDeletion { .. }
            | Command::ReplayOne { .. }
            | Command::Replay { .. }
            | Command::CancelReplay { .. }
            | Command::SetAdminToken { .. }
            | Command::Stop { .. } => unreachable!("these are handled alone"),
        }
    }
    Ok(())
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
