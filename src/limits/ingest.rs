//! Bounds on ZeroMQ sockets and messages. Used by the ingest thread.

use std::time::Duration;

use super::ceilings::PAYLOAD_CEILING_BYTES;
use super::lanes::BATCH_PUBLICATIONS;

/// Frames of one ZeroMQ message that are kept: the routing frames of a chain of devices and the
/// three parts of a publication. Further frames are released as they are received, and the message
/// is rejected. libzmq itself holds all frames of a message until the last frame has arrived; see
/// [`MESSAGE_SLACK_BYTES`].
pub const MESSAGE_FRAMES: usize = 32;

/// Bytes by which a message may exceed `ingest.max_payload`. Up to this size, a message that is too
/// large is rejected with a counted reason. libzmq bounds neither the number nor the total size of
/// the frames of a message, so a publisher whose unfinished message is larger is disconnected.
pub const MESSAGE_SLACK_BYTES: usize = 10 * 1024 * 1024;

/// Bytes by which an unfinished message may exceed `ingest.max_payload` while the heap of libzmq
/// has more than [`HEAP_BYTES`]: room for the topic, the meta, routing frames, and what libzmq has
/// read and not handed over yet.
pub const SCARCE_MESSAGE_SLACK_BYTES: usize = 64 * 1024;

/// Size of the heap of libzmq from which unfinished messages are bounded more strictly. An empty
/// frame takes 64 bytes in libzmq and 2 on the wire, so the size of a message on the wire does not
/// bound what it holds.
pub const HEAP_BYTES: usize = 64 * 1024 * 1024;

/// Time between two reviews of how much libzmq has read from each connection. A publisher can send
/// about 150 MB in this time over loopback.
pub const CONNECTION_REVIEW: Duration = Duration::from_millis(100);

/// Time to the next review while a connection that is observed sends bytes.
pub const OBSERVED_CONNECTION_REVIEW: Duration = Duration::from_millis(10);

/// Minimum time between two reviews for each connection, of which a review takes about 2 %. From
/// 1,000 connections on, or 100 while one is observed, reviews become less frequent.
pub const CONNECTION_REVIEW_EACH: Duration = Duration::from_micros(100);

/// Connections that are reviewed, and that are disconnected, in one round of the ingest thread, so
/// that a review of many delays no round by more than a millisecond: one takes about 2 us.
pub const CONNECTION_REVIEW_SLICE: usize = 256;

/// Bytes that libzmq reads from a connection without a message that is known to be from it, before
/// the connection is observed.
pub const OBSERVED_BYTES: u64 = 256 * 1024;

/// Bytes per second of a connection that do not count as an unfinished message, because ZeroMQ
/// heartbeats look the same from outside of libzmq. A heartbeat of libzmq has 9 bytes, and none has
/// more than 25.
pub const HEARTBEAT_BYTES_PER_SECOND: u64 = 100;

/// Messages that are read from a socket that is never empty, in addition to [`OVERDUE_ROUNDS`],
/// before a connection without a message among them counts as one that has none.
pub const OVERDUE_MESSAGES: u64 = 4;

/// Rounds over all connections of a socket that is never empty, before a connection without a
/// message counts as one that has none. libzmq reads one message of each connection in turn, and
/// may leave one out in a round in which another has ended.
pub const OVERDUE_ROUNDS: u64 = 4;

/// Bytes that publishers have sent since the memory of libzmq was last returned to the kernel, from
/// which it is returned, if the allocator keeps as much.
pub const HEAP_TRIM_BYTES: u64 = 16 * 1024 * 1024;

/// Time without much input, or after a publisher has left, after which the memory is returned.
pub const HEAP_TRIM_DELAY: Duration = Duration::from_secs(1);

/// Bytes in one [`CONNECTION_REVIEW`] that count as much input.
pub const HEAP_BUSY_BYTES: u64 = 64 * 1024;

/// Maximum size of one frame in libzmq, which disconnects a publisher that announces a larger one.
/// It is set when a socket is bound, and `ingest.max_payload` may be raised later.
pub const FRAME_BYTES: usize = PAYLOAD_CEILING_BYTES + MESSAGE_SLACK_BYTES;

/// Maximum size of the frames that a reply repeats: the identity of the publisher and all frames up
/// to the delimiter. libzmq bounds the replies that wait for a publisher by number only.
pub const ENVELOPE_BYTES: usize = 32 * 1024;

/// Messages that are read from one ZeroMQ socket before the next socket is read: one batch.
pub const SOCKET_TURN_MESSAGES: usize = BATCH_PUBLICATIONS;

/// Bytes that are read from one ZeroMQ socket before the next socket is read: a batch of messages
/// of 1 KiB. JSON of this size is checked in less than a millisecond.
pub const SOCKET_TURN_BYTES: usize = 256 * 1024;

/// Time after which the next socket is read, for messages that take longer than their size
/// suggests.
pub const SOCKET_TURN: Duration = Duration::from_millis(2);

/// Messages between two readings of the clock in one turn of a socket, so that the clock costs a
/// message about a nanosecond.
pub const SOCKET_TURN_CLOCK_MESSAGES: usize = 32;

/// Messages of this size and larger are released as soon as they are handled. The memory of smaller
/// ones is released when the next message is received.
pub const RELEASED_MESSAGE_BYTES: usize = 64 * 1024;

/// Maximum size of the metadata of a publication, a small JSON object next to the payload.
pub const META_BYTES: usize = 4 * 1024;

/// Time for which closing the ZeroMQ sockets may delay the end of the process, so that pending
/// replies are sent.
pub const ZEROMQ_LINGER: Duration = Duration::from_millis(200);
