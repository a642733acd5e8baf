//! Passwords: what they have to be, and what is kept of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::domain::limits;

/// What is kept of a password: a slow hash with its salt and cost, as a PHC text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Checks a password that somebody wants to sign in with. Long ones are asked for, not odd ones: those are guessed no later.
///
/// # Errors
/// What is wrong with it.
pub fn check_password(password: &str, email: &str) -> Result<(), Fault> {
    let mut chars = password.chars();
    let first = chars.next();
    if password.chars().count() < limits::MIN_PASSWORD_CHARS {
        Err(Fault::PasswordTooShort)
    } else if password.len() > limits::MAX_PASSWORD_BYTES {
        Err(Fault::PasswordTooLong)
    } else if chars.all(|next| Some(next) == first) {
        Err(Fault::PasswordRepeats)
    } else if password.trim().to_lowercase() == email.to_lowercase() {
        Err(Fault::PasswordIsAddress)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_address() {
        let check = |password: &str| check_password(password, "ann.long@example.com");
        assert_eq!(check("four words make one"), Ok(()));
        assert_eq!(check("пароль пароль"), Ok(()), "characters are counted, not bytes");
        for (wrong, why) in [
            ("short", "at least 12"),
            ("Ann.Long@example.com", "mail address"),
            ("aaaaaaaaaaaaaaaa", "again and again"),
            (&"ab".repeat(65), "more than 128"),
        ] {
            assert!(check(wrong).unwrap_err().to_string().contains(why), "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", PasswordHash("$argon2id$".to_owned())), "PasswordHash");
    }
}
