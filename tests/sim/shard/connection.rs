//! A simulated TCP connection, with the operations of the shard that are under way on it.

use std::collections::VecDeque;

use fanfare::hub::ConnectionId;
use fanfare::shard::Errno;

/// The server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// Not accepted yet.
    Waiting,
    Open,
    /// Closed in order: the client can still read what was sent.
    Closed,
    /// Closed with a reset: what was sent and not read is lost.
    Reset,
}

/// The receive operation of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// Not started, or interrupted: the shard has to start it.
    Idle,
    /// Queued or under way.
    Armed(ConnectionId),
    /// Its end was reported.
    Ended,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts about a connection.
pub struct Connection {
    /// Bytes that the client has sent and the shard has not received.
    pub to_server: VecDeque<u8>,
    /// Bytes that the shard has sent and the client has not read.
    to_client: VecDeque<u8>,
    capacity: usize,
    /// The send buffer has no bound while everything settles.
    pub is_roomy: bool,
    /// The client has ended its stream.
    pub client_ended: bool,
    /// The client has reset the connection.
    pub client_reset: bool,
    /// The server has ended its stream.
    pub write_ended: bool,
    /// The server has ended both streams.
    pub shut_down: bool,
    pub reset_on_close: bool,
    pub server: ServerEnd,
    pub receive: Receive,
    /// A wait for writability is queued or under way.
    pub writable: Option<ConnectionId>,
    /// A send is queued, or has completed and was not reaped.
    pub is_sending: bool,
}

impl Connection {
    pub fn new(capacity: usize) -> Self {
        Self {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity,
            is_roomy: false,
            client_ended: false,
            client_reset: false,
            write_ended: false,
            shut_down: false,
            reset_on_close: false,
            server: ServerEnd::Waiting,
            receive: Receive::Idle,
            writable: None,
            is_sending: false,
        }
    }

    /// Returns whether an operation of the shard uses the socket.
    pub fn is_in_use(&self) -> bool {
        matches!(self.receive, Receive::Armed(_)) || self.writable.is_some() || self.is_sending
    }

    fn room(&self) -> usize {
        if self.is_roomy {
            usize::MAX
        } else {
            self.capacity.saturating_sub(self.to_client.len())
        }
    }

    /// Returns whether a wait for writability completes.
    pub fn is_writable(&self) -> bool {
        self.room() > 0 || self.client_reset || self.shut_down
    }

    /// Takes at most `most` bytes of a send.
    pub fn send(&mut self, bytes: &[u8], most: usize) -> Result<usize, Errno> {
        assert!(!bytes.is_empty(), "an empty send");
        assert!(!self.write_ended, "a send after the end of the stream");
        assert!(!self.shut_down, "a send after the close");
        if self.client_reset {
            return Err(Errno(libc::EPIPE));
        }
        let taken = bytes.len().min(most).min(self.room());
        if taken == 0 {
            return Err(Errno(libc::EAGAIN));
        }
        self.to_client.extend(&bytes[..taken]);
        Ok(taken)
    }

    /// Returns the bytes that the client reads, at most `most`.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        if self.server == ServerEnd::Reset || self.client_reset {
            self.to_client.clear();
        }
        let taken = self.to_client.len().min(most);
        self.to_client.drain(..taken).collect()
    }

    /// Returns whether the client has read the stream to its end.
    pub fn is_at_end(&self) -> bool {
        let is_closed = matches!(self.server, ServerEnd::Closed | ServerEnd::Reset);
        self.to_client.is_empty() && (self.write_ended || self.shut_down || is_closed)
    }

    /// Closes the server's end. Bytes that the server has not received make it a reset.
    pub fn close(&mut self) {
        let is_reset = self.reset_on_close || !self.to_server.is_empty();
        self.server = if is_reset {
            ServerEnd::Reset
        } else {
            ServerEnd::Closed
        };
    }
}
