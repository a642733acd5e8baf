use proptest::prelude::*;

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
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.175.48.1",
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
        "100:0:0:1::1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2001::1",
        "2001:2::1",
        "2001:4:112::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2620:4f:8000::1",
        "2a00:1450::5efe:a00:1",
        "2a00:1450::200:5efe:7f00:1",
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
        "2a00:1450::5efe:101:101",
        "2001:200::1",
        "2620:4f:8001::1",
        "192.31.197.1",
        "192.175.49.1",
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

fn url(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn localhost_by_name_is_refused_in_a_definition_unless_loopback_is_allowed() {
    let names = ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.LocalHost.", "%6cocalhost"];
    for name in names {
        let url = url(&format!("https://{name}/hook"));
        let error = AddressPolicy::public_only().check_definition(&url).unwrap_err();
        assert!(error.contains("localhost") && error.contains(SETTING), "{error}");
        for allowed in ["true", "127.0.0.0/8", "127.0.0.2", "::1", "0.0.0.0/0"] {
            assert_eq!(AddressPolicy::parse(allowed).unwrap().check_definition(&url), Ok(()), "{allowed}");
        }
        assert!(AddressPolicy::parse("10.0.0.0/8").unwrap().check_definition(&url).is_err());
    }
    for name in ["localhost.example.com", "notlocalhost", "crm.example.com", "intranet"] {
        let url = url(&format!("https://{name}/hook"));
        assert_eq!(AddressPolicy::public_only().check_definition(&url), Ok(()), "{name}");
    }
}

#[test]
fn ports_of_other_protocols_are_refused_unless_everything_is_allowed() {
    let networks = AddressPolicy::parse("10.0.0.0/8").unwrap();
    for text in ["http://crm.example.com:25/", "https://10.0.0.1:6667/", "http://1.1.1.1:0/"] {
        let error = networks.check_request(&url(text)).unwrap_err();
        assert!(error.contains("port ") && error.contains(SETTING), "{error}");
        assert_eq!(networks.check_definition(&url(text)), Err(error));
        assert_eq!(AddressPolicy::allow_all().check_definition(&url(text)), Ok(()));
    }
    for text in ["http://crm.example.com/", "https://crm.example.com:8443/", "http://10.0.0.1:9000/"] {
        assert_eq!(networks.check_definition(&url(text)), Ok(()), "{text}");
    }
}

/// Addresses of version 4 that are not public.
fn private_v4() -> impl Strategy<Value = Ipv4Addr> {
    let blocks = [
        (0x0a00_0000_u32, 8),
        (0x7f00_0000, 8),
        (0xa9fe_0000, 16),
        (0xac10_0000, 12),
        (0xc0a8_0000, 16),
        (0x6440_0000, 10),
        (0, 8),
    ];
    (prop::sample::select(blocks.to_vec()), any::<u32>())
        .prop_map(|((network, prefix), host)| Ipv4Addr::from_bits(network | (host & (u32::MAX >> prefix))))
}

/// The notations of version 4 that a parser of URLs, or a system's, takes for the same address.
fn notations_v4(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let (bits, last) = (address.to_bits(), address.to_bits() & 0x00ff_ffff);
    let wide: String =
        address.to_string().chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)).collect();
    let escaped: String = address.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    vec![
        address.to_string(),
        format!("{address}."),
        bits.to_string(),
        format!("0x{bits:x}"),
        format!("0X{bits:08X}"),
        format!("0{bits:o}"),
        format!("{a}.{last}"),
        format!("0x{a:x}.0{last:o}"),
        format!("{a}.{b}.{}", u16::from_be_bytes([c, d])),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("{a}.0{b:o}.0x{c:x}.{d}"),
        wide,
        escaped,
        address.to_string().replace('.', "\u{3002}"),
    ]
}

/// The forms of version 6 that carry an address of version 4.
fn forms_v6(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),    // mapped
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),         // compatible
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),    // translated
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), // NAT64
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low), // NAT64 within a network
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),    // 6to4
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low), // Teredo, behind
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0xfefe, 0xfefe), // Teredo, its server
        Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low), // ISATAP
        Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0x200, 0x5efe, high, low),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low),
    ]
}

fn notations_v6(address: Ipv6Addr) -> Vec<String> {
    let s = address.segments();
    let [.., a, b, c, d] = address.octets();
    let whole = s.map(|segment| format!("{segment:04X}")).join(":");
    let dotted = s[..6].iter().map(|segment| format!("{segment:x}")).collect::<Vec<_>>().join(":");
    vec![format!("[{address}]"), format!("[{whole}]"), format!("[{dotted}:{a}.{b}.{c}.{d}]")]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_a_private_address_passes(private in private_v4(), tls: bool) {
        let forms = forms_v6(private);
        let hosts = notations_v4(private).into_iter().chain(forms.iter().copied().flat_map(notations_v6));
        for host in hosts {
            let url = url(&format!("{}://{host}/x", if tls { "https" } else { "http" }));
            prop_assert!(AddressPolicy::public_only().check_request(&url).is_err(), "{}", host);
            prop_assert!(AddressPolicy::public_only().check_definition(&url).is_err(), "{}", host);
        }
        for form in forms {
            prop_assert!(!AddressPolicy::public_only().permits(form.into()), "{}", form);
        }
    }

    #[test]
    fn a_mapped_address_is_judged_as_the_one_it_maps(bits: u32, allowed: u32, prefix in 0_u8..=32) {
        let address = Ipv4Addr::from_bits(bits);
        let network = ipnet::Ipv4Net::new(Ipv4Addr::from_bits(allowed), prefix).unwrap().trunc();
        for policy in [AddressPolicy::public_only(), AddressPolicy::allow_networks(vec![network.into()])] {
            let expected = policy.permits(address.into());
            prop_assert_eq!(policy.permits(address.to_ipv6_mapped().into()), expected);
            for host in notations_v4(address) {
                let checked = policy.check_request(&url(&format!("http://{host}/")));
                prop_assert_eq!(checked.is_ok(), expected, "{}", host);
            }
        }
    }
}
