//! The simulated socket of one connection: a bounded send buffer that the client reads from.

use std::collections::VecDeque;

use fanfare::hub::SendOutcome;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts about a socket.
pub struct Kernel {
    capacity: usize,
    /// The send buffer has no bound while everything settles.
    pub roomy: bool,
    /// Bytes the server sent and the client has not read.
    buffer: VecDeque<u8>,
    /// The bytes of the send that is under way.
    pub in_flight: Option<Vec<u8>>,
    /// The hub waits until the socket is writable.
    pub awaiting: bool,
    /// The client is gone: sends fail.
    pub reset: bool,
    /// The server has ended its stream.
    pub write_ended: bool,
    /// Whether the hub has closed it, and whether with a reset.
    pub closed: Option<bool>,
}

impl Kernel {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            roomy: false,
            buffer: VecDeque::new(),
            in_flight: None,
            awaiting: false,
            reset: false,
            write_ended: false,
            closed: None,
        }
    }

    fn room(&self) -> usize {
        let capacity = if self.roomy {
            usize::MAX
        } else {
            self.capacity
        };
        capacity.saturating_sub(self.buffer.len())
    }

    /// Completes the send that is under way, of which at most `most` bytes are sent.
    pub fn complete(&mut self, most: usize) -> SendOutcome {
        let bytes = self.in_flight.take().expect("a send is under way");
        if self.reset || self.closed == Some(true) {
            return SendOutcome::Failed;
        }
        let taken = bytes.len().min(most).min(self.room());
        if self.closed.is_none() {
            self.buffer.extend(&bytes[..taken]);
        }
        SendOutcome::Written(taken as u32)
    }

    /// Returns what the client reads, at most `most` bytes.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        if self.closed == Some(true) || self.reset {
            self.buffer.clear();
        }
        let taken = self.buffer.len().min(most);
        self.buffer.drain(..taken).collect()
    }

    /// Returns whether the client has read the stream to its end.
    pub fn at_end(&self) -> bool {
        self.buffer.is_empty() && (self.write_ended || self.closed.is_some())
    }
}
