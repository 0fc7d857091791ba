//! Bounds on ZeroMQ sockets and messages. Used by the ingest thread.

use std::time::Duration;

use super::lanes::BATCH_PUBLICATIONS;

/// Frames of one ZeroMQ message that are kept: the routing frames of a chain of devices and the
/// three parts of a publication. Further frames are read and discarded, and the message is
/// rejected.
pub const MESSAGE_FRAMES: usize = 32;

/// Bytes by which a frame may exceed `ingest.max_payload` before libzmq disconnects the publisher.
/// Up to this size, a payload that is too large is rejected with a counted reason.
pub const MESSAGE_FRAME_SLACK: usize = 64 * 1024 * 1024;

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

/// Maximum size of the metadata of a publication, a small JSON object next to the payload.
pub const META_BYTES: usize = 4 * 1024;

/// Time for which closing the ZeroMQ sockets may delay the end of the process, so that pending
/// replies are sent.
pub const ZEROMQ_LINGER: Duration = Duration::from_millis(200);
