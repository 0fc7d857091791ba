//! A share of the connections that is being moved away: how many of which shard, and how far it
//! is. No clock, no IO. Control thread.

use std::time::Duration;

use serde_json::{Value, json};

/// One move, from its order on.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) share: f64,
    /// How many there were, and how many of them are to leave.
    pub(crate) connections: u64,
    pub(crate) leaving: u64,
    /// Shards that did not take the order: none of theirs leave.
    pub(crate) refused: Vec<usize>,
    pub(crate) began_us: u64,
    pub(crate) period: Duration,
    /// How many had been told to leave before, since the start.
    pub(crate) told_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connections are being closed.
    Running,
    /// They were, and are on their way elsewhere.
    Dwelling,
    Over,
}

impl Move {
    pub(crate) fn stage(&self, dwell: Duration, now_us: u64) -> Stage {
        let elapsed = Duration::from_micros(now_us.saturating_sub(self.began_us));
        if elapsed < self.period {
            Stage::Running
        } else if elapsed < self.period + dwell {
            Stage::Dwelling
        } else {
            Stage::Over
        }
    }

    /// `told`: how many were told to leave since the start.
    pub(crate) fn json(&self, stage: Stage, told: u64) -> Value {
        json!({
            "share": self.share,
            "connections": self.connections,
            "leaving": self.leaving,
            "refused_shards": self.refused,
            "told": told.saturating_sub(self.told_before),
            "period_s": self.period.as_secs_f64(),
            "stage": match stage {
                Stage::Running => "running",
                Stage::Dwelling => "dwelling",
                Stage::Over => "over",
            },
        })
    }
}

/// How many of each shard's connections are to leave, so that it is the share of them all: each
/// its part rounded down, and one more where most was cut off.
#[allow(clippy::cast_sign_loss)] // A part of a count is not negative.
pub(super) fn apportion(share: f64, connections: &[u64]) -> Vec<u64> {
    let all: u64 = connections.iter().sum();
    let leaving = (share * all as f64).round() as u64;
    let exact = |count: u64| share * count as f64;
    let mut parts: Vec<u64> = connections
        .iter()
        .map(|count| exact(*count) as u64)
        .collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| {
        let cut_off = |index: usize| exact(connections[index]).fract();
        cut_off(*b).total_cmp(&cut_off(*a))
    });
    let missing = leaving.saturating_sub(parts.iter().sum());
    for index in order.into_iter().take(missing as usize) {
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
        use Stage::{Dwelling, Over, Running};
        let moving = Move {
            share: 0.2,
            connections: 100,
            leaving: 20,
            refused: Vec::new(),
            began_us: 1_000_000,
            period: Duration::from_secs(10),
            told_before: 5,
        };
        let stage = |second: u64| moving.stage(Duration::from_secs(30), second * 1_000_000);
        let stages = [1, 10, 11, 40, 41].map(stage);
        assert_eq!(stages, [Running, Running, Dwelling, Dwelling, Over]);
        assert_eq!(moving.json(Running, 12)["told"], 7);
    }

    proptest! {
        #[test]
        fn it_is_the_share_of_all_and_nobodys_more_than_there_are(
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
