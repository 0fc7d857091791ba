//! How late the shards were lately: p99 of what they recorded since the last look, merged. No
//! clock, no IO. Control thread.

use std::collections::BTreeMap;

use crate::observe::HistogramSnapshot;

/// What each shard had recorded at the last look.
#[derive(Debug, Default)]
pub(super) struct Lag {
    before: Vec<HistogramSnapshot>,
}

impl Lag {
    /// `now`: of each shard since the start. `None`: nothing was due since the last look.
    pub(super) fn look(&mut self, now: Vec<HistogramSnapshot>) -> Option<u64> {
        let mut merged = BTreeMap::new();
        let none = HistogramSnapshot::default();
        for (index, shard) in now.iter().enumerate() {
            let lately = shard.since(self.before.get(index).unwrap_or(&none));
            for (upper_us, count) in lately.buckets {
                *merged.entry(upper_us).or_insert(0) += count;
            }
        }
        self.before = now;
        let above = merged.values().sum::<u64>() / 100;
        let mut seen = 0;
        let mut slowest = merged.into_iter().rev();
        slowest.find_map(|(upper_us, count)| {
            seen += count;
            (seen > above).then_some(upper_us)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::observe::Histogram;

    use super::*;

    #[test]
    fn it_is_of_all_shards_and_of_what_came_since() {
        let shards = [Histogram::default(), Histogram::default()];
        let mut lag = Lag::default();
        let mut look = || lag.look(shards.iter().map(Histogram::snapshot).collect());
        assert_eq!(look(), None);
        shards[0].record(10, 990);
        shards[1].record(60, 11);
        assert_eq!(
            look(),
            Some(60),
            "11 of 1001 are more than one in a hundred"
        );
        assert_eq!(look(), None);
        shards[0].record(10, 990);
        shards[1].record(60, 10);
        assert_eq!(look(), Some(10));
        shards[1].record(60, 1);
        assert_eq!(look(), Some(60));
    }
}
