//! The monotonic clock of the process. Any thread may read it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts microseconds since [`Clock::start`]. Copies have the same origin, so the times of all
/// threads are comparable. The lower layers do not read the clock; they take `now_us` as an
/// argument.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Creates a clock that is now at 0.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Returns the microseconds since [`Clock::start`].
    pub fn now_us(&self) -> u64 {
        self.origin.elapsed().as_micros() as u64
    }

    /// Returns the time of the wall clock in seconds since 1970; 0 if the wall clock is before it.
    pub fn unix_s(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        since_1970.map_or(0, |time| time.as_secs())
    }
}
