//! Hashing and checking passwords: slow by design, so never on a thread that others wait for, and few at once.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::clock;
use crate::domain::limits;
use crate::domain::people::PasswordHash;
use crate::engine::EngineError;

/// Memory of one hash, in KiB; this and the next two are what OWASP asks of Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
/// How often the memory is gone over.
const PASSES: u32 = 2;
/// How many do that at once.
const LANES: u32 = 1;

/// What the passwords of nobody are checked against, at the same cost. That it is of no known password does not matter: the
/// answer is no.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords.
pub(in crate::engine) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::PASSWORD_CHECKS)))
    }
}

impl Passwords {
    /// What is kept of a password.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, EngineError> {
        let password = password.to_owned();
        let hash = self.in_turn(move || hash(&password, &clock::entropy()[..16])).await?;
        hash.map_err(|error| EngineError::Unavailable(format!("the password could not be hashed: {error}")))
    }

    /// Whether it is the password; of nobody, none is, which takes as long.
    pub async fn check(&self, password: &str, hash: Option<PasswordHash>) -> Result<bool, EngineError> {
        let (password, is_somebody) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or_else(|| PasswordHash(NOBODY.to_owned()));
        Ok(self.in_turn(move || is_it(&password, &hash)).await? && is_somebody)
    }

    /// Does that on a thread for such work, once it is its turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let turn = Arc::clone(&self.0).acquire_owned();
        let turn = tokio::time::timeout(limits::PASSWORD_WAIT.to_std(), turn).await;
        let Ok(Ok(turn)) = turn else { return Err(EngineError::Busy) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Also where the caller went away meanwhile, the next one's turn is only now.
            drop(turn);
            done
        });
        done.await
            .map_err(|error| EngineError::Unavailable(format!("a password could not be looked at: {error}")))
    }
}

fn hash(password: &str, salt: &[u8]) -> Result<PasswordHash, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(PasswordHash(hash.to_string()))
}

/// The cost is that of the hash; the comparison takes the same time wherever the two differ.
fn is_it(password: &str, hash: &PasswordHash) -> bool {
    // Nobody's is longer; to hash it would be work that callers choose.
    let password = password.get(..password.len().min(limits::MAX_PASSWORD_BYTES + 1)).unwrap_or_default();
    Argon2::default().verify_password(password.as_bytes(), hash.0.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_password_and_no_other_is_right() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(passwords.check("correct horse battery", Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("correct horse batterz", Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("", Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("correct horse battery", None).await.unwrap());
        assert_ne!(hash, passwords.hash("correct horse battery").await.unwrap(), "each has its salt");
    }

    #[tokio::test]
    async fn nobody_costs_what_somebody_costs() {
        let somebody = Passwords::default().hash("correct horse battery").await.unwrap().0;
        // The same parameters, and as much salt and hash: what is computed is the same.
        let shape = |hash: &str| {
            let parts: Vec<&str> = hash.split('$').collect();
            (parts[..4].join("$"), parts[4..].iter().map(|part| part.len()).collect::<Vec<_>>())
        };
        assert_eq!(shape(&somebody), shape(NOBODY));
        // And it is computed: what can't be read would be refused at once, for another reason.
        let checked = Argon2::default().verify_password(b"wrong horse battery", NOBODY);
        assert!(matches!(checked, Err(argon2::password_hash::Error::PasswordInvalid)), "{checked:?}");
    }
}
