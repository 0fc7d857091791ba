//! Free loopback ports outside the ephemeral range, from which the kernel takes the ports of the
//! thousands of client connections of a run. Main thread.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::error::BenchError;

/// The file with the first and the last port of the ephemeral range.
const EPHEMERAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Bounds of the ports to try, below or above the ephemeral range.
const LOWEST: u16 = 10_000;
const HIGHEST: u16 = 64_000;

/// Allocates each port once, so that no two servers of a run use the same port.
#[derive(Debug)]
pub struct PortAllocator {
    /// The first and the last port of the ephemeral range.
    ephemeral: (u16, u16),
    /// The port to try next, unless it is in the ephemeral range.
    next: u16,
}

impl PortAllocator {
    pub fn new() -> Self {
        let range = fs::read_to_string(EPHEMERAL_RANGE).unwrap_or_default();
        // Concurrent runs start at different ports.
        let next = LOWEST + (std::process::id() % 200) as u16 * 100;
        Self {
            ephemeral: parse(&range).unwrap_or((32_768, 60_999)),
            next,
        }
    }

    /// Returns a loopback address whose port is free. Fails if every port is in use.
    pub fn allocate(&mut self) -> Result<SocketAddr, BenchError> {
        for _ in LOWEST..HIGHEST {
            let port = self.next_port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(BenchError::NoFreePort)
    }

    /// Returns the next port to try. After `HIGHEST`, continues at `LOWEST`.
    fn next_port(&mut self) -> u16 {
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

/// Parses the first and the last port of a range.
fn parse(range: &str) -> Option<(u16, u16)> {
    let mut bounds = range.split_whitespace().map(str::parse);
    Some((bounds.next()?.ok()?, bounds.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ephemeral_range_is_skipped() {
        assert_eq!(parse("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse("32768"), None);
        let mut ports = PortAllocator {
            ephemeral: (32_768, 60_999),
            next: 32_766,
        };
        let allocated = [(); 4].map(|()| ports.next_port());
        assert_eq!(allocated, [32_766, 32_767, 61_000, 61_001]);
        ports.next = HIGHEST;
        assert_eq!(ports.next_port(), LOWEST);
    }

    #[test]
    fn every_port_is_free_and_allocated_once() {
        let mut ports = PortAllocator::new();
        let (one, other) = (ports.allocate().unwrap(), ports.allocate().unwrap());
        assert_ne!(one, other);
        TcpListener::bind(one).unwrap();
    }
}
