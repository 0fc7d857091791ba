//! Histograms with the bounds that Prometheus' native schema 2 has. No clock, no IO. Control
//! thread.

use crate::limits::BUCKET_QUARTERS;
use crate::observe::HistogramSnapshot;

/// Returns the upper bound of each bucket in seconds, the last one infinite, and the number of
/// values in the bucket. The bounds are those of [`BUCKET_QUARTERS`]. A bucket of the snapshot that
/// spans a bound, which is 1.6 % wide, is counted above it.
pub(super) fn buckets(snapshot: &HistogramSnapshot) -> Vec<(f64, u64)> {
    let bounds = BUCKET_QUARTERS.map(|quarters| (f64::from(quarters) / 4.0).exp2());
    let bounds = bounds.chain([f64::INFINITY]);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    for (upper_us, count) in &snapshot.buckets {
        let upper_s = *upper_us as f64 / 1e6;
        let bucket = buckets.partition_point(|(bound, _)| *bound < upper_s);
        buckets[bucket].1 += count;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(buckets: &[(u64, u64)]) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: buckets.to_vec(),
            sum_us: 0,
        }
    }

    #[test]
    fn bounds_are_those_of_schema_2() {
        let bounds: Vec<f64> = buckets(&HistogramSnapshot::default())
            .into_iter()
            .map(|(bound, _)| bound)
            .collect();
        assert!(bounds.is_sorted() && bounds.len() < 100);
        for pair in bounds[..bounds.len() - 1].windows(2) {
            assert!((pair[1] / pair[0] - 2_f64.powf(0.25)).abs() < 1e-12);
        }
        for exact in [0.25, 1.0, 2.0, 32.0, f64::INFINITY] {
            assert!(bounds.contains(&exact), "{exact}");
        }
    }

    #[test]
    fn every_value_is_counted_once_within_its_bounds() {
        let (one, other) = (
            snapshot(&[(0, 1), (1_000_000, 2)]),
            snapshot(&[(99_999_999, 4)]),
        );
        let buckets = buckets(&HistogramSnapshot::merge([&one, &other]));
        let of = |bound: f64| buckets.iter().find(|(each, _)| *each >= bound).unwrap().1;
        assert_eq!((of(0.0), of(1.0), of(f64::INFINITY)), (1, 2, 4));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 7);
    }
}
