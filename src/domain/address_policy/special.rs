//! Addresses that are no public unicast, after IANA's registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890
//! and its updates), and the forms of IPv6 that carry an address of IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks of version 4 that are no public unicast, and multicast.
///
/// The registry calls the three anycast blocks globally reachable. They are refused all the same: whoever dials them gets the
/// nearest sink for reverse lookups (AS112) or multicast relay (AMT), often one inside the own network, and no receiver of
/// calls ever lives there.
const SPECIAL_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared, carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, where clouds keep their metadata service
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24), // anycast: AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24), // anycast: AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, deprecated
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(192, 175, 48, 0), 24), // anycast: AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// What is public unicast in version 6. Outside of it lie, among others, unique-local (fc00::/7), link-local (fe80::/10) and
/// site-local (fec0::/10) addresses, multicast (ff00::/8), discard-only and dummy prefixes (100::/64, 100:0:0:1::/64), segment
/// routing (5f00::/16), translation within one network (64:ff9b:1::/48) and IPv4-translated addresses (::ffff:0:0:0/96).
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks inside [`GLOBAL_V6`] that are no public unicast after all.
///
/// Teredo and 6to4 carry addresses of version 4 that a tunnel would dial; both are past, so they are refused whole. Anycast
/// blocks (2001:4:112::/48 is in the first one) are refused for the reason given at [`SPECIAL_V4`].
const SPECIAL_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, AMT, AS112, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // anycast: AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether `address` is public unicast. Of a form of version 6 that is dialled as version 4, see [`as_dialled`].
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|network| within_v4(v4, *network)),
        IpAddr::V6(v6) => {
            within_v6(v6, GLOBAL_V6)
                && !SPECIAL_V6.iter().any(|network| within_v6(v6, *network))
                && isatap(v6).is_none_or(|v4| is_public(IpAddr::V4(v4)))
        }
    }
}

/// The address of version 4 inside those forms of version 6 which a kernel or a translator dials as version 4.
///
/// A translator with a prefix of its own (RFC 6052, a part of somebody's public network) can't be told from other addresses.
pub(super) fn as_dialled(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let is_v4 = match v6.segments() {
        // IPv4-mapped, and the IPv4-compatible form, deprecated but still parsed (:: and ::1 are not of it).
        [0, 0, 0, 0, 0, 0xffff, _, _] => true,
        [0, 0, 0, 0, 0, 0, high, low] => high != 0 || low > 1,
        // NAT64 with its well-known prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => true,
        _ => false,
    };
    if is_v4 { IpAddr::V4(last_four(v6)) } else { address }
}

/// The address of version 4 that an ISATAP tunnel (RFC 5214) would send to; its addresses lie in any network.
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(last_four(address)),
        _ => None,
    }
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn within_v4(address: Ipv4Addr, (network, prefix): (Ipv4Addr, u8)) -> bool {
    Ipv4Net::new_assert(network, prefix).contains(&address)
}

fn within_v6(address: Ipv6Addr, (network, prefix): (Ipv6Addr, u8)) -> bool {
    Ipv6Net::new_assert(network, prefix).contains(&address)
}
