//! The load that the host is examined for: connections, shards and memory. Contains the formulas
//! that several knobs share.

use fanfare::config::{Config, Layout};
use fanfare::fabric::DescriptorBudget;
use fanfare::limits;

/// One of so many connections is assumed to be slow.
const SLOW_ONE_IN: u64 = 100;

/// Size of a memory page on x86-64 and on most ARM hosts.
pub(super) const PAGE_BYTES: u64 = 4096;

/// The load, and the part of the host that fanfare may use.
pub(super) struct Plan {
    pub config: Config,
    /// The number of connections, N in the formulas.
    pub connections: u64,
    /// Whether N was set on the command line or in the configuration.
    pub is_requested: bool,
    /// The cores of ingest and of the shards.
    pub layout: Layout,
    /// The cores that the process may run on.
    pub cores: Vec<usize>,
    /// The memory that the process may use; 0 if it is not known.
    pub memory_bytes: u64,
}

impl Plan {
    /// Returns the number of shards.
    pub(super) fn shards(&self) -> usize {
        self.layout.shards.len()
    }

    /// Returns the number of descriptors that N connections require, with the requests to hooks.
    pub(super) fn descriptors(&self) -> u64 {
        let requests = self.config.auth.hooks.requests();
        self.connections + DescriptorBudget::reserved_for(self.shards()) + requests
    }

    /// Returns the recommended limit of descriptors: a power of two, with a fifth more than N
    /// connections. A client that lost its network reconnects while its old connection still waits
    /// for a pong.
    pub(super) fn descriptor_limit(&self) -> u64 {
        (self.descriptors() + self.connections / 5).next_power_of_two()
    }

    /// Returns the memory of N connections in bytes while nothing is pending.
    pub(super) fn idle_bytes(&self) -> u64 {
        self.connections * limits::CONNECTION_BYTES
    }

    /// Returns the memory in bytes with full lanes and with full outboxes of slow connections.
    pub(super) fn loaded_bytes(&self) -> u64 {
        let slow = self.connections / SLOW_ONE_IN * self.config.ws.outbox as u64;
        let lanes = self.shards() as u64 * limits::LANE_BYTES as u64;
        self.idle_bytes() + slow + lanes
    }

    /// Returns the number of pages that the kernel may use for data in the queues of all sockets:
    /// the third number of `net.ipv4.tcp_mem`.
    pub(super) fn tcp_pages(&self) -> u64 {
        let pages = self.memory_bytes / PAGE_BYTES;
        (2 * self.connections).max(pages / 16).min(pages / 2)
    }

    /// Returns the memory in bytes that fanfare and the kernel may use for it at most.
    pub(super) fn largest_bytes(&self) -> u64 {
        self.loaded_bytes() + self.tcp_pages() * PAGE_BYTES
    }

    /// Returns whether the load may use more than half of the memory, so that settings which waste
    /// memory matter.
    pub(super) fn is_memory_tight(&self) -> bool {
        self.loaded_bytes() > self.memory_bytes / 2
    }
}

/// Formats a number with separators: `1,048,576`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a size in the largest unit in which it is at least 1: `4.3 GiB`.
pub(super) fn amount(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    match unit {
        _ if bytes == u64::MAX => "unlimited".into(),
        None => format!("{bytes} bytes"),
        Some((unit, name)) if bytes.is_multiple_of(unit) => format!("{} {name}", bytes / unit),
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}
