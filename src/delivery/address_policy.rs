//! Which addresses may be dialled: the guard against requests that are aimed at the inside of our own network (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The setting that opens the policy, named in every refusal.
pub const SETTING: &str = "STAGEPOST_ALLOW_PRIVATE_DESTINATIONS";

/// Networks of version 4 that are no public unicast (IANA special-purpose registry, and multicast).
const SPECIAL_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared, carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, where clouds keep their metadata service
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, deprecated
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// Networks inside 2000::/3, the only public unicast of version 6, that are none after all.
const SPECIAL_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// What is public unicast in version 6.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

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

    /// Every address.
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
        let real = unwrap_v4(address);
        is_public(real)
            || networks.iter().any(|network| network.contains(&real) || network.contains(&address))
    }

    /// Why `host` is not dialled, for the attempt's record.
    pub fn refusal(host: &str) -> String {
        format!(
            "{host} has only private or otherwise non-public addresses, which are not dialled; \
             {SETTING} (`true` or a list of networks) allows them"
        )
    }
}

/// The version 4 address inside forms of version 6 which a kernel or a translator would dial as version 4.
fn unwrap_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let embedded = match s {
        // IPv4-mapped, and the IPv4-compatible form, deprecated but still parsed (:: and ::1 are not of it).
        [0, 0, 0, 0, 0, 0xffff, _, _] => true,
        [0, 0, 0, 0, 0, 0, high, low] => high != 0 || low > 1,
        // NAT64 with its well-known prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => true,
        _ => false,
    };
    if embedded {
        let [.., a, b, c, d] = v6.octets();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        address
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|(network, prefix)| within_v4(v4, *network, *prefix)),
        IpAddr::V6(v6) => {
            within_v6(v6, GLOBAL_V6.0, GLOBAL_V6.1)
                && !SPECIAL_V6.iter().any(|(network, prefix)| within_v6(v6, *network, *prefix))
        }
    }
}

fn within_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    Ipv4Net::new_assert(network, prefix).contains(&address)
}

fn within_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u8) -> bool {
    Ipv6Net::new_assert(network, prefix).contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &AddressPolicy, address: &str) -> bool {
        policy.permits(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_by_default() {
        let policy = AddressPolicy::public_only();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&policy, address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(permits(&policy, address), "{address}");
        }
    }

    #[test]
    fn allowed_networks_open_just_those() {
        let policy = AddressPolicy::parse("10.1.0.0/16, fd00::/8,127.0.0.1").unwrap();
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "127.0.0.1", "8.8.8.8"] {
            assert!(permits(&policy, address), "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.2", "fc00::1", "::1"] {
            assert!(!permits(&policy, address), "{address}");
        }
    }

    #[test]
    fn the_setting_reads_as_documented() {
        assert_eq!(AddressPolicy::parse(" True "), Ok(AddressPolicy::allow_all()));
        assert_eq!(AddressPolicy::parse("false"), Ok(AddressPolicy::public_only()));
        assert_eq!(AddressPolicy::parse(""), Ok(AddressPolicy::public_only()));
        assert!(permits(&AddressPolicy::allow_all(), "::1"));
        let error = AddressPolicy::parse("10.0.0.0/8,localhost").unwrap_err();
        assert!(error.contains("`localhost`") && error.contains(SETTING), "{error}");
    }
}
