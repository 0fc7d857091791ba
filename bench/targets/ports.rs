//! Free ports of loopback, outside the range that the kernel gives to outgoing connections, of
//! which a run makes thousands.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::fault::Fault;

const EPHEMERAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Where to look, below or above that range.
const LOWEST: u16 = 10_000;
const HIGHEST: u16 = 64_000;

/// Hands out ports, each once, so that a server never follows another on the same one.
#[derive(Debug)]
pub struct Ports {
    ephemeral: (u16, u16),
    next: u16,
}

impl Ports {
    pub fn new() -> Self {
        let range = fs::read_to_string(EPHEMERAL_RANGE).unwrap_or_default();
        // Runs side by side begin far from each other.
        let next = LOWEST + (std::process::id() % 200) as u16 * 100;
        Self {
            ephemeral: parse(&range).unwrap_or((32_768, 60_999)),
            next,
        }
    }

    /// An address that nobody listens on.
    pub fn free(&mut self) -> Result<SocketAddr, Fault> {
        for _ in LOWEST..HIGHEST {
            let port = self.following();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(Fault::Ports)
    }

    fn following(&mut self) -> u16 {
        let (low, high) = self.ephemeral;
        let mut port = self.next;
        if (low..=high).contains(&port) {
            port = high.saturating_add(1);
        }
        if port >= HIGHEST {
            port = LOWEST;
        }
        self.next = port + 1;
        port
    }
}

fn parse(range: &str) -> Option<(u16, u16)> {
    let mut bounds = range.split_whitespace().map(str::parse);
    Some((bounds.next()?.ok()?, bounds.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_outgoing_connections_is_left_out() {
        assert_eq!(parse("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse("32768"), None);
        let mut ports = Ports {
            ephemeral: (32_768, 60_999),
            next: 32_766,
        };
        let following = [(); 4].map(|()| ports.following());
        assert_eq!(following, [32_766, 32_767, 61_000, 61_001]);
        ports.next = HIGHEST;
        assert_eq!(ports.following(), LOWEST);
    }

    #[test]
    fn every_port_is_free_and_handed_out_once() {
        let mut ports = Ports::new();
        let (one, other) = (ports.free().unwrap(), ports.free().unwrap());
        assert_ne!(one, other);
        TcpListener::bind(one).unwrap();
    }
}
