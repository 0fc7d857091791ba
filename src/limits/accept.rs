//! Bounds on listening and accepting. Used by shard threads, and by the main thread at start.

use std::time::Duration;

/// Length of the accept queue of each shard's listener. The kernel reduces it to
/// `net.core.somaxconn`.
pub const ACCEPT_BACKLOG: i32 = 65_535;

/// Time for which a shard stops accepting when the process has no free descriptor.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that a shard closes immediately at the start of such a pause, so that their clients
/// do not wait for a timeout.
pub const ACCEPT_REFUSALS: usize = 64;

/// Time that the process waits at start for `ws.listen` to become free. The kernel keeps the
/// listeners of a killed process for about 10 ms after its end, because its rings refer to them,
/// and a supervisor starts the next process immediately.
pub const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval between two attempts to bind `ws.listen` at start.
pub const LISTEN_RETRY_INTERVAL: Duration = Duration::from_millis(10);
