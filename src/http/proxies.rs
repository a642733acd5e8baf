//! Where a request really comes from: behind proxies that are trusted, from where they say.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// What each proxy adds the address to that it was called from. `Forwarded` is not read beside it: a proxy that sets one of the two
/// lets through what callers invent in the other.
const HEADER: &str = "x-forwarded-for";

/// The proxies in front whose word is taken. Nobody else's is: anybody can send such a header.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Those in these networks.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self(trusted)
    }

    /// The address that the request comes from; `None`: over a local socket.
    pub fn caller(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        let lines = request.headers().get_all(HEADER).map(|line| line.to_str().unwrap_or_default());
        let told: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        Some(self.behind(peer, &told))
    }

    /// Follows what was told from its end, as long as it was a trusted proxy that told it.
    fn behind(&self, peer: IpAddr, told: &[&str]) -> IpAddr {
        let mut caller = peer;
        for told in told.iter().rev() {
            if !self.0.iter().any(|network| network.contains(&caller)) {
                break;
            }
            // What is no address leads no further: the proxy that told it is the last that is known.
            let Some(address) = address(told.trim()) else { break };
            caller = address;
        }
        caller
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn caller(proxies: &Proxies, peer: &str, headers: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
        for header in headers {
            request = request.append_header((HEADER, *header));
        }
        proxies.caller(&request.to_http_request()).unwrap().to_string()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        let headers = ["1.2.3.4"];
        assert_eq!(caller(&Proxies::default(), "10.0.0.1:9", &headers), "10.0.0.1");
        assert_eq!(caller(&proxies(&["10.0.0.0/8"]), "192.0.2.1:9", &headers), "192.0.2.1");
        assert_eq!(caller(&proxies(&["10.0.0.0/8"]), "10.0.0.1:9", &headers), "1.2.3.4");
        assert_eq!(caller(&proxies(&["10.0.0.0/8"]), "[::ffff:10.0.0.1]:9", &headers), "1.2.3.4");
    }

    #[test]
    fn what_a_caller_invents_stands_before_what_is_believed() {
        let one = proxies(&["10.0.0.1/32"]);
        assert_eq!(caller(&one, "10.0.0.1:9", &["127.0.0.1, 10.0.0.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(caller(&one, "10.0.0.1:9", &["127.0.0.1", "203.0.113.7"]), "203.0.113.7");
        let two = proxies(&["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(caller(&two, "10.0.0.1:9", &["6.6.6.6, 203.0.113.7, [2001:db8::1]:443"]), "203.0.113.7");
        assert_eq!(caller(&two, "10.0.0.1:9", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "from inside");
    }

    #[test]
    fn what_is_no_address_leads_no_further() {
        let one = proxies(&["10.0.0.0/8"]);
        for header in ["", "unknown", "_hidden", "1.2.3", "203.0.113.7, ", "\u{e9}"] {
            assert_eq!(caller(&one, "10.0.0.1:9", &[header]), "10.0.0.1", "{header:?}");
        }
        for (told, expected) in
            [("1.2.3.4:80", "1.2.3.4"), ("[2001:db8::1]", "2001:db8::1"), (" 2001:db8::1 ", "2001:db8::1")]
        {
            assert_eq!(caller(&one, "10.0.0.1:9", &[told]), expected);
        }
    }
}
