//! Which topics a shard may want: a bit per bucket of hashes. The shard writes, ingest reads.
//!
//! False positives cost the shard a lookup. False negatives cannot happen: a bit is set before
//! the subscribe that needs it is acknowledged, and cleared only when its last topic is gone.

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
    /// Whether the shard may want publications to a topic with this hash. Called by ingest.
    pub fn may_want(&self, topic_hash: u64) -> bool {
        let bucket = bucket(topic_hash);
        self.bits[bucket / 64].load(Ordering::Acquire) & bit(bucket) != 0
    }
}

/// The shard's own count of topics per bucket.
#[derive(Debug)]
pub struct Wanted {
    topics: Vec<u32>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            topics: vec![0; INTEREST_BUCKETS],
        }
    }
}

impl Wanted {
    /// A topic with this hash got its first subscriber on this shard, or lost its last. Called by
    /// the shard alone, so plain loads and stores of the bits are enough.
    pub fn set(&mut self, interest: &Interest, topic_hash: u64, wanted: bool) {
        let bucket = bucket(topic_hash);
        let topics = &mut self.topics[bucket];
        *topics = if wanted {
            *topics + 1
        } else {
            topics.saturating_sub(1)
        };
        let word = &interest.bits[bucket / 64];
        let bits = word.load(Ordering::Relaxed);
        match *topics {
            0 => word.store(bits & !bit(bucket), Ordering::SeqCst),
            1 => word.store(bits | bit(bucket), Ordering::SeqCst),
            _ => {}
        }
    }
}

/// The hash's high bits: its low ones pick the slot in the topic table.
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
    fn a_bucket_is_wanted_until_its_last_topic_goes() {
        let (interest, mut wanted) = (Interest::default(), Wanted::default());
        let (one, same_bucket, other) = (7 << 50, (7 << 50) + 1, 9 << 50);
        wanted.set(&interest, one, true);
        wanted.set(&interest, same_bucket, true);
        assert!(interest.may_want(one) && !interest.may_want(other));
        wanted.set(&interest, one, false);
        assert!(interest.may_want(same_bucket));
        wanted.set(&interest, same_bucket, false);
        assert!(!interest.may_want(same_bucket));
    }
}
