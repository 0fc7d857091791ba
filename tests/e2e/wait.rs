//! Waits for a condition, with a bound.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that has to happen may take on a busy host.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the answer is there; panics with `what` when patience runs out.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
