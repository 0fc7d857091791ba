//! One monotonic clock for all threads: the publisher stamps its time, the receiver subtracts it.

use std::time::{Duration, Instant};

/// A clock that counts microseconds from the moment at which it was created.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub fn now_us(self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Sleeps until `time_us`. Returns at once if that time has passed.
    pub fn sleep_until(self, time_us: u64) {
        let wait_us = time_us.saturating_sub(self.now_us());
        if wait_us > 0 {
            std::thread::sleep(Duration::from_micros(wait_us));
        }
    }
}
