//! Wakes a thread that sleeps on an event descriptor, with a system call only if it sleeps.
//! The sleeping thread is a shard or the ingest thread; any thread may wake it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use crate::observe::atomics::{AtomicBool, Ordering};

/// The wake-up of one thread, at most one system call per sleep.
///
/// The sleeping thread calls [`Wake::park`], checks for work once more, sleeps on the descriptor
/// if there is none, and calls [`Wake::unpark`]. A waking thread stores the work first and then
/// calls [`Wake::wake`]. In every interleaving either the sleeping thread finds the work or the
/// waking thread finds it parked: every access to the flag is a swap, so the accesses have one
/// order. If `wake` precedes `park`, then `park` acquires what the waking thread has stored.
/// Otherwise `wake` finds the flag set, or another waking thread has found it set and has
/// signalled.
#[derive(Debug)]
pub struct Wake {
    parked: AtomicBool,
    event: File,
}

impl Wake {
    /// Creates a wake-up from `event`, an eventfd in blocking mode.
    pub fn new(event: File) -> Self {
        Self {
            parked: AtomicBool::new(false),
            event,
        }
    }

    /// Returns the descriptor that becomes readable when the thread is woken.
    pub fn descriptor(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Announces that the calling thread is about to check for work for the last time before it
    /// sleeps.
    pub fn park(&self) {
        self.parked.swap(true, Ordering::AcqRel);
    }

    /// Announces that the calling thread no longer sleeps.
    pub fn unpark(&self) {
        self.parked.swap(false, Ordering::AcqRel);
    }

    /// Wakes the thread if it is parked.
    pub fn wake(&self) {
        if self.parked.swap(false, Ordering::AcqRel) {
            self.signal();
        }
    }

    /// Reads all signals from the descriptor, which the caller has found readable.
    pub fn reset(&self) {
        let mut count = [0; 8];
        // No other thread reads the descriptor, so it is still readable and the read cannot block.
        let _ = (&self.event).read(&mut count);
    }

    /// Writes to the descriptor whether the thread is parked or not.
    pub fn signal(&self) {
        // The only possible failure is a counter of 2^64 - 2, and then the descriptor is readable.
        let _ = (&self.event).write(&1_u64.to_ne_bytes());
    }
}
