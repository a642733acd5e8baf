//! What the writer does with people, tokens and sessions: each in one change set with its entry in the audit log.
//!
//! What there is now is read anew each time: where another node was first, the store refuses, and this is done again.

use std::sync::Arc;

use super::records::{self, Record, SET_UP};
use super::{NewToken, entry, sessions, unknown_person};
use crate::domain::change::ChangeSet;
use crate::domain::ids::{PersonId, TokenId};
use crate::domain::limits;
use crate::domain::people::{
    Action, ApiToken, Deed, Device, PasswordHash, Person, PersonChange, Role, Staff, StaffError,
};
use crate::domain::shelf::{EntryWrite, Shelf};
use crate::domain::time::Timestamp;
use crate::engine::command::By;
use crate::engine::error::EngineError;
use crate::engine::writer::Writer;
use crate::store::Store;

/// A person who is admitted.
#[derive(Clone)]
pub(in crate::engine) struct Admission {
    pub email: String,
    pub name: String,
    pub role: Role,
    pub password: PasswordHash,
}

/// What is to become of people, tokens and sessions.
pub(in crate::engine) enum PeopleChange {
    SetUp(Admission),
    Add(Admission),
    Change(PersonId, PersonChange),
    Remove(PersonId),
    SetPassword(PersonId, PasswordHash),
    EndSessions(PersonId),
    BeginSession {
        key: String,
        person: PersonId,
        device: Device,
    },
    EndSession {
        key: String,
    },
    EndOneSession {
        person: PersonId,
        name: String,
    },
    MakeToken {
        hash: String,
        wanted: NewToken,
    },
    RevokeToken(TokenId),
    /// Nothing; only the audit log is told.
    Tell(Deed),
}

/// Records to write, and what was done, where that is for the audit log.
pub(super) type Planned = (Vec<EntryWrite>, Option<Deed>);

impl Writer {
    /// Does it.
    pub(in crate::engine) async fn change_people(
        &mut self,
        change: &PeopleChange,
        by: &By,
    ) -> Result<(), EngineError> {
        let store = Arc::clone(&self.shared.store);
        let (store, now) = (&*store, self.shared.clock.now());
        let (mut entries, deed) = match change {
            PeopleChange::SetUp(admission) => self.plan_set_up(store, admission, now).await?,
            PeopleChange::Add(admission) => self.plan_admission(store, admission, now).await?,
            PeopleChange::Change(id, change) => plan_change(store, *id, change, now).await?,
            PeopleChange::Remove(id) => plan_removal(store, *id).await?,
            PeopleChange::SetPassword(id, hash) => plan_password(store, *id, hash, now).await?,
            PeopleChange::EndSessions(id) => sessions::plan_end_of_all(store, *id, now).await?,
            PeopleChange::BeginSession { key, person, device } => {
                sessions::plan_begin(store, key, *person, device, now).await?
            }
            PeopleChange::EndSession { key } => sessions::plan_end(store, key).await?,
            PeopleChange::EndOneSession { person, name } => {
                sessions::plan_end_one(store, *person, name).await?
            }
            PeopleChange::MakeToken { hash, wanted } => self.plan_token(store, hash, wanted, by, now).await?,
            PeopleChange::RevokeToken(id) => plan_revocation(store, *id).await?,
            PeopleChange::Tell(deed) => (Vec::new(), Some(deed.clone())),
        };
        entries.extend(deed.map(|deed| entry(&mut self.ids, now, by, deed)));
        if !entries.is_empty() {
            self.commit(&mut ChangeSet { entries, ..ChangeSet::default() }).await?;
        }
        Ok(())
    }

    async fn plan_set_up(
        &mut self,
        store: &dyn Store,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        // Two nodes may be set up at once, with two addresses: this record is the same for both. It is read before the people are,
        // so that whoever becomes an admin after that has changed it.
        let was = store.entry(Shelf::People, SET_UP).await?;
        if staff(store).await?.0.has_admin() {
            return Err(StaffError::SetUp.into());
        }
        let (mut entries, deed) = self.plan_admission(store, admission, now).await?;
        let value = Some(now.to_rfc3339().into_bytes());
        entries.push(EntryWrite { shelf: Shelf::People, key: SET_UP.to_owned(), was, value });
        Ok((entries, deed))
    }

    async fn plan_admission(
        &mut self,
        store: &dyn Store,
        admission: &Admission,
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        let Admission { email, name, role, password } = admission.clone();
        let id = self.ids.person(now);
        let person = Person {
            id,
            email,
            name,
            role,
            password,
            disabled: false,
            generation: 0,
            created_at: now,
            updated_at: now,
            seen_at: None,
            sessions: Vec::new(),
        };
        staff(store).await?.0.may_add(&person)?;
        let deed = Deed::new(Action::Created, subject(&person)).to(person.audited());
        Ok((vec![records::new(Shelf::People, &person.email, &person)], Some(deed)))
    }

