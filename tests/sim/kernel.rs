//! A socket as a kernel keeps it: a bounded send buffer that a client reads from.

use std::collections::VecDeque;

use fanfare::hub::SendOutcome;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts about a socket.
pub struct Kernel {
    capacity: usize,
    /// All that is sent fits, for once.
    pub roomy: bool,
    /// Bytes the server sent and the client has not read.
    buffer: VecDeque<u8>,
    /// The bytes of the send that is under way.
    pub in_flight: Option<Vec<u8>>,
    /// The hub waits for room.
    pub awaiting: bool,
    /// The client is gone: sends fail.
    pub reset: bool,
    /// The server will write no more.
    pub write_ended: bool,
    /// The hub is done with it; true: with a reset.
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

    /// Ends the send under way: at most `most` of its bytes go out. Returns how it ended.
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

    /// What the client reads, at most `most` bytes.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        if self.closed == Some(true) || self.reset {
            self.buffer.clear();
        }
        let taken = self.buffer.len().min(most);
        self.buffer.drain(..taken).collect()
    }

    /// The client has read the stream to its end.
    pub fn at_end(&self) -> bool {
        self.buffer.is_empty() && (self.write_ended || self.closed.is_some())
    }
}
