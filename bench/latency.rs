//! Latency histograms: HDR, microseconds, three digits.

use hdrhistogram::Histogram;

/// Longer than any run waits.
const MAX_US: u64 = 120_000_000;

pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are valid")
}

/// Records a value; what lies beyond the bounds counts as the bound.
pub fn record(histogram: &mut Histogram<u64>, value_us: u64) {
    histogram.saturating_record(value_us);
}
