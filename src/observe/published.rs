//! A block of counters that one thread publishes at the end of each turn. Any thread can read a
//! consistent copy.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::counts::Counts;

/// A sequence lock around a [`Counts`] block. A reader gets all values of the same turn, so that
/// equations between counters hold in every copy. The writer never waits; a reader repeats its read
/// if the writer was active.
#[derive(Debug)]
// The prefetcher loads pairs of cache lines. Blocks of different threads must not share a pair.
#[repr(align(128))]
pub struct Published<C: Counts> {
    /// Odd while the writer stores values.
    sequence: AtomicU64,
    values: C::Shared,
}

impl<C: Counts> Default for Published<C> {
    fn default() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            values: C::Shared::default(),
        }
    }
}

impl<C: Counts> Published<C> {
    /// Publishes `counts`. Only the thread that owns the counters may call this.
    pub fn store(&self, counts: &C) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        counts.write(&self.values);
        self.sequence.store(sequence + 2, Ordering::Release);
    }

    /// Returns the values of the last turn that was published.
    pub fn load(&self) -> C {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let counts = C::read(&self.values);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return counts;
            }
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::super::ShardCounts;
    use super::*;

    #[test]
    fn a_reader_gets_the_values_of_one_turn() {
        let published = Published::<ShardCounts>::default();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..200_000 {
                    let counts = ShardCounts {
                        matched: turn,
                        written: turn,
                        ..Default::default()
                    };
                    published.store(&counts);
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let counts = published.load();
                assert_eq!(counts.matched, counts.written);
            }
        });
        assert_eq!(published.load().matched, 199_999);
    }
}
