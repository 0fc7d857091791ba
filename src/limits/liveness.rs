//! Bounds on the watchdog and on messages to the service manager. Used by the control thread.

use std::time::Duration;

/// Time that the watchdog waits before it opens a lost canary connection again.
pub const CANARY_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Checks in one watchdog period. Up to half of them may be needed to receive the canary
/// publications, and each check publishes a lost one again.
pub const WATCHDOG_CHECKS: u64 = 32;

/// Interval at which the service manager receives a status line for people.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(10);
