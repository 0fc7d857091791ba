//! The drain of a share of the connections: how many connections of each shard are closed, and how
//! far the drain is. No clock, no IO. Control thread.

use std::time::Duration;

use serde_json::{Value, json};

/// A drain of a share of the connections, from its requests on.
#[derive(Clone, Debug)]
pub(crate) struct ShareDrain {
    /// The share, greater than 0 and at most 1.
    pub(super) share: f64,
    /// Connections when the drain began.
    pub(crate) connections: u64,
    /// Connections that the shards close in this drain.
    pub(crate) leaving: u64,
    /// Shards that did not take the request. Their connections stay.
    pub(crate) refused_shards: Vec<usize>,
    pub(super) began_us: u64,
    pub(super) period: Duration,
    /// Connections that earlier drains had closed.
    pub(super) closed_before: u64,
}

/// Stages of a [`ShareDrain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShareStage {
    /// Connections are being closed.
    Running,
    /// They have been closed, and clients connect to other nodes.
    Dwelling,
    Over,
}

impl ShareStage {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Dwelling => "dwelling",
            Self::Over => "over",
        }
    }
}

impl ShareDrain {
    /// Returns the stage at `now_us`. `dwell` is `drain.dwell`.
    pub(super) fn stage(&self, dwell: Duration, now_us: u64) -> ShareStage {
        let elapsed = Duration::from_micros(now_us.saturating_sub(self.began_us));
        if elapsed < self.period {
            ShareStage::Running
        } else if elapsed < self.period + dwell {
            ShareStage::Dwelling
        } else {
            ShareStage::Over
        }
    }

    /// Returns the drain as it is right after its requests.
    pub(crate) fn json_at_start(&self) -> Value {
        self.json(ShareStage::Running, self.closed_before)
    }

    /// Returns the drain as JSON. `closed` is the number of connections that drains have closed
    /// since the start of the process.
    pub(super) fn json(&self, stage: ShareStage, closed: u64) -> Value {
        json!({
            "share": self.share,
            "connections": self.connections,
            "leaving": self.leaving,
            "refused_shards": self.refused_shards,
            "told": closed.saturating_sub(self.closed_before),
            "period_s": self.period.as_secs_f64(),
            "stage": stage.name(),
        })
    }
}

/// Divides a share of all connections among the shards. Each shard closes its part, rounded down;
/// the connections that are then missing are added where rounding removed most.
#[allow(clippy::cast_sign_loss)] // A part of a count is not negative.
pub(super) fn apportion(share: f64, connections: &[u64]) -> Vec<u64> {
    let all: u64 = connections.iter().sum();
    let leaving = (share * all as f64).round() as u64;
    let exact = |count: u64| share * count as f64;
    let mut parts: Vec<u64> = connections
        .iter()
        .map(|count| exact(*count) as u64)
        .collect();
    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    by_remainder.sort_by(|a, b| {
        let remainder = |index: usize| exact(connections[index]).fract();
        remainder(*b).total_cmp(&remainder(*a))
    });
    let missing = leaving.saturating_sub(parts.iter().sum());
    for index in by_remainder.into_iter().take(missing as usize) {
        parts[index] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_is_spread_over_the_shards() {
        assert_eq!(apportion(0.2, &[100, 50, 0]), [20, 10, 0]);
        assert_eq!(apportion(0.5, &[1, 1, 1]), [1, 1, 0]);
        assert_eq!(apportion(0.1, &[3, 4, 3]), [0, 1, 0]);
        assert_eq!(apportion(1.0, &[3, 4]), [3, 4]);
        assert_eq!(apportion(1.0, &[]), [0; 0]);
    }

    #[test]
    fn stages_follow_each_other() {
        use ShareStage::{Dwelling, Over, Running};
        let drain = ShareDrain {
            share: 0.2,
            connections: 100,
            leaving: 20,
            refused_shards: Vec::new(),
            began_us: 1_000_000,
            period: Duration::from_secs(10),
            closed_before: 5,
        };
        let stage = |second: u64| drain.stage(Duration::from_secs(30), second * 1_000_000);
        let stages = [1, 10, 11, 40, 41].map(stage);
        assert_eq!(stages, [Running, Running, Dwelling, Dwelling, Over]);
        assert_eq!(drain.json(Running, 12)["told"], 7);
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_share_and_none_exceeds_its_shard(
            share in 0.001..=1.0,
            connections in prop::collection::vec(0_u64..100_000, 0..20),
        ) {
            let parts = apportion(share, &connections);
            let all: u64 = connections.iter().sum();
            let leaving: u64 = parts.iter().sum();
            prop_assert!((leaving as f64 - share * all as f64).abs() <= 0.5);
            prop_assert!(parts.iter().zip(&connections).all(|(part, count)| part <= count));
        }
    }
}
