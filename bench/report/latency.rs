//! Latency histograms: HDR histograms of microseconds with three significant digits. All threads.

use hdrhistogram::Histogram;

/// Largest value: longer than any run waits.
const MAX_US: u64 = 120_000_000;

/// Creates an empty histogram.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are valid")
}

/// Records a value. A value beyond the bounds is recorded as the bound.
pub fn record(histogram: &mut Histogram<u64>, value_us: u64) {
    histogram.saturating_record(value_us);
}
