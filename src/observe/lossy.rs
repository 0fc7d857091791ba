//! Deliberate faults that tests inject to prove that the accounting detects them. Only with the
//! feature `lossy`; without it, each function is a constant. Used on any thread.
//!
//! - `FANFARE_LOSE=STAGE:N` drops every `N`th item of a stage without counting it. The item is a
//!   received message at `check`, a batch before a lane at `route`, a batch that was taken from a
//!   lane at `lane`, and a publication in an outbox at `deliver`.
//! - `FANFARE_STALL=SHARD:MS` blocks a shard for so many milliseconds in one turn of each second.
//! - `FANFARE_BLOCK=SHARD:PATH` blocks a shard for as long as a file with this path exists.

pub use faults::{loses, stall};

#[cfg(not(feature = "lossy"))]
mod faults {
    use crate::observe::PipelineStage;

    /// Returns whether the caller has to drop the current item.
    #[inline]
    pub const fn loses(_: PipelineStage) -> bool {
        false
    }

    /// Blocks the shard if `FANFARE_BLOCK` names it and the file exists, or if `FANFARE_STALL`
    /// names it and it was not blocked in this second.
    #[inline]
    pub const fn stall(_shard: usize, _now_us: u64) {}
}

#[cfg(feature = "lossy")]
mod faults {
    use std::fmt::Debug;
    use std::path::PathBuf;
    use std::str::FromStr;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use crate::observe::PipelineStage;

    const US_PER_S: u64 = 1_000_000;

    static LOSE: LazyLock<Option<(String, u64)>> = LazyLock::new(|| pair("FANFARE_LOSE"));
    static STALL: LazyLock<Option<(usize, u64)>> = LazyLock::new(|| pair("FANFARE_STALL"));
    static BLOCK: LazyLock<Option<(usize, PathBuf)>> = LazyLock::new(|| pair("FANFARE_BLOCK"));
    static ITEMS: AtomicU64 = AtomicU64::new(0);
    static LAST_STALL: AtomicU64 = AtomicU64::new(0);

    /// Returns whether the caller has to drop the current item.
    pub fn loses(stage: PipelineStage) -> bool {
        let Some((name, every)) = &*LOSE else {
            return false;
        };
        name == stage.name() && (ITEMS.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(*every)
    }

    /// Blocks the shard if `FANFARE_BLOCK` names it and the file exists, or if `FANFARE_STALL`
    /// names it and it was not blocked in this second.
    pub fn stall(shard: usize, now_us: u64) {
        if let Some((_, path)) = BLOCK.as_ref().filter(|(blocked, _)| *blocked == shard) {
            while path.exists() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let Some((_, ms)) = STALL.filter(|(stalled, _)| *stalled == shard) else {
            return;
        };
        let second = now_us / US_PER_S;
        if LAST_STALL.swap(second, Ordering::Relaxed) != second {
            thread::sleep(Duration::from_millis(ms));
        }
    }

    /// Parses an environment variable of the form `A:B`.
    fn pair<A: FromStr<Err: Debug>, B: FromStr<Err: Debug>>(name: &str) -> Option<(A, B)> {
        let text = std::env::var(name).ok()?;
        let (a, b) = text.split_once(':').expect("the value has the form A:B");
        Some((
            a.parse().expect("the value is valid, since a test set it"),
            b.parse().expect("the value is valid, since a test set it"),
        ))
    }
}
