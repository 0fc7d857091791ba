//! Bounds on log lines that report refused handshakes, messages and connections. Peers determine
//! how often these occur. Used by ingest and shard threads.

use std::time::Duration;

/// Time in which at most [`LOG_LINES`] lines are written for one reason. A person who watches the
/// log while trying something out waits this long at most.
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Lines that a thread writes for one reason in [`LOG_INTERVAL`]. Several, because the first ones
/// often come from different peers. With every reason at its bound, a thread writes fewer than 10
/// lines per second.
pub const LOG_LINES: u32 = 5;

/// Bytes of a name, an origin or a path from a peer that are logged.
pub const LOG_EXCERPT_BYTES: usize = 128;
