//! Faults on purpose, to prove that the accounting shows them. Only with the feature `lossy`;
//! without it each call here is a constant. Any core.
//!
//! - `FANFARE_LOSE=STAGE:N` loses one in `N` at a stage, silently. `check`: a message received
//!   vanishes. `route`: a batch reaches no lane. `lane`: a batch taken from it vanishes.
//!   `deliver`: a publication leaves an outbox and nobody counts it.
//! - `FANFARE_STALL=SHARD:MS` makes a shard stand still for so long in a turn, once a second.

pub use faults::{loses, stall};

#[cfg(not(feature = "lossy"))]
mod faults {
    use crate::observe::PipelineStage;

    /// Whether what is at hand is to be lost.
    #[inline]
    pub const fn loses(_: PipelineStage) -> bool {
        false
    }

    /// Stands still if it is this shard's time.
    #[inline]
    pub const fn stall(_shard: usize, _now_us: u64) {}
}

#[cfg(feature = "lossy")]
mod faults {
    use std::fmt::Debug;
    use std::str::FromStr;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use crate::observe::PipelineStage;

    const STALL_EVERY_US: u64 = 1_000_000;

    static LOSE: LazyLock<Option<(String, u64)>> = LazyLock::new(|| pair("FANFARE_LOSE"));
    static STALL: LazyLock<Option<(usize, u64)>> = LazyLock::new(|| pair("FANFARE_STALL"));
    static PASSED: AtomicU64 = AtomicU64::new(0);
    static STALLS: AtomicU64 = AtomicU64::new(0);

    /// Whether what is at hand is to be lost.
    pub fn loses(stage: PipelineStage) -> bool {
        let Some((name, every)) = &*LOSE else {
            return false;
        };
        name == stage.name() && (PASSED.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(*every)
    }

    /// Stands still if it is this shard's time.
    pub fn stall(shard: usize, now_us: u64) {
        let Some((_, ms)) = STALL.filter(|(stalled, _)| *stalled == shard) else {
            return;
        };
        let due = now_us / STALL_EVERY_US;
        if STALLS.swap(due, Ordering::Relaxed) != due {
            thread::sleep(Duration::from_millis(ms));
        }
    }

    /// The two halves of `A:B`.
    fn pair<A: FromStr<Err: Debug>, B: FromStr<Err: Debug>>(name: &str) -> Option<(A, B)> {
        let text = std::env::var(name).ok()?;
        let (a, b) = text.split_once(':').expect("a test says A:B");
        Some((
            a.parse().expect("a test says it right"),
            b.parse().expect("a test says it right"),
        ))
    }
}
