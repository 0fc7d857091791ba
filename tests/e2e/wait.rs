//! Waits for a condition, with a time limit.

use std::thread;
use std::time::{Duration, Instant};

/// Time limit for everything that has to happen, on a busy host.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Calls `check` until it returns a value. Panics with `what` after [`TIMEOUT`].
#[track_caller]
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "timed out while waiting for {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
