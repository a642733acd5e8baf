//! Name resolution for outgoing HTTP: hands out only addresses that the policy permits.
//!
//! The very addresses returned here are dialled, so a name that changes its answer between a check and the connection
//! (DNS rebinding) gains nothing.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::address_policy::AddressPolicy;

/// The host has addresses, but none that may be dialled.
#[derive(Debug, thiserror::Error)]
#[error("{}", AddressPolicy::refusal(.host))]
pub struct AddressRefused {
    /// The host as it stands in the URL.
    pub host: String,
}

/// The system's resolver behind an [`AddressPolicy`].
#[derive(Clone, Debug)]
pub struct GuardedResolver {
    policy: AddressPolicy,
}

impl GuardedResolver {
    /// A resolver that hands out what `policy` permits.
    pub fn new(policy: AddressPolicy) -> Self {
        Self { policy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.policy.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            // Port 0 is replaced by the URL's.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
            }
            let permitted: Vec<SocketAddr> =
                found.into_iter().filter(|address| policy.permits(address.ip())).collect();
            if permitted.is_empty() {
                return Err(AddressRefused { host }.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
