//! Which addresses may be dialled: the guard against requests that are aimed at the inside of our own network (SSRF).
//!
//! It is asked three times: of the URLs in definitions when they are applied ([`AddressPolicy::check_definition`]), of the URL
//! of each request ([`AddressPolicy::check_request`]), and of each address that a name resolves to
//! ([`AddressPolicy::permits`]).

mod ports;
mod special;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// The setting that opens the policy, named in every refusal.
pub const SETTING: &str = "STAGEPOST_ALLOW_PRIVATE_DESTINATIONS";

/// The usual addresses of this very machine.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Which addresses may be dialled. Public unicast always; others only as far as they are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allow: Allow,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allow {
    All,
    Networks(Vec<IpNet>),
}

impl Default for Allow {
    fn default() -> Self {
        Self::Networks(Vec::new())
    }
}

impl AddressPolicy {
    /// Public addresses only.
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Every address, and every port.
    pub fn allow_all() -> Self {
        Self { allow: Allow::All }
    }

    /// Public addresses, and these networks.
    pub fn allow_networks(networks: Vec<IpNet>) -> Self {
        Self { allow: Allow::Networks(networks) }
    }

    /// From the setting's text: `true`, `false` (or nothing), or networks and addresses separated by commas.
    ///
    /// # Errors
    /// A message that names the part which is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => return Ok(Self::allow_all()),
            "" | "false" => return Ok(Self::public_only()),
            _ => {}
        }
        let network = |part: &str| {
            part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                format!("`{part}` is not a network such as 10.0.0.0/8; {SETTING} takes `true`, `false` or a list of networks")
            })
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self::allow_networks)
    }

    /// Whether `address` may be dialled.
    pub fn permits(&self, address: IpAddr) -> bool {
        let networks = match &self.allow {
            Allow::All => return true,
            Allow::Networks(networks) => networks,
        };
        let dialled = special::as_dialled(address);
        special::is_public(dialled)
            || networks.iter().any(|network| network.contains(&dialled) || network.contains(&address))
    }

    /// Checks what can be said of the URL of a request before its name is resolved: a host that is an address, in whatever
    /// notation, and the port.
    ///
    /// # Errors
    /// A sentence that says why it is not dialled, and names the setting that allows it.
    pub fn check_request(&self, url: &Url) -> Result<(), String> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        match address.filter(|address| !self.permits(*address)) {
            Some(address) => Err(Self::refusal(&address.to_string())),
            None => self.check_port(url),
        }
    }

    /// Checks the URL of a definition: what [`Self::check_request`] does, and that it doesn't name this very machine where
    /// no loopback address may be dialled. What other names resolve to is found out at each attempt, and only there.
    ///
    /// # Errors
    /// A sentence that says why it would not be dialled, and names the setting that allows it.
    pub fn check_definition(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        let name = host.strip_suffix('.').unwrap_or(host);
        // Names under it are this machine's too (RFC 6761, 6.3). The parser of URLs has put them into lower case.
        if (name == "localhost" || name.ends_with(".localhost")) && !self.permits_some_loopback() {
            return Err(Self::refusal(host));
        }
        self.check_request(url)
    }

    /// Whether any address of this very machine may be dialled.
    fn permits_some_loopback(&self) -> bool {
        match &self.allow {
            Allow::All => true,
            Allow::Networks(networks) => networks.iter().any(|network| {
                network.addr().is_loopback() || LOOPBACK.iter().any(|address| network.contains(address))
            }),
        }
    }

    /// Ports are refused wherever the host lies: what speaks another protocol there is no receiver.
    fn check_port(&self, url: &Url) -> Result<(), String> {
        let refused = url.port_or_known_default().filter(|port| ports::is_refused(*port));
        match refused {
            Some(port) if self.allow != Allow::All => Err(format!(
                "port {port} belongs to another protocol than HTTP, so it is not dialled, as browsers don't; use another one, \
                 or allow every address and port with {SETTING} = true"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Why `host` is not dialled.
    pub fn refusal(host: &str) -> String {
        format!(
            "{host} has only private or otherwise non-public addresses, which are not dialled; \
             {SETTING} (`true` or a list of networks) allows them"
        )
    }
}
