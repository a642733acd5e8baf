//! People, tokens and sessions, and the log of who changed what.

mod audit;
mod change;
mod made;
mod passwords;
mod records;
mod sessions;
#[cfg(test)]
mod tests;
mod upkeep;
mod uses;

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

pub(super) use audit::{definition_deeds, entry};
pub(super) use change::PeopleChange;
pub use made::made_password;
pub(super) use passwords::Passwords;
pub(super) use upkeep::SessionWalk;
pub(super) use uses::Uses;

use self::records::Record;
use super::command::Command;
use super::error::EngineError;
use super::handle::Engine;
use super::read::Read;
use crate::clock;
use crate::domain::definition::Problem;
use crate::domain::ids::{IdSource, PersonId, TokenId};
use crate::domain::people::{
    ApiToken, Deed, Device, PasswordHash, Person, PersonChange, Role, Scope, Session, check_password,
};
use crate::domain::shelf::Shelf;
use crate::domain::time::Timestamp;

/// Digits of a session's name.
const SESSION_NAME: usize = 16;

/// A person who is to be admitted.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// His address, as `domain::people::login` reads it.
    pub email: String,
    /// His name.
    pub name: String,
    /// His role.
    pub role: Role,
    /// His password.
    pub password: String,
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
}

/// The hash that a secret is kept and found under: hexadecimal SHA-256. Secrets are long and random, so it need not be slow.
pub fn secret_hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// What a session is called where it is listed: the beginning of its secret's hash, which leads nobody in.
pub fn session_name(secret_hash: &str) -> &str {
    secret_hash.get(..SESSION_NAME).unwrap_or(secret_hash)
}

/// A secret that nobody can guess: `prefix` and 256 random bits.
fn secret(prefix: &str) -> String {
    IdSource::new(clock::entropy()).secret(prefix, 32)
}

impl Engine {
    /// All people, by their addresses.
    pub async fn people(&self) -> Read<Vec<Person>> {
        Ok(records::staff(&*self.shared.store).await?.into_iter().map(|record| record.value).collect())
    }

    /// The person with that id.
    pub async fn person(&self, id: PersonId) -> Read<Option<Person>> {
        Ok(self.people().await?.into_iter().find(|person| person.id == id))
    }

    /// Whether there is an admin who can sign in. Once there is one, there always will be.
    pub async fn is_set_up(&self) -> Read<bool> {
        let seen = &self.shared.is_set_up;
        if !seen.load(Ordering::Relaxed) && self.people().await?.iter().any(Person::is_active_admin) {
            seen.store(true, Ordering::Relaxed);
        }
        Ok(seen.load(Ordering::Relaxed))
    }

    /// Admits the first admin; succeeds once, whichever node is asked.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when there is an admin; [`EngineError::Invalid`] for the password.
    pub async fn set_up(&self, person: NewPerson) -> Result<Person, EngineError> {
        let (email, change) = self.admission(NewPerson { role: Role::Admin, ..person }).await?;
        self.change_people(PeopleChange::SetUp(change)).await?;
        self.person_of(&email).await
    }

    /// Admits a person.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when somebody has that address; [`EngineError::Invalid`] for the password.
    pub async fn add_person(&self, person: NewPerson) -> Result<Person, EngineError> {
        let (email, change) = self.admission(person).await?;
        self.change_people(PeopleChange::Add(change)).await?;
        self.person_of(&email).await
    }

    /// Changes a person; his sessions end where his address, his role or whether he may sign in changes.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] where no admin would be left, or somebody has that address.
    pub async fn change_person(&self, id: PersonId, change: PersonChange) -> Result<Person, EngineError> {
        self.change_people(PeopleChange::Change(id, change)).await?;
        self.person(id).await?.ok_or_else(|| unknown_person(id))
    }

    /// Removes a person.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Conflict`] where no admin would be left.
    pub async fn remove_person(&self, id: PersonId) -> Result<(), EngineError> {
        self.change_people(PeopleChange::Remove(id)).await
    }

    /// Sets a person's password, which ends his sessions.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`] for the password.
    pub async fn set_password(&self, id: PersonId, password: &str) -> Result<(), EngineError> {
        let person = self.person(id).await?.ok_or_else(|| unknown_person(id))?;
        let hash = self.hashed(password, &person.email).await?;
        self.change_people(PeopleChange::SetPassword(id, hash)).await
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn end_sessions(&self, id: PersonId) -> Result<(), EngineError> {
        self.change_people(PeopleChange::EndSessions(id)).await
    }

    /// Whether somebody has that address.
    pub async fn has_person(&self, email: &str) -> Read<bool> {
        Ok(self.record::<Person>(Shelf::People, email).await?.is_some())
    }

    /// The person who has that address and password, and may sign in. That there is nobody of that address takes as long to find
    /// out as that the password is wrong.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when too many passwords are waiting to be checked.
    pub async fn person_with(&self, email: &str, password: &str) -> Read<Option<Person>> {
        let person = self.record::<Person>(Shelf::People, email).await?;
        let hash = person.as_ref().map(|person| person.password.clone());
        let is_right = self.shared.passwords.check(password, hash).await?;
        Ok(person.filter(|person| is_right && !person.disabled))
    }

    /// Begins a session of a person, of whose device nothing is known; answers its secret, which is nowhere else.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when he is gone, or may not sign in.
    pub async fn begin_session(&self, id: PersonId) -> Result<String, EngineError> {
        self.begin_session_on(id, Device::default()).await
    }

    /// The same, on a device. Where he has too many sessions, the one that began first ends.
    ///
    /// # Errors
    /// As [`Self::begin_session`].
    pub async fn begin_session_on(&self, id: PersonId, device: Device) -> Result<String, EngineError> {
        let secret = secret("");
        let key = secret_hash(&secret);
        self.change_people(PeopleChange::BeginSession { key, person: id, device }).await?;
        Ok(secret)
    }

    /// A person's sessions that last, by their names, the one that was used last first.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn sessions(&self, id: PersonId) -> Read<Vec<(String, Session)>> {
        let person = self.person(id).await?.ok_or_else(|| unknown_person(id))?;
        let now = self.shared.clock.now();
        let mut lasting = sessions::of(&*self.shared.store, &person).await?;
        lasting.retain(|session| session.value.admits(&person, now));
        lasting.sort_by_key(|session| Reverse((session.value.seen_at, session.value.created_at)));
        Ok(lasting
            .into_iter()
            .map(|session| (session_name(&session.key).to_owned(), session.value))
            .collect())
    }

