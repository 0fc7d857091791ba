//! The number of topics in each bucket of the interest filter. Owned by the shard.

use crate::limits::INTEREST_BUCKETS;

use super::interest::{Interest, bucket};

/// The number of topics in each bucket, owned by the shard. It decides when a bit changes.
#[derive(Debug)]
pub struct InterestCounts {
    topics: Vec<u32>,
}

impl Default for InterestCounts {
    fn default() -> Self {
        Self {
            topics: vec![0; INTEREST_BUCKETS],
        }
    }
}

impl InterestCounts {
    /// Adds a topic that got its first subscriber on this shard.
    pub fn add(&mut self, interest: &Interest, topic_hash: u64) {
        let bucket = bucket(topic_hash);
        self.topics[bucket] += 1;
        if self.topics[bucket] == 1 {
            interest.set(bucket);
        }
    }

    /// Removes a topic that lost its last subscriber on this shard.
    pub fn remove(&mut self, interest: &Interest, topic_hash: u64) {
        let bucket = bucket(topic_hash);
        self.topics[bucket] = self.topics[bucket].saturating_sub(1);
        if self.topics[bucket] == 0 {
            interest.clear(bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_wanted_until_its_last_topic_is_removed() {
        let (interest, mut counts) = (Interest::default(), InterestCounts::default());
        let (first, same_bucket, other) = (7 << 50, (7 << 50) + 1, 9 << 50);
        counts.add(&interest, first);
        counts.add(&interest, same_bucket);
        assert!(interest.may_want(first) && !interest.may_want(other));
        counts.remove(&interest, first);
        assert!(interest.may_want(same_bucket));
        counts.remove(&interest, same_bucket);
        assert!(!interest.may_want(same_bucket));
    }
}
