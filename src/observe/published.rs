//! A block of counters that one thread publishes at the end of each turn. Any thread can read a
//! consistent copy.

use super::counts::Counts;
use super::sequence_lock::SequenceLock;

/// A [`Counts`] block behind a sequence lock. A reader gets all values of the same turn, so that
/// equations between counters hold in every copy. The writer never waits; a reader repeats its read
/// if the writer was active.
#[derive(Debug)]
// The prefetcher loads pairs of cache lines. Blocks of different threads must not share a pair.
#[repr(align(128))]
pub struct Published<C: Counts> {
    lock: SequenceLock,
    values: C::Shared,
}

impl<C: Counts> Default for Published<C> {
    fn default() -> Self {
        Self {
            lock: SequenceLock::default(),
            values: C::Shared::default(),
        }
    }
}

impl<C: Counts> Published<C> {
    /// Publishes `counts`. Only the thread that owns the counters may call this.
    pub fn store(&self, counts: &C) {
        self.lock.write(|| counts.write(&self.values));
    }

    /// Returns the values of the last turn that was published.
    pub fn load(&self) -> C {
        self.lock.read(|| C::read(&self.values))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
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
