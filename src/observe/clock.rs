//! The one clock of the process, read by the threads of the shell and handed down as a number.

use std::time::Instant;

/// Counts microseconds since the process started. Copies on all cores agree, since they share
/// their origin; the floors below take `now_us` as an argument and never read a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Microseconds since [`Clock::start`].
    pub fn now_us(&self) -> u64 {
        self.origin.elapsed().as_micros() as u64
    }
}
