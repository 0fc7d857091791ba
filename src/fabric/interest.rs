//! The interest filter: which topics the subscribers of a shard may want, one bit per bucket of
//! topic hashes. The shard writes it, the ingest thread reads it.
//!
//! A false positive costs the shard one lookup. A false negative is impossible: the shard sets a
//! bit before it acknowledges the subscribe that needs the bit, and clears the bit only when the
//! last topic of the bucket has no subscriber.

use crate::limits::INTEREST_BUCKETS;
use crate::observe::atomics::{AtomicU64, Ordering};

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

    /// Sets the bit of a bucket. The store precedes the acknowledgement of the subscribe, which
    /// the client receives before its next step, so a publication that the client sends or causes
    /// afterwards finds the bit set. Called by the shard.
    pub(super) fn set(&self, bucket: usize) {
        // The shard is the only writer of its bits, so a load and a store are enough.
        let word = &self.bits[bucket / 64];
        word.store(word.load(Ordering::Relaxed) | bit(bucket), Ordering::SeqCst);
    }

    /// Clears the bit of a bucket. Called by the shard.
    pub(super) fn clear(&self, bucket: usize) {
        let word = &self.bits[bucket / 64];
        word.store(
            word.load(Ordering::Relaxed) & !bit(bucket),
            Ordering::SeqCst,
        );
    }
}

/// Returns the bucket of a topic hash: its high bits, because the low bits choose the slot in the
/// topic table of the shard.
pub(super) fn bucket(topic_hash: u64) -> usize {
    (topic_hash >> (64 - INTEREST_BUCKETS.ilog2())) as usize
}

fn bit(bucket: usize) -> u64 {
    1 << (bucket % 64)
}
