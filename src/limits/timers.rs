//! Bounds on the deadlines of connections. Used by shard threads.

use std::time::Duration;

/// Resolution of a shard's deadlines. It is fine compared with the shortest sensible timeout (1 s),
/// and ten wake-ups per second use no measurable CPU time on an idle core.
pub const TIMER_TICK: Duration = Duration::from_millis(100);

/// Slots of the timer wheel, which covers 51 s: a connection needs one entry per ping interval.
pub const WHEEL_SLOTS: usize = 512;

/// Entries for which a slot of the timer wheel keeps memory after it has expired. A few, because
/// the entries move from slot to slot, and each slot would keep the memory of its peak.
pub const KEPT_WHEEL_ENTRIES: usize = 16;

/// Time for which a client that missed a deadline stays connected while the shard has not received
/// everything that the client has sent. An overloaded shard reads every connection within about a
/// second.
pub const SILENCE_GRACE: Duration = Duration::from_secs(10);

/// Time that a client has to receive the last bytes and to close its side when the server closes a
/// connection.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
