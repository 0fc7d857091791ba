//! Bounds on the figures of the last interval and on exposed histograms. Used by the control
//! thread.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Time over which the figures of the last interval are computed: two scrapes at the usual interval
/// of 5 s.
pub const METRICS_WINDOW: Duration = Duration::from_secs(10);

/// Interval at which counters and histograms are kept for later comparison. The figures themselves
/// are as recent as the scrape; this is the possible error of the start of the window.
pub const METRICS_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Bounds of the exposed histograms in quarter powers of two of a second, as in schema 2 of the
/// native histograms of Prometheus: from 3.8 us (no turn is shorter) to 32 s (no delivery on a live
/// connection takes longer). They are equal on all nodes, so that histograms can be added.
pub const BUCKET_QUARTERS: RangeInclusive<i32> = -18 * 4..=5 * 4;
