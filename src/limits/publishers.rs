//! Bounds on the detection of lost and repeated messages of publishers that number their messages.
//! Used by the ingest thread.

use std::time::Duration;

use super::ingest::SOCKET_TURN_MESSAGES;

/// Publishers whose numbers are tracked. This is more than a fleet of backend services has, and
/// needs less than 20 MB.
pub const PUBLISHERS: usize = 64 * 1024;

/// Time for which a missing number may still arrive, over another connection or socket, before its
/// message counts as lost.
pub const PUBLISHER_REORDER_TIMEOUT: Duration = Duration::from_secs(1);

/// Most recent numbers of a publisher that are tracked, including the highest. A multiple of 64. If
/// a publisher uses two sockets, the sockets are read in turn, and the numbers of the second lag
/// behind by as many messages as one turn reads from both.
pub const PUBLISHER_WINDOW: u64 = 2 * SOCKET_TURN_MESSAGES as u64;

/// Consecutive ascending numbers below the window that show that a publisher has restarted and that
/// its first messages were lost. Also the distance below the first number of a publisher in which
/// other numbers may still arrive.
pub const PUBLISHER_RUN: u64 = 64;

/// Step between two numbers from which a publisher counts as restarted. Nobody loses 16 million
/// messages between two messages that arrive.
pub const PUBLISHER_JUMP: u64 = 1 << 24;
