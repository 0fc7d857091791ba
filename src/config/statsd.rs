//! `[statsd]`: what it holds, and what in it cannot work. Pure.

use std::time::Duration;

use super::Contradiction;
use crate::limits;

/// `[statsd]`: metrics sent to a statsd over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statsd {
    /// `host:port`, looked up before every flush. `None`: off.
    pub address: Option<String>,
    /// In front of every name; `{host}` stands for this host's name.
    pub prefix: String,
    /// From one flush to the next.
    pub interval: Duration,
}

impl Default for Statsd {
    fn default() -> Self {
        Self {
            address: None,
            prefix: "fanfare".into(),
            interval: Duration::from_secs(10),
        }
    }
}

impl Statsd {
    pub(super) fn check(&self) -> Result<(), Contradiction> {
        let fault = |key, fault| Err(Contradiction::Statsd { key, fault });
        let plain = self.prefix.replace("{host}", "host");
        if plain.split('.').any(str::is_empty) {
            return fault("statsd.prefix", "has an empty part");
        }
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !plain.bytes().all(is_plain) {
            return fault(
                "statsd.prefix",
                "has characters that statsd takes out of names",
            );
        }
        if self.prefix.len() > limits::STATSD_PREFIX_BYTES {
            return fault("statsd.prefix", "leaves too little of a packet for names");
        }
        if self.interval < limits::STATSD_MIN_INTERVAL {
            return fault(
                "statsd.interval",
                "is shorter than 1s, which no statsd flushes by",
            );
        }
        Ok(())
    }
}

/// Whether this is a host and a port; an IPv6 address stands in brackets.
pub(super) fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = bracketed.map_or_else(
        || !host.is_empty() && !host.contains([':', '/', '[', ']']) && !host.contains(' '),
        |host| host.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    port && host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port() {
        for good in ["127.0.0.1:8125", "statsd.example:8125", "[::1]:8125", "a:1"] {
            assert!(is_host_and_port(good), "{good}");
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
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }

    #[test]
    fn a_prefix_of_parts_and_an_interval_of_seconds() {
        let with = |prefix: &str, interval_ms| Statsd {
            prefix: prefix.into(),
            interval: Duration::from_millis(interval_ms),
            ..Statsd::default()
        };
        for good in ["fanfare", "edge.{host}.fanfare", "{host}", "a-b_c"] {
            assert_eq!(with(good, 1000).check(), Ok(()), "{good}");
        }
        for bad in ["", "a..b", "a.", "a b", "{node}", "a:b", "a|b", "a/b", "é"] {
            let found = with(bad, 1000).check();
            let is_prefix =
                matches!(found, Err(Contradiction::Statsd { key, .. }) if key == "statsd.prefix");
            assert!(is_prefix, "{bad}: {found:?}");
        }
        let long = "a".repeat(limits::STATSD_PREFIX_BYTES + 1);
        assert!(with(&long, 1000).check().is_err());
        assert!(with("fanfare", 999).check().is_err());
    }
}
