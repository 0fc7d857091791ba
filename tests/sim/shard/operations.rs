//! The operations of the simulated ring, and their completions.

use fanfare::hub::ConnectionId;
use fanfare::shard::{Cancelled, Errno, Multishot, SocketInput};

use super::descriptors::Key;

/// An operation that is queued for submission.
#[derive(Debug)]
pub enum Queued {
    Accept { number: u32 },
    Receive(Handle),
    Send(Handle, Vec<u8>),
    Writable(Handle),
    Timer { delay_us: u64, due_us: u64 },
    WakeRead,
    Cancel(Cancelled),
}

/// The connection of an operation. Its descriptor must still refer to it when the operation starts.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    pub number: u32,
    pub key: Key,
    pub id: ConnectionId,
}

/// A completion that the shard has not reaped.
#[derive(Clone, Copy, Debug)]
pub enum Completed {
    Accept(Result<u32, Errno>, Multishot),
    Receive {
        id: ConnectionId,
        result: Result<u32, Errno>,
        buffer: Option<u16>,
        input: SocketInput,
    },
    Send(Handle, Result<u32, Errno>),
    Writable(ConnectionId),
    Timer,
    Cancel,
    WakeRead,
}

/// A running timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    /// The time that the shard has requested.
    pub due_us: u64,
    /// The time at which the timer fires. It is later than `due_us` if time has passed before the
    /// timer was submitted.
    pub fires_us: u64,
}

/// A provided buffer.
#[derive(Debug)]
pub struct Buffer {
    pub bytes: Vec<u8>,
    /// The connection whose bytes the buffer contains, while the buffer is not available to the
    /// kernel.
    pub filled_for: Option<Key>,
}

/// The read of the shard's event descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeRead {
    None,
    Queued,
    UnderWay,
}