    /// Ends a person's session by its name.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when he is gone, or has no such session.
    pub async fn end_one_session(&self, id: PersonId, name: &str) -> Result<(), EngineError> {
        self.change_people(PeopleChange::EndOneSession { person: id, name: name.to_owned() }).await
    }

    /// The session of that secret with its person, while it lasts; notes that it is used where `is_use`.
    pub async fn session(&self, secret: &str, is_use: bool) -> Read<Option<(Session, Person)>> {
        let key = secret_hash(secret);
        let Some(session) = self.record::<Session>(Shelf::Sessions, &key).await? else { return Ok(None) };
        let now = self.shared.clock.now();
        let person = self.record::<Person>(Shelf::People, &session.email).await?;
        let Some(person) = person.filter(|person| session.admits(person, now)) else { return Ok(None) };
        if is_use && session.is_to_be_noted(now) {
            self.shared.uses.note(Shelf::Sessions, key, now);
        }
        Ok(Some((session, person)))
    }

    /// Ends the session of that secret; it may be over already.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn end_session(&self, secret: &str) -> Result<(), EngineError> {
        self.change_people(PeopleChange::EndSession { key: secret_hash(secret) }).await
    }

    /// All tokens, in the order in which they were made.
    pub async fn tokens(&self) -> Read<Vec<ApiToken>> {
        let found = records::all::<ApiToken>(&*self.shared.store, Shelf::Tokens).await?;
        let mut tokens: Vec<ApiToken> = found.into_iter().map(|record| record.value).collect();
        tokens.sort_by_key(|token| token.id);
        Ok(tokens)
    }

    /// Makes a token of the API; answers it with the secret, which is nowhere else.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when there are too many.
    pub async fn make_token(&self, wanted: NewToken) -> Result<(ApiToken, String), EngineError> {
        let secret = secret(ApiToken::PREFIX);
        let hash = secret_hash(&secret);
        self.change_people(PeopleChange::MakeToken { hash: hash.clone(), wanted }).await?;
        let made = self.record::<ApiToken>(Shelf::Tokens, &hash).await?;
        let made =
            made.ok_or(EngineError::NotFound { what: "token", key: "that was just made".to_owned() })?;
        Ok((made, secret))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), EngineError> {
        self.change_people(PeopleChange::RevokeToken(id)).await
    }

    /// The token of that secret, while it lasts; notes that it is used.
    pub async fn token(&self, secret: &str) -> Read<Option<ApiToken>> {
        if !secret.starts_with(ApiToken::PREFIX) {
            return Ok(None);
        }
        let hash = secret_hash(secret);
        let now = self.shared.clock.now();
        let token = self.record::<ApiToken>(Shelf::Tokens, &hash).await?.filter(|token| !token.is_over(now));
        if token.as_ref().is_some_and(|token| token.is_to_be_noted(now)) {
            self.shared.uses.note(Shelf::Tokens, hash, now);
        }
        Ok(token)
    }

    /// Writes into the audit log what changes nothing that is kept.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] when stopping or the store failed.
    pub async fn tell(&self, deed: Deed) -> Result<(), EngineError> {
        self.change_people(PeopleChange::Tell(deed)).await
    }

    async fn record<T: DeserializeOwned>(&self, shelf: Shelf, key: &str) -> Read<Option<T>> {
        Ok(Record::read(&*self.shared.store, shelf, key).await?.map(|record| record.value))
    }

    async fn person_of(&self, email: &str) -> Result<Person, EngineError> {
        let gone = || EngineError::NotFound { what: "person", key: email.to_owned() };
        self.record::<Person>(Shelf::People, email).await?.ok_or_else(gone)
    }

    /// What admits a person, his password hashed; and his address.
    async fn admission(&self, person: NewPerson) -> Result<(String, change::Admission), EngineError> {
        let NewPerson { email, name, role, password } = person;
        let password = self.hashed(&password, &email).await?;
        Ok((email.clone(), change::Admission { email, name, role, password }))
    }

    async fn hashed(&self, password: &str, email: &str) -> Result<PasswordHash, EngineError> {
        check_password(password, email)
            .map_err(|why| EngineError::Invalid(vec![Problem::new("password", why.to_string())]))?;
        self.shared.passwords.hash(password).await
    }

    async fn change_people(&self, change: PeopleChange) -> Result<(), EngineError> {
        let by = self.by();
        self.ask(|reply| Command::People { change: Box::new(change), by, reply }).await
    }
}

fn unknown_person(id: PersonId) -> EngineError {
    EngineError::NotFound { what: "person", key: id.to_string() }
}
