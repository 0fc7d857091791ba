//! The interest filter: which topics the subscribers of a shard may want, one bit per bucket of
//! topic hashes. The shard writes it, the ingest thread reads it.
//!
//! A false positive costs the shard one lookup. A false negative is impossible: the shard sets a
//! bit before it acknowledges the subscribe that needs the bit, and clears the bit only when the
//! last topic of the bucket has no subscriber.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::INTEREST_BUCKETS;

/// The shared bits of one shard.
#[derive(Debug)]
pub struct Interest {
    bits: Box<[AtomicU64]>,
}

impl Default for Interest {
    fn default() -> Self {
        Self {
            bits: (0..INTEREST_BUCKETS / 64)
                .map(|_| AtomicU64::new(0))
                .collect(),
        }
    }
}

impl Interest {
    /// Returns whether the shard may want publications to a topic with this hash. Called by the
    /// ingest thread.
    pub fn may_want(&self, topic_hash: u64) -> bool {
        let bucket = bucket(topic_hash);
        self.bits[bucket / 64].load(Ordering::Acquire) & bit(bucket) != 0
    }
}

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
            // The shard is the only writer of its bits, so a load and a store are enough.
            let word = &interest.bits[bucket / 64];
            word.store(word.load(Ordering::Relaxed) | bit(bucket), Ordering::SeqCst);
        }
    }

    /// Removes a topic that lost its last subscriber on this shard.
    pub fn remove(&mut self, interest: &Interest, topic_hash: u64) {
        let bucket = bucket(topic_hash);
        self.topics[bucket] = self.topics[bucket].saturating_sub(1);
        if self.topics[bucket] == 0 {
            let word = &interest.bits[bucket / 64];
            word.store(
                word.load(Ordering::Relaxed) & !bit(bucket),
                Ordering::SeqCst,
            );
        }
    }
}

/// Returns the bucket of a topic hash: its high bits, because the low bits choose the slot in the
/// topic table of the shard.
fn bucket(topic_hash: u64) -> usize {
    (topic_hash >> (64 - INTEREST_BUCKETS.ilog2())) as usize
}

fn bit(bucket: usize) -> u64 {
    1 << (bucket % 64)
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
