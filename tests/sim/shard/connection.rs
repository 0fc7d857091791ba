//! A simulated TCP connection, with the operations of the shard that are under way on it.

use std::collections::VecDeque;

use fanfare::hub::ConnectionId;
use fanfare::shard::Errno;

/// The server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// The connection is not accepted yet.
    Waiting,
    Open,
    /// Closed without a reset: the client can still read the bytes that were sent.
    Closed,
    /// Closed with a reset: bytes that were sent and not read are lost.
    Reset,
}

/// The receive operation of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// The operation was not started or was interrupted. The shard has to start it.
    Idle,
    /// The operation is queued or under way.
    Armed(ConnectionId),
    /// The end of the stream was reported.
    Ended,
}

/// The state of one connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts about a connection.
pub struct Connection {
    /// Bytes that the client has sent and the shard has not received.
    pub to_server: VecDeque<u8>,
    /// Bytes that the shard has sent and the client has not read.
    to_client: VecDeque<u8>,
    /// The size of the send buffer in bytes.
    capacity: usize,
    /// Whether the send buffer has no bound, because the run settles.
    pub is_unbounded: bool,
    /// Whether the client has ended its stream.
    pub client_ended: bool,
    /// Whether the client has reset the connection.
    pub client_reset: bool,
    /// Whether the server has ended its stream.
    pub write_ended: bool,
    /// Whether the server has ended both streams.
    pub shut_down: bool,
    /// Whether the close of the server's end resets the connection.
    pub reset_on_close: bool,
    pub server: ServerEnd,
    pub receive: Receive,
    /// The start of the turn that last handled bytes of the client.
    pub read_us: u64,
    /// The id with which a wait for writability is queued or under way.
    pub writable: Option<ConnectionId>,
    /// Whether a send has failed.
    pub send_failed: bool,
    /// Whether a send is queued, or has completed and was not reaped.
    pub is_sending: bool,
}

impl Connection {
    pub fn new(capacity: usize) -> Self {
        Self {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity,
            is_unbounded: false,
            client_ended: false,
            client_reset: false,
            write_ended: false,
            shut_down: false,
            reset_on_close: false,
            server: ServerEnd::Waiting,
            receive: Receive::Idle,
            read_us: 0,
            writable: None,
            send_failed: false,
            is_sending: false,
        }
    }

    /// Returns whether an operation of the shard uses the socket.
    pub fn is_in_use(&self) -> bool {
        matches!(self.receive, Receive::Armed(_)) || self.writable.is_some() || self.is_sending
    }

    /// Returns the free space of the send buffer in bytes.
    fn room(&self) -> usize {
        if self.is_unbounded {
            usize::MAX
        } else {
            self.capacity.saturating_sub(self.to_client.len())
        }
    }

    /// Returns whether a wait for writability completes.
    pub fn is_writable(&self) -> bool {
        self.room() > 0 || self.client_reset || self.shut_down
    }

    /// Takes at most `max_bytes` of a send into the send buffer. Returns the number of bytes.
    pub fn send(&mut self, bytes: &[u8], max_bytes: usize) -> Result<usize, Errno> {
        assert!(!bytes.is_empty(), "an empty send");
        assert!(!self.write_ended, "a send after the end of the stream");
        assert!(!self.shut_down, "a send after the close");
        assert!(!self.send_failed, "a send after one that failed");
        if self.client_reset {
            self.send_failed = true;
            return Err(Errno(libc::EPIPE));
        }
        let taken = bytes.len().min(max_bytes).min(self.room());
        if taken == 0 {
            return Err(Errno(libc::EAGAIN));
        }
        self.to_client.extend(&bytes[..taken]);
        Ok(taken)
    }

    /// Returns the bytes that the client reads, at most `max_bytes`.
    pub fn read(&mut self, max_bytes: usize) -> Vec<u8> {
        if self.server == ServerEnd::Reset || self.client_reset {
            self.to_client.clear();
        }
        let taken = self.to_client.len().min(max_bytes);
        self.to_client.drain(..taken).collect()
    }

    /// Returns whether the client has read the stream to its end.
    pub fn is_at_end(&self) -> bool {
        let is_closed = matches!(self.server, ServerEnd::Closed | ServerEnd::Reset);
        self.to_client.is_empty() && (self.write_ended || self.shut_down || is_closed)
    }

    /// Closes the server's end. As in Linux, the close is a reset if the server has not received
    /// all bytes.
    pub fn close(&mut self) {
        let is_reset = self.reset_on_close || !self.to_server.is_empty();
        self.server = if is_reset {
            ServerEnd::Reset
        } else {
            ServerEnd::Closed
        };
    }
}
