//! Bounds on the `io_uring` of a shard and on the sleep of its thread. Used by shard threads.

use std::time::Duration;

/// Submission queue entries of a shard's ring: one round of sends, and the other operations of a
/// turn.
pub const RING_ENTRIES: u32 = 4096;

/// Completion queue entries of a shard's ring. Every connection has an operation under way, and
/// many may complete between two turns, so this is larger than the submission queue.
pub const RING_COMPLETIONS: u32 = 16 * 1024;

/// Receive buffers of a shard, shared by all its connections. A power of two. It is more than a
/// turn processes, so that a turn always has bytes to process.
pub const RECEIVE_BUFFERS: u16 = 512;

/// Size of a receive buffer: several commands, or one page of a large message.
pub const RECEIVE_BUFFER_BYTES: usize = 4096;

/// Time for which a turn processes received bytes. Publications of the same turn wait for that
/// long. It is enough for about a hundred commands, and the other work of a turn takes less.
pub const TURN_RECEIVE_TIME: Duration = Duration::from_micros(250);

/// Memory that glommio registers for disk IO. Shards do no disk IO; this is the smallest setting.
pub const GLOMMIO_IO_MEMORY_BYTES: usize = 64 * 1024;

/// Lockable memory without which glommio refuses to start an executor.
pub const MEMLOCK_PER_SHARD_BYTES: u64 = 512 * 1024;

/// Longest time that a shard sleeps in its ring before its executor sleeps. It is longer than the
/// pauses of a shard that is in use, and short enough for the tasks of the executor to wait.
pub const SHORT_SLEEP: Duration = Duration::from_millis(10);
