//! Bounds on lanes, batches and submissions: the memory through which threads exchange work. Used
//! by the ingest thread, shard threads and the control thread.

use std::time::Duration;

/// Maximum number of batches on one lane. At the highest ingest rate that was measured, this is
/// more than one second of work.
pub const LANE_BATCHES: usize = 4096;

/// Maximum number of submissions of one shard whose answers the shard has not taken from its lane.
/// A lane has room for this many answers in addition to [`LANE_BATCHES`], so that no answer is
/// lost. A shard submits a few times per turn at most. At this bound the ingest thread is far
/// behind, and the shard answers its clients that ingest is busy.
pub const LANE_ANSWERS: usize = 1024;

/// Maximum number of bytes on one lane. A shard that falls behind by more loses publications, so
/// that the process does not run out of memory. Compressed frames that a faster shard makes from
/// batches on the lane are not counted; each is smaller than the plain frame that is counted.
pub const LANE_BYTES: usize = 64 * 1024 * 1024;

/// Maximum number of publications in one batch. The first publication of a batch waits for the
/// last, so the number is small.
pub const BATCH_PUBLICATIONS: usize = 256;

/// Maximum size of a batch of several publications, counted as the bytes of payloads and frames
/// that it holds. A shard takes batches whole, and a burst of large batches must fit into lanes and
/// outboxes step by step.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Maximum number of publications from clients and the admin port that wait for the ingest thread.
/// An empty queue accepts one larger submission: one turn of a shard may collect up to
/// [`PENDING_COMMANDS_PER_SHARD`](super::PENDING_COMMANDS_PER_SHARD).
pub const SUBMISSION_QUEUE_PUBLICATIONS: usize = 4096;

/// Maximum bytes of the publications that wait for the ingest thread, as on a lane. One submission
/// may exceed it.
pub const SUBMISSION_QUEUE_BYTES: usize = LANE_BYTES;

/// Time in which the ingest thread has to take a submission. It refuses what it takes later, so
/// that a sender that was answered with an error can publish again without a duplicate. It usually
/// needs microseconds. [`PENDING_COMMAND_TIMEOUT`](super::PENDING_COMMAND_TIMEOUT) is twice as
/// long, so that the answer to a submission that was taken at the last moment arrives before it.
pub const SUBMISSION_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of requests from the control thread that wait for one shard.
pub const SHARD_REQUESTS: usize = 64;

/// Bits of a shard's interest filter: 32 KiB, which stay in the cache of the ingest core. With
/// 100,000 topics on a shard, the filter still holds back two of three publications that have no
/// subscriber there.
pub const INTEREST_BUCKETS: usize = 1 << 18;

/// Maximum number of broadcasts that a shard takes from its lane in one turn, before it reads its
/// sockets again.
pub const TURN_BROADCASTS: usize = 1024;

/// Maximum number of bytes that a shard takes from its lane before it sends. This is far below the
/// default size of an outbox, so that a burst does not fill the outbox of a client before the
/// client has had a chance to read.
pub const TURN_BYTES: usize = 256 * 1024;
