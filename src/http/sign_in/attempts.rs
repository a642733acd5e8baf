//! Wrong passwords: counted by the account that is tried and by the network that tries.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::limits;
use crate::domain::people::{Action, Attempts};
use crate::domain::time::{Span, Timestamp};
use crate::http::api::network;

/// What was tried, and from where.
#[derive(Debug)]
pub(super) struct Attempt {
    account: String,
    from: IpAddr,
    /// Which one of its time it is for the account.
    number: u32,
}

impl Attempt {
    /// The account that was tried.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// What the audit log is told of it once it was wrong: of several that follow each other, the first and the one that holds the
    /// account.
    pub(super) fn told(&self) -> Option<Action> {
        match self.number {
            1 => Some(Action::SignInFailed),
            limits::MAX_WRONG_PASSWORDS => Some(Action::LockedOut),
            _ => None,
        }
    }
}

/// Who tried to sign in, as this process saw it.
#[derive(Debug)]
pub struct SignIns(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    accounts: Attempts<String>,
    networks: Attempts<IpAddr>,
}

impl Default for SignIns {
    fn default() -> Self {
        let (within, held) = (limits::WRONG_PASSWORDS_WITHIN, limits::HELD_FOR);
        Self(Mutex::new(Counts {
            accounts: Attempts::new(limits::MAX_WRONG_PASSWORDS, within, held),
            networks: Attempts::new(limits::MAX_WRONG_PASSWORDS_FROM, within, held),
        }))
    }
}

impl SignIns {
    /// Counts an attempt, whether or not there is such an account.
    pub(super) fn begin(&self, from: Option<IpAddr>, account: &str, now: Timestamp) -> Result<Attempt, Span> {
        // Calls without an address come over a local socket; they share one count.
        let from = network(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        // What is longer is nobody's address, and is not to take memory.
        let account: String = account.chars().take(limits::MAX_LOGIN_BYTES).collect();
        let mut counts = self.lock();
        if counts.networks.begin(&from, now)? == limits::MAX_WRONG_PASSWORDS_FROM {
            tracing::warn!(%from, "too many wrong passwords from one address; nobody signs in from there for a while");
        }
        let number = counts.accounts.begin(&account, now)?;
        Ok(Attempt { account, from, number })
    }

    /// The attempt is not to count: it was right, and then those before it don't, or it was not looked at.
    pub(super) fn right(&self, attempt: &Attempt, was_right: bool) {
        let mut counts = self.lock();
        counts.accounts.right(&attempt.account, was_right);
        counts.networks.right(&attempt.from, false);
    }

    /// Lets an account go whose password was set anew: whoever was guessing the one before begins at nothing.
    pub(in crate::http) fn let_go(&self, account: &str) {
        self.lock().accounts.right(&account.to_owned(), true);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nobody panics while holding it; if one did, the counts would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
