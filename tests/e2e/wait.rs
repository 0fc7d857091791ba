//! Waits for a condition, with a time limit.

use std::thread;
use std::time::{Duration, Instant};

/// Time limit for everything that a test waits for. It is long enough for a busy host.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Calls `poll` until it returns a value, and returns that value. Panics with `description` after
/// [`TIMEOUT`].
#[track_caller]
pub fn wait_for<T>(description: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "timeout while waiting for: {description}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Calls `condition` until it returns true. Panics with `description` after [`TIMEOUT`].
#[track_caller]
pub fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    wait_for(description, || condition().then_some(()));
}
