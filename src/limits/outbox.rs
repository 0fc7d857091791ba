//! Bounds on outboxes, on the pool of pending frames and on rounds of sends. Used by shard
//! threads.

/// Bytes that one round of sends copies into the send arena. The arena fits in the L2 cache
/// together with the other memory that a turn uses.
pub const EGRESS_ARENA_BYTES: usize = 256 * 1024;

/// Sends in one round: half of the submission queue, so that one system call submits a round.
pub const EGRESS_SENDS: usize = 2048;

/// Size from which a frame is sent from its own memory and is not copied into the send arena. From
/// this size on, the copy would cost more than a separate send.
pub const GATHER_BYTES: usize = 16 * 1024;

/// Entries that an empty outbox keeps allocated. The memory of a burst is released.
pub const OUTBOX_KEPT_FRAMES: usize = 64;

/// Bytes that a pending frame counts in addition to its own length: its entry in the pool, the
/// allocation for its bytes, and its entries in outboxes. Without this, frames of 3 bytes could use
/// 38 times the memory that the bound of an outbox allows.
pub const FRAME_OVERHEAD_BYTES: usize = 128;

/// Entries (64 KiB) that the empty frame pool of a shard keeps allocated. A usual turn needs fewer;
/// the memory of a peak is released.
pub const POOL_KEPT_FRAMES: usize = 1024;

/// Entries that the empty subscription table of a shard keeps allocated.
pub const KEPT_TOPICS: usize = 1024;

/// Bytes that the kernel accepts for a connection beyond the receive window of its client
/// (`TCP_NOTSENT_LOWAT`). This is enough for a fast path to stay busy between two turns. Without
/// the bound, a client that never reads would fill `net.ipv4.tcp_wmem` (4 MiB by default) before
/// its outbox begins to grow.
pub const NOT_SENT_BYTES: u32 = 128 * 1024;
