//! Wrong passwords: counted by the account that is tried and by the network that tries.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpRequest;

use crate::domain::limits;
use crate::domain::people::Attempts;
use crate::domain::time::{Span, Timestamp};
use crate::http::api::network;

/// What was tried, and from where.
#[derive(Debug)]
pub(super) struct Attempt {
    account: String,
    from: IpAddr,
}

impl Attempt {
    pub(super) fn from(&self) -> IpAddr {
        self.from
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
    pub(super) fn begin(
        &self,
        request: &HttpRequest,
        account: &str,
        now: Timestamp,
    ) -> Result<Attempt, Span> {
        // Calls without an address come over a local socket; they share one count.
        let from = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
        // What is longer is nobody's address, and is not to take memory.
        let account = account.chars().take(limits::MAX_LOGIN_BYTES).collect();
        let attempt = Attempt { account, from: network(from) };
        let mut counts = self.lock();
        counts.networks.begin(&attempt.from, now)?;
        counts.accounts.begin(&attempt.account, now)?;
        Ok(attempt)
    }

    /// The attempt is not to count: it was right, and then those before it don't, or it was not looked at.
    pub(super) fn right(&self, attempt: &Attempt, was_right: bool) {
        let mut counts = self.lock();
        counts.accounts.right(&attempt.account, was_right);
        counts.networks.right(&attempt.from, false);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nobody panics while holding it; if one did, the counts would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
