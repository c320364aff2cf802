//! The address from which a request comes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// The headers by which a proxy shows that it forwarded a request.
const PROXY_HEADERS: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// Whether the server is reached through a reverse proxy that sets `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyTrust {
    /// The address of the connection is the peer. Headers are ignored, because every caller can send them.
    #[default]
    None,
    /// The last address in `X-Forwarded-For`, which the proxy has added, is the peer.
    ForwardedFor,
}

/// The address from which a request comes, if the application provides it as `ConnectInfo<SocketAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(Option<IpAddr>);

impl Peer {
    /// Determines the peer of a request.
    pub(crate) fn of(parts: &Parts, trust: ProxyTrust) -> Self {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded = match trust {
            ProxyTrust::None => None,
            ProxyTrust::ForwardedFor => forwarded_for(&parts.headers),
        };
        Self(forwarded.or(connection).map(|address| address.to_canonical()))
    }

    /// Returns the address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// Returns the network to which failed tokens are counted: an IPv4 address, or the /64 of an IPv6 address, from
    /// which one host can use any address.
    pub(crate) fn network(self) -> Option<IpAddr> {
        self.0.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }

    /// Returns whether the request was sent by a program on the same machine to an address of this machine: no proxy
    /// forwarded it, and no browser sent it because the name of another site resolves to this machine.
    pub(crate) fn is_local_request(self, parts: &Parts) -> bool {
        let is_forwarded = PROXY_HEADERS.iter().any(|name| parts.headers.contains_key(*name));
        self.0.is_some_and(|address| address.is_loopback()) && !is_forwarded && names_this_machine(parts)
    }
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let address = last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.or_else(|| last.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// Returns whether the request is addressed to `localhost` or a loopback address. Exactly one name must be given.
fn names_this_machine(parts: &Parts) -> bool {
    let mut names = parts.headers.get_all("host").iter();
    let header = match (names.next(), names.next()) {
        (Some(name), None) => name.to_str().ok(),
        (None, _) => None,
        (Some(_), Some(_)) => return false,
    };
    let target = parts.uri.authority().map(axum::http::uri::Authority::as_str);
    let mut given = [target, header].into_iter().flatten().peekable();
    given.peek().is_some() && given.all(is_loopback_name)
}

fn is_loopback_name(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(connection: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a valid request").into_parts();
        let address: SocketAddr = connection.parse().expect("an address");
        parts.extensions.insert(ConnectInfo(address));
        parts
    }

    fn peer(connection: &str, trust: ProxyTrust, headers: &[(&str, &str)]) -> String {
        let address = Peer::of(&parts(connection, headers), trust).address();
        address.map_or_else(String::new, |address| address.to_string())
    }

    #[test]
    fn a_caller_cannot_choose_its_address() {
        let spoofed = [("x-forwarded-for", "192.0.2.9")];
        assert_eq!(peer("198.51.100.1:5", ProxyTrust::None, &spoofed), "198.51.100.1");
        let appended = [("x-forwarded-for", "127.0.0.1, 192.0.2.9")];
        assert_eq!(peer("10.0.0.1:5", ProxyTrust::ForwardedFor, &appended), "192.0.2.9");
        let second = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "[2001:db8::1]:443")];
        assert_eq!(peer("10.0.0.1:5", ProxyTrust::ForwardedFor, &second), "2001:db8::1");
        let invalid = [("x-forwarded-for", "192.0.2.9, unknown")];
        assert_eq!(peer("10.0.0.1:5", ProxyTrust::ForwardedFor, &invalid), "10.0.0.1");
        assert_eq!(peer("[::ffff:10.0.0.1]:5", ProxyTrust::None, &[]), "10.0.0.1");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_of_64_bits_are_one_peer() {
        let network = |address: &str| Peer::of(&parts(address, &[]), ProxyTrust::None).network();
        assert_eq!(network("[2001:db8::1]:5"), network("[2001:db8::ffff:1:2:3]:9"));
        assert_ne!(network("[2001:db8::1]:5"), network("[2001:db8:0:1::1]:5"));
        assert_ne!(network("10.0.0.1:5"), network("10.0.0.2:5"));
    }

    #[test]
    fn only_a_direct_request_to_a_loopback_name_is_local() {
        let local = |connection: &str, headers: &[(&str, &str)]| {
            let parts = parts(connection, headers);
            Peer::of(&parts, ProxyTrust::None).is_local_request(&parts)
        };
        for host in ["localhost", "LOCALHOST:3000", "127.0.0.1:80", "127.9.9.9", "[::1]:80"] {
            assert!(local("127.0.0.1:5", &[("host", host)]), "{host} is refused");
            assert!(!local("192.0.2.1:5", &[("host", host)]), "another machine is local");
        }
        for host in
            ["evil.example", "localhost.evil.example", "localhost@evil.example", "192.0.2.1", "::1", ""]
        {
            assert!(!local("127.0.0.1:5", &[("host", host)]), "{host} is local");
        }
        assert!(!local("127.0.0.1:5", &[]), "a request without a name");
        assert!(!local("127.0.0.1:5", &[("host", "localhost"), ("host", "evil.example")]), "two names");
        for name in PROXY_HEADERS {
            assert!(
                !local("127.0.0.1:5", &[("host", "localhost"), (name, "192.0.2.1")]),
                "{name} is ignored"
            );
        }
    }
}
