//! The host and port of a server that datagrams are sent to. Parsed when the configuration is read,
//! resolved by the control thread before each use.

use std::fmt;
use std::net::Ipv6Addr;

/// A host name or an IP address, and a port: `statsd.example:8125`, `[::1]:8125`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAndPort {
    /// An IPv6 address has no brackets here.
    host: String,
    port: u16,
}

impl HostAndPort {
    /// Parses a host and a port above 0. An IPv6 address must be in brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let in_brackets = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match in_brackets {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(|_| address)?,
            None if host.is_empty() || host.contains([':', '/', '[', ']', ' ']) => return None,
            None => host,
        };
        Some(Self {
            host: host.into(),
            port,
        })
    }

    /// Returns the name or address to resolve, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_required() {
        for good in ["127.0.0.1:8125", "statsd.example:8125", "[::1]:8125", "a:1"] {
            let parsed = HostAndPort::parse(good).map(|parsed| parsed.to_string());
            assert_eq!(parsed.as_deref(), Some(good));
        }
        for bad in [
            "",
            "a",
            ":1",
            "a:0",
            "a:65536",
            "::1:8125",
            "udp://a:1",
            "[a]:1",
            "a b:1",
        ] {
            assert_eq!(HostAndPort::parse(bad), None, "{bad}");
        }
    }
}
