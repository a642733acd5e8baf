//! A person who works with the console.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::Fault;
use super::password::PasswordHash;
use super::scope::Role;
use crate::domain::ids::PersonId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// A person who works with the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// His id.
    pub id: PersonId,
    /// What he signs in with: a mail address in lower case, which nobody else has. It is the record's key.
    pub email: String,
    /// What he is called.
    pub name: String,
    /// What he is.
    pub role: Role,
    /// What his password is checked against.
    pub password: PasswordHash,
    /// Whether he may not sign in.
    pub disabled: bool,
    /// Rises whenever all of his sessions are to end: those begun under a lower number are over.
    pub generation: u32,
    /// When he was admitted.
    pub created_at: Timestamp,
    /// When he was last changed.
    pub updated_at: Timestamp,
    /// When he last signed in or was seen, to the hour.
    pub seen_at: Option<Timestamp>,
    /// The keys of his sessions' records, in the order in which they were begun; some may be over.
    #[serde(default)]
    pub sessions: Vec<String>,
}

impl Person {
    /// Whether he may do everything, and sign in to do it.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }

    /// Ends his sessions.
    pub fn end_sessions(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.sessions.clear();
    }

    /// What others see of him.
    pub fn shown(&self) -> Value {
        json!({
            "id": self.id,
            "email": self.email,
            "name": self.name,
            "role": self.role.as_str(),
            "disabled": self.disabled,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "seenAt": self.seen_at,
        })
    }

    /// What the audit log keeps of him.
    pub fn audited(&self) -> Value {
        json!({ "email": self.email, "name": self.name, "role": self.role.as_str(), "disabled": self.disabled })
    }
}

/// What is to be changed of a person; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// His address, as [`login`] reads it.
    pub email: Option<String>,
    /// His name.
    pub name: Option<String>,
    /// His role.
    pub role: Option<Role>,
    /// Whether he may not sign in.
    pub disabled: Option<bool>,
}

/// Reads a mail address that somebody signs in with: without spaces around it, in lower case.
///
/// # Errors
/// What is wrong with it.
pub fn login(email: &str) -> Result<String, Fault> {
    let email = email.trim().to_lowercase();
    let parts = email.split_once('@');
    let is_address =
        parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if email.len() > limits::MAX_LOGIN_BYTES {
        Err(Fault::AddressTooLong)
    } else if !is_address || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err(Fault::NoAddress)
    } else {
        Ok(email)
    }
}

/// Checks what somebody, or a token, is to be called.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<String, Fault> {
    let name = name.trim();
    if name.is_empty() {
        Err(Fault::NoName)
    } else if name.chars().count() > limits::MAX_PERSON_NAME || name.chars().any(char::is_control) {
        Err(Fault::NameTooLong)
    } else {
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_in_one_form() {
        assert_eq!(login("  Ann@Example.COM "), Ok("ann@example.com".to_owned()));
        for wrong in ["", "ann", "@example.com", "ann@", "a@b@c", "a n@b.c", "a\n@b.c"] {
            assert!(login(wrong).is_err(), "{wrong:?}");
        }
        assert!(login(&format!("{}@b.c", "a".repeat(300))).is_err());
    }

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(check_name(" Ann "), Ok("Ann".to_owned()));
        for wrong in [" ".to_owned(), "a\nb".to_owned(), "a".repeat(101)] {
            assert!(check_name(&wrong).is_err());
        }
    }
}
