//! `[agent]`, `[load]` and `[scale]`: what a full node is, and who is told. Read-only, any core.

use std::net::SocketAddr;
use std::time::Duration;

use super::rules::{Checked, Contradiction, time, zero};

/// `[agent]`: the listener for the `agent-check` of `HAProxy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// `None`: off.
    pub listen: Option<SocketAddr>,
}

/// `[load]`: the work that makes a node full, part by part, and how the measure of it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// CPU of the busiest core, in percent of it.
    pub cpu: u32,
    /// Bytes per second to clients; `None`: not a part.
    pub egress: Option<usize>,
    /// How late a shard may get to what is due.
    pub lag: Duration,
    /// Bytes waiting in outboxes and on lanes.
    pub queued: usize,
    /// Bytes of resident memory; `None`: three quarters of what the host or its cgroup allows.
    pub memory: Option<usize>,
    /// Connections that a node is planned to carry, and so what one of them is expected to cost.
    pub connections: usize,
    /// Time constants of the smoothing, upwards and downwards.
    pub up: Duration,
    pub down: Duration,
    /// Time constant with which the charge for a fresh connection fades.
    pub fresh: Duration,
    /// Percent points by which the weight must move to be announced anew.
    pub hysteresis: u32,
    /// Percent points per second by which the announced weight may rise.
    pub rise: u32,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            cpu: 75,
            egress: None,
            lag: Duration::from_millis(50),
            queued: 256 * 1024 * 1024,
            memory: None,
            connections: 5000,
            up: Duration::from_secs(2),
            down: Duration::from_secs(30),
            fresh: Duration::from_secs(60),
            hysteresis: 3,
            rise: 10,
        }
    }
}

impl Load {
    pub(super) fn check(&self) -> Checked {
        let full = "every node would be full";
        zero("load.cpu", self.cpu == 0, full)?;
        zero("load.egress", self.egress == Some(0), full)?;
        zero("load.lag", self.lag.is_zero(), full)?;
        zero("load.queued", self.queued == 0, full)?;
        zero("load.memory", self.memory == Some(0), full)?;
        zero("load.connections", self.connections == 0, full)?;
        zero("load.rise", self.rise == 0, "the weight would stay at 1 %")?;
        let times = [
            ("load.lag", self.lag),
            ("load.up", self.up),
            ("load.down", self.down),
            ("load.fresh", self.fresh),
        ];
        times
            .into_iter()
            .try_for_each(|(key, value)| time(key, value))
    }
}

/// `[scale]`: when to advise another node, or one less. Loads are percentages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    pub out_above: u32,
    pub out_after: Duration,
    pub urgent_above: u32,
    pub urgent_after: Duration,
    pub in_below: u32,
    pub in_after: Duration,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            out_above: 70,
            out_after: Duration::from_secs(3 * 60),
            urgent_above: 90,
            urgent_after: Duration::from_secs(60),
            in_below: 30,
            in_after: Duration::from_secs(15 * 60),
        }
    }
}

impl Scale {
    pub(super) fn check(&self) -> Checked {
        let levels = [
            ("scale.in_below", self.in_below),
            ("scale.out_above", self.out_above),
            ("scale.urgent_above", self.urgent_above),
        ];
        for pair in levels.windows(2) {
            let ((lower, low), (upper, high)) = (pair[0], pair[1]);
            if low >= high {
                return Err(Contradiction::Disorder {
                    lower,
                    low,
                    upper,
                    high,
                });
            }
        }
        let times = [
            ("scale.out_after", self.out_after),
            ("scale.urgent_after", self.urgent_after),
            ("scale.in_after", self.in_after),
        ];
        times
            .into_iter()
            .try_for_each(|(key, value)| time(key, value))
    }
}
