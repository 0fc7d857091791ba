//! The simulated socket of one connection. The client reads from its bounded send buffer.

use std::collections::VecDeque;

use fanfare::hub::SendOutcome;

/// The state of one socket.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts about a socket.
pub struct Kernel {
    /// The size of the send buffer in bytes.
    capacity: usize,
    /// Whether the send buffer has no bound, because the run settles.
    pub is_unbounded: bool,
    /// Bytes that the server has sent and the client has not read.
    buffer: VecDeque<u8>,
    /// The bytes of the send that is under way.
    pub in_flight: Option<Vec<u8>>,
    /// Whether the hub waits until the socket is writable.
    pub awaiting: bool,
    /// Whether the client has reset the connection, so that sends fail.
    pub reset: bool,
    /// Whether the server has ended its stream.
    pub write_ended: bool,
    /// Whether the close was a reset, or `None` if the hub has not closed the socket.
    pub closed: Option<bool>,
}

impl Kernel {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            is_unbounded: false,
            buffer: VecDeque::new(),
            in_flight: None,
            awaiting: false,
            reset: false,
            write_ended: false,
            closed: None,
        }
    }

    /// Returns the free space of the send buffer in bytes.
    fn room(&self) -> usize {
        let capacity = if self.is_unbounded {
            usize::MAX
        } else {
            self.capacity
        };
        capacity.saturating_sub(self.buffer.len())
    }

    /// Completes the send that is under way. Takes at most `max_bytes` of its bytes.
    pub fn complete(&mut self, max_bytes: usize) -> SendOutcome {
        let bytes = self.in_flight.take().expect("a send is under way");
        if self.reset || self.closed == Some(true) {
            return SendOutcome::Failed;
        }
        let taken = bytes.len().min(max_bytes).min(self.room());
        if self.closed.is_none() {
            self.buffer.extend(&bytes[..taken]);
        }
        SendOutcome::Written(taken as u32)
    }

    /// Returns the bytes that the client reads, at most `max_bytes`.
    pub fn read(&mut self, max_bytes: usize) -> Vec<u8> {
        if self.closed == Some(true) || self.reset {
            self.buffer.clear();
        }
        let taken = self.buffer.len().min(max_bytes);
        self.buffer.drain(..taken).collect()
    }

    /// Returns whether the client has read the stream to its end.
    pub fn is_at_end(&self) -> bool {
        self.buffer.is_empty() && (self.write_ended || self.closed.is_some())
    }
}
