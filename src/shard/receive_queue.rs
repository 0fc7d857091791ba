//! The connections of a shard that wait to be read, and the bytes that wait to be processed. Used
//! on the shard thread.

use std::collections::VecDeque;

use crate::hub::ConnectionId;
use crate::limits::RECEIVE_BUFFERS;

use super::ring::{ReceivedBuffer, SocketInput};
use super::work::Work;

/// The number of waiting connections for which memory is kept. The memory of a peak is released.
const KEPT_WAITING: usize = 2 * RECEIVE_BUFFERS as usize;

/// Bytes that the hub has not processed yet.
pub(super) struct Received {
    pub(super) id: ConnectionId,
    pub(super) buffer: ReceivedBuffer,
    pub(super) bytes: usize,
    /// The input that was left in the socket.
    pub(super) rest: SocketInput,
}

/// The connections without a receive operation under way, by the reason.
#[derive(Default)]
pub(super) struct ReceiveQueue {
    /// Those whose bytes the hub processes next, oldest first.
    received: VecDeque<Received>,
    /// Those whose socket has input, in the order in which they receive.
    waiting: VecDeque<ConnectionId>,
    /// Those that have used up the bytes of the current second. They wait for the next second.
    paused: Vec<ConnectionId>,
    paused_until_us: u64,
}

impl ReceiveQueue {
    /// Adds bytes that the hub has to process.
    pub(super) fn add_received(&mut self, received: Received) {
        self.received.push_back(received);
    }

    /// Removes the bytes that were received first.
    pub(super) fn next_received(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// Adds a connection to the end of the queue of those that wait for a buffer.
    pub(super) fn wait(&mut self, id: ConnectionId) {
        self.waiting.push_back(id);
    }

    /// Removes the connection that has waited longest for a buffer.
    pub(super) fn next_waiting(&mut self) -> Option<ConnectionId> {
        let next = self.waiting.pop_front();
        if next.is_none() && self.waiting.capacity() > KEPT_WAITING {
            self.waiting.shrink_to(KEPT_WAITING);
        }
        next
    }

    /// Adds a connection to those that are read again at `until_us`, the end of the current second.
    pub(super) fn pause(&mut self, id: ConnectionId, until_us: u64) {
        self.paused.push(id);
        self.paused_until_us = until_us;
    }

    /// Moves the paused connections to those that wait for a buffer when their pause is over.
    pub(super) fn end_pause(&mut self, now_us: u64) {
        if self
            .deadline_us()
            .is_some_and(|until_us| until_us <= now_us)
        {
            self.waiting.extend(self.paused.drain(..));
        }
    }

    /// Returns the number of paused connections.
    pub(super) fn paused(&self) -> usize {
        self.paused.len()
    }

    /// Returns when the paused connections are to be read again, in microseconds.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        (!self.paused.is_empty()).then_some(self.paused_until_us)
    }

    /// Returns whether the next turn has bytes to process or buffers to fill.
    pub(super) fn work(&self) -> Work {
        if self.received.is_empty() && self.waiting.is_empty() {
            Work::None
        } else {
            Work::Done
        }
    }
}
