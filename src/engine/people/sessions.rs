//! What the writer does with sessions. A person's record lists his, so that they are found, and bounded, without a search.

use super::change::{Planned, find, subject};
use super::records::{self, Record};
use crate::domain::ids::PersonId;
use crate::domain::limits;
use crate::domain::people::{Action, Deed, Device, Person, Session};
use crate::domain::shelf::{EntryWrite, Shelf};
use crate::domain::time::Timestamp;
use crate::engine::error::EngineError;
use crate::store::{Store, StoreError};

/// The records of a person's sessions that are there, in the order in which they were begun.
pub(super) async fn of(store: &dyn Store, person: &Person) -> Result<Vec<Record<Session>>, StoreError> {
    let mut found = Vec::with_capacity(person.sessions.len());
    for key in &person.sessions {
        found.extend(Record::<Session>::read(store, Shelf::Sessions, key).await?);
    }
    Ok(found)
}

/// Takes away the records of those sessions that he had `before` and has no more.
pub(super) async fn gone(
    store: &dyn Store,
    before: &Person,
    after: Option<&Person>,
) -> Result<Vec<EntryWrite>, StoreError> {
    let has = |key: &String| after.is_some_and(|after| after.sessions.contains(key));
    let mut gone = of(store, before).await?;
    gone.retain(|session| !has(&session.key));
    Ok(gone.into_iter().map(Record::remove).collect())
}

pub(super) async fn plan_begin(
    store: &dyn Store,
    key: &str,
    id: PersonId,
    device: &Device,
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let record = find(store, id).await?;
    let before = record.value.clone();
    if before.disabled {
        return Err(super::unknown_person(id));
    }
    let mut lasting = of(store, &before).await?;
    lasting.retain(|session| session.value.admits(&before, now));
    let too_many = (lasting.len() + 1).saturating_sub(limits::MAX_SESSIONS);
    let kept = lasting.into_iter().skip(too_many).map(|session| session.key);
    // What begins is as long as nothing of him changes: his record is written, too.
    let person =
        Person { seen_at: Some(now), sessions: kept.chain([key.to_owned()]).collect(), ..before.clone() };
    let mut entries = gone(store, &before, Some(&person)).await?;
    entries.push(records::new(Shelf::Sessions, key, &Session::begin(&person, device.clone(), now)));
    entries.push(record.put(&person));
    Ok((entries, Some(Deed::new(Action::SignedIn, subject(&person)).to(device.audited()))))
}

pub(super) async fn plan_end(store: &dyn Store, key: &str) -> Result<Planned, EngineError> {
    let Some(record) = Record::<Session>::read(store, Shelf::Sessions, key).await? else {
        return Ok((Vec::new(), None));
    };
    let deed = Deed::new(Action::SignedOut, format!("person {}", record.value.email));
    Ok((vec![record.remove()], Some(deed)))
}

pub(super) async fn plan_end_one(
    store: &dyn Store,
    id: PersonId,
    name: &str,
) -> Result<Planned, EngineError> {
    let person = find(store, id).await?.value;
    let found =
        of(store, &person).await?.into_iter().find(|session| super::session_name(&session.key) == name);
    let record = found.ok_or_else(|| EngineError::NotFound { what: "session", key: name.to_owned() })?;
    let deed = Deed::new(Action::SessionEnded, subject(&person)).from(record.value.audited());
    Ok((vec![record.remove()], Some(deed)))
}

pub(super) async fn plan_end_of_all(
    store: &dyn Store,
    id: PersonId,
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let record = find(store, id).await?;
    let before = record.value.clone();
    let mut person = before.clone();
    person.end_sessions();
    person.updated_at = now;
    let mut entries = gone(store, &before, Some(&person)).await?;
    entries.push(record.put(&person));
    Ok((entries, Some(Deed::new(Action::SessionsEnded, subject(&person)))))
}
