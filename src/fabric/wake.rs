//! Wakes a thread that sleeps on an event descriptor, and only if it sleeps.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// The sleeper parks and unparks; any thread wakes. One system call per sleep at the most.
///
/// The sleeper's side: [`Wake::park`], look once more for work, sleep on the descriptor if there
/// is none, [`Wake::unpark`]. The waker's side: put the work down, [`Wake::wake`]. Whatever the
/// order of the two, one of them sees the other.
#[derive(Debug)]
pub struct Wake {
    parked: AtomicBool,
    event: File,
}

impl Wake {
    /// `event`: an eventfd in blocking mode.
    pub fn new(event: File) -> Self {
        Self {
            parked: AtomicBool::new(false),
            event,
        }
    }

    pub fn descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// The sleeper is about to look for work for the last time.
    pub fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Wakes the sleeper if it is parked.
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst) {
            self.signal();
        }
    }

    /// Takes the signals off the descriptor, which the caller has found readable.
    pub fn reset(&self) {
        let mut count = [0; 8];
        // Nobody else reads it, so it is still readable.
        let _ = (&self.event).read(&mut count);
    }

    /// Writes to the descriptor whether the sleeper is parked or not.
    pub fn signal(&self) {
        // The only failure is a counter at 2^64 - 2, and then it is already readable.
        let _ = (&self.event).write(&1_u64.to_ne_bytes());
    }
}
