//! Latency histogram. One thread records values without waiting; any thread can read it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Log-linear buckets: 64 per power of two, so the error of a value is at most 1.6 %.
const SUB_BITS: u32 = 6;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
/// Greater values are counted in the last bucket. 134 s is longer than any timeout of a connection.
const MAX_US: u64 = (1 << 27) - 1;
const BUCKETS: usize = bucket_of(MAX_US) + 1;

/// A histogram of durations in microseconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// The content of a histogram at one moment.
#[derive(Clone, Debug, Default)]
pub struct HistogramSnapshot {
    /// The greatest value and the count of each bucket that is not empty, in ascending order.
    pub buckets: Vec<(u64, u64)>,
    /// Sum of all values.
    pub sum_us: u64,
}

impl HistogramSnapshot {
    /// Returns the values that were recorded since an earlier snapshot of the same histogram. The
    /// result is also correct if the owner recorded values while a snapshot was taken, since
    /// buckets only grow.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut before = earlier.buckets.iter().peekable();
        let buckets = self.buckets.iter().map(|&(upper_us, count)| {
            let known = before.next_if(|(upper, _)| *upper == upper_us);
            (upper_us, count - known.map_or(0, |(_, count)| *count))
        });
        Self {
            buckets: buckets.filter(|(_, count)| *count > 0).collect(),
            sum_us: self.sum_us - earlier.sum_us,
        }
    }

    /// Merges snapshots of several histograms. A quantile of the result is that of all values; it
    /// cannot be computed from the quantiles of the parts.
    #[must_use]
    pub fn merge<'a>(snapshots: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for snapshot in snapshots {
            merged.buckets.extend(&snapshot.buckets);
            merged.sum_us += snapshot.sum_us;
        }
        // A stable sort is fast here, since the buckets are a few ascending runs.
        merged.buckets.sort_by_key(|(upper_us, _)| *upper_us);
        merged.buckets.dedup_by(|next, kept| {
            let is_same_bucket = next.0 == kept.0;
            if is_same_bucket {
                kept.1 += next.1;
            }
            is_same_bucket
        });
        merged
    }

    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Returns the quantile `quantile`, from 0 to 1: the upper end of its bucket. Returns `None` if
    /// there are no values.
    #[allow(clippy::cast_sign_loss)] // Neither factor is negative.
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        let rank = (quantile * self.count() as f64).ceil().max(1.0) as u64;
        let mut values = 0;
        for (upper_us, count) in &self.buckets {
            values += count;
            if values >= rank {
                return Some(*upper_us);
            }
        }
        None
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Records `count` values of `value_us`. Only the owning thread may call this. With a single
    /// writer, a load and a store are sufficient and cheaper than an atomic addition.
    pub fn record(&self, value_us: u64, count: u64) {
        let bucket = &self.buckets[bucket_of(value_us.min(MAX_US))];
        bucket.store(bucket.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        let sum = self.sum_us.load(Ordering::Relaxed);
        self.sum_us.store(sum + value_us * count, Ordering::Relaxed);
    }

    /// Returns a copy of the content. Values that are recorded meanwhile may be missing in it.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let buckets = self.buckets.iter().enumerate();
        HistogramSnapshot {
            buckets: buckets
                .map(|(index, count)| (upper_us(index), count.load(Ordering::Relaxed)))
                .filter(|&(_, count)| count > 0)
                .collect(),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

const fn bucket_of(value_us: u64) -> usize {
    if value_us < SUB_BUCKETS {
        return value_us as usize;
    }
    let shift = value_us.ilog2() - SUB_BITS;
    (((shift as u64 + 1) << SUB_BITS) + ((value_us >> shift) & (SUB_BUCKETS - 1))) as usize
}

const fn upper_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    (((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_end_of_a_bucket_differs_from_its_values_by_less_than_two_percent() {
        for value in (0..100_000)
            .chain((0..27).map(|bit| 1 << bit))
            .chain([MAX_US])
        {
            let upper = upper_us(bucket_of(value));
            assert!(
                upper >= value && (upper - value) * 64 <= value.max(1),
                "{value} {upper}"
            );
        }
    }

    #[test]
    fn a_snapshot_contains_the_recorded_values() {
        let histogram = Histogram::default();
        histogram.record(5, 2);
        histogram.record(1_000_000_000, 1);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [(5, 2), (MAX_US, 1)]);
        assert_eq!(snapshot.sum_us, 1_000_000_010);
    }

    #[test]
    fn quantiles_of_merged_snapshots_cover_the_values_of_all() {
        let shards = [Histogram::default(), Histogram::default()];
        let merge = || HistogramSnapshot::merge(&shards.each_ref().map(Histogram::snapshot));
        assert_eq!(merge().quantile_us(0.99), None);
        shards[0].record(10, 890);
        shards[1].record(10, 100);
        shards[1].record(60, 10);
        assert_eq!(merge().buckets, [(10, 990), (60, 10)]);
        assert_eq!(merge().sum_us, 10_500);
        let quantiles = [0.0, 0.99, 0.991, 1.0].map(|it| merge().quantile_us(it));
        assert_eq!(quantiles, [Some(10), Some(10), Some(60), Some(60)]);
        shards[0].record(60, 1);
        let p99 = merge().quantile_us(0.99);
        assert_eq!(p99, Some(60), "11 of 1001 values are more than one percent");
    }

    #[test]
    fn the_difference_of_snapshots_contains_the_values_between_them() {
        let histogram = Histogram::default();
        histogram.record(5, 2);
        histogram.record(7, 1);
        let earlier = histogram.snapshot();
        histogram.record(3, 4);
        histogram.record(7, 2);
        let interval = histogram.snapshot().since(&earlier);
        assert_eq!(interval.buckets, [(3, 4), (7, 2)]);
        assert_eq!((interval.sum_us, interval.count()), (26, 6));
        assert_eq!(earlier.since(&HistogramSnapshot::default()).count(), 3);
        assert_eq!(earlier.since(&earlier).buckets, []);
    }
}
