//! The equation between the counters of a shard.

use fanfare::observe::ShardCounts;

pub fn dropped(counts: &ShardCounts) -> u64 {
    counts.dropped_slow + counts.dropped_oldest + counts.dropped_conflated + counts.dropped_closed
}

/// Checks that every matched delivery is written, dropped for a reason, or pending.
#[track_caller]
pub fn check_identity(counts: &ShardCounts) {
    let accounted = counts.written + dropped(counts) + counts.pending;
    assert_eq!(counts.matched, accounted, "{counts:?}");
}