    async fn plan_token(
        &mut self,
        store: &dyn Store,
        hash: &str,
        wanted: &NewToken,
        by: &By,
        now: Timestamp,
    ) -> Result<Planned, EngineError> {
        let tokens = records::all::<ApiToken>(store, Shelf::Tokens).await?.len();
        if tokens >= limits::MAX_API_TOKENS {
            return Err(EngineError::Conflict(format!(
                "there are {tokens} tokens, and more are not possible; revoke one first"
            )));
        }
        let token = ApiToken {
            id: self.ids.token(now),
            name: wanted.name.clone(),
            hash: hash.to_owned(),
            scopes: wanted.scopes.clone(),
            expires_at: wanted.expires_at,
            created_by: by.who.clone(),
            created_at: now,
            used_at: None,
        };
        let deed = Deed::new(Action::Created, format!("token {}", token.name)).to(token.audited());
        Ok((vec![records::new(Shelf::Tokens, hash, &token)], Some(deed)))
    }
}

/// All people as rules see them, and as records.
async fn staff(store: &dyn Store) -> Result<(Staff, Vec<Record<Person>>), EngineError> {
    let records = records::staff(store).await?;
    Ok((Staff(records.iter().map(|record| record.value.clone()).collect()), records))
}

/// A person's record.
pub(super) async fn find(store: &dyn Store, id: PersonId) -> Result<Record<Person>, EngineError> {
    let found = records::staff(store).await?.into_iter().find(|record| record.value.id == id);
    found.ok_or_else(|| unknown_person(id))
}

/// A person's record, and that of the admin who is left where he is none any more: the store is to see that that one stays.
async fn with_last_admin(
    store: &dyn Store,
    id: PersonId,
) -> Result<(Staff, Record<Person>, Option<EntryWrite>), EngineError> {
    let (staff, records) = staff(store).await?;
    let of = |id: PersonId| records.iter().find(|record| record.value.id == id);
    let record = of(id).ok_or_else(|| unknown_person(id))?.clone();
    let other = staff.0.iter().find(|other| other.id != id && other.is_active_admin());
    let held = other.and_then(|other| of(other.id)).map(Record::hold);
    Ok((staff, record, held))
}

async fn plan_change(
    store: &dyn Store,
    id: PersonId,
    change: &PersonChange,
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let (staff, record, held) = with_last_admin(store, id).await?;
    let (before, after) = (record.value.clone(), staff.changed(id, change, now)?);
    if after == before {
        return Ok((Vec::new(), None));
    }
    let mut entries = if after.email == before.email {
        vec![record.put(&after)]
    } else {
        vec![record.remove(), records::new(Shelf::People, &after.email, &after)]
    };
    if before.is_active_admin() && !after.is_active_admin() {
        entries.extend(held);
    }
    entries.extend(sessions::gone(store, &before, Some(&after)).await?);
    let deed = Deed::new(Action::Changed, subject(&before)).from(before.audited()).to(after.audited());
    Ok((entries, Some(deed)))
}

async fn plan_removal(store: &dyn Store, id: PersonId) -> Result<Planned, EngineError> {
    let (staff, record, held) = with_last_admin(store, id).await?;
    let held = staff.without(id)?.and(held);
    let deed = Deed::new(Action::Removed, subject(&record.value)).from(record.value.audited());
    let mut entries = sessions::gone(store, &record.value, None).await?;
    entries.push(record.remove());
    entries.extend(held);
    Ok((entries, Some(deed)))
}

async fn plan_password(
    store: &dyn Store,
    id: PersonId,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<Planned, EngineError> {
    let record = find(store, id).await?;
    let before = record.value.clone();
    let mut person = before.clone();
    (person.password, person.updated_at) = (hash.clone(), now);
    person.end_sessions();
    let mut entries = sessions::gone(store, &before, Some(&person)).await?;
    entries.push(record.put(&person));
    Ok((entries, Some(Deed::new(Action::PasswordSet, subject(&person)))))
}

async fn plan_revocation(store: &dyn Store, id: TokenId) -> Result<Planned, EngineError> {
    let tokens = records::all::<ApiToken>(store, Shelf::Tokens).await?;
    let record = tokens.into_iter().find(|record| record.value.id == id);
    let record = record.ok_or_else(|| EngineError::NotFound { what: "token", key: id.to_string() })?;
    let deed =
        Deed::new(Action::Removed, format!("token {}", record.value.name)).from(record.value.audited());
    Ok((vec![record.remove()], Some(deed)))
}

pub(super) fn subject(person: &Person) -> String {
    format!("person {}", person.email)
}
