//! Bounds on the service thread. Used by the service thread and the main thread.

use std::time::Duration;

/// Time that the process waits at its end for the service thread, which sends the last figures to a
/// statsd. A longer time would delay every restart when a statsd does not respond.
pub const SERVICE_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Threads for calls of the service thread that block, such as name resolution. A resolver that
/// does not respond holds a call for about 30 s, and flushes to a statsd make one every 5 s.
pub const SERVICE_BLOCKING_THREADS: usize = 16;
