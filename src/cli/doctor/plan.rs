//! What the host is to carry: connections, shards, memory. The formulas that several knobs share.

use fanfare::config::{Config, Layout};
use fanfare::fabric::DescriptorBudget;
use fanfare::limits;

/// Of so many connections, one is taken to be slow.
const SLOW_ONE_IN: u64 = 100;

pub(super) struct Plan {
    pub config: Config,
    /// N.
    pub connections: u64,
    /// Whether somebody asked for N, on the command line or in the configuration.
    pub asked: bool,
    pub layout: Layout,
    /// The cores the process may run on.
    pub cores: Vec<usize>,
    pub memory_bytes: u64,
}

impl Plan {
    pub(super) fn shards(&self) -> usize {
        self.layout.shards.len()
    }

    /// Descriptors without which N connections do not fit.
    pub(super) fn descriptors(&self) -> u64 {
        self.connections + DescriptorBudget::reserved_for(self.shards())
    }

    /// The limit to set: a fifth more, since a client that lost its network comes back while its
    /// old connection still waits for a pong; and a power of two, to be recognised.
    pub(super) fn descriptor_limit(&self) -> u64 {
        (self.descriptors() + self.connections / 5).next_power_of_two()
    }

    /// Connections while nothing is pending.
    pub(super) fn idle_bytes(&self) -> u64 {
        self.connections * limits::CONNECTION_BYTES
    }

    /// With full lanes, and one connection in a hundred so slow that its outbox is full.
    pub(super) fn loaded_bytes(&self) -> u64 {
        let slow = self.connections / SLOW_ONE_IN * self.config.ws.outbox as u64;
        let lanes = self.shards() as u64 * limits::LANE_BYTES as u64;
        self.idle_bytes() + slow + lanes
    }

    /// Whether memory is short enough for what wastes it to matter.
    pub(super) fn is_tight(&self) -> bool {
        self.loaded_bytes() > self.memory_bytes / 2
    }
}

/// `1,048,576`.
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

/// In the largest unit that leaves a digit before the point: `4.3 GiB`.
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
