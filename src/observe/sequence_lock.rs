//! A lock for values that one thread writes and any thread reads. The writer never waits.

use crate::observe::atomics::{AtomicU64, Ordering, fence, spin_loop};

/// Lets readers detect that the writer was active, and repeat their read. The values themselves
/// are atomics with relaxed accesses.
#[derive(Debug)]
pub(super) struct SequenceLock {
    /// Odd while the writer stores values.
    sequence: AtomicU64,
}

impl Default for SequenceLock {
    fn default() -> Self {
        Self {
            sequence: AtomicU64::new(0),
        }
    }
}

impl SequenceLock {
    /// Calls `write`, which stores the values. Only one thread may call this.
    pub(super) fn write(&self, write: impl FnOnce()) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        write();
        self.sequence.store(sequence + 2, Ordering::Release);
    }

    /// Returns the result of `read`, which loads the values, when all of them are of one write.
    pub(super) fn read<T>(&self, read: impl Fn() -> T) -> T {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let values = read();
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return values;
            }
            spin_loop();
        }
    }
}
