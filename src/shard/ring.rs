//! The kernel as the loop of a shard uses it: operations that complete later, receive buffers,
//! sockets, descriptors and a clock. Shard thread.
//!
//! [`super::ShardLoop`] is generic over [`Ring`]. The server implements the trait with `io_uring`.
//! The simulation in tests/sim implements it with a simulated kernel, so that the same loop runs
//! against every order of events.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::hub::ConnectionId;

/// A completion ring with its clock, its receive buffers and the descriptors that it works on.
///
/// Operations are queued by the methods that start them and submitted by [`Ring::reap`],
/// [`Ring::reap_one`] and [`Ring::short_sleep`], or earlier if the queue is full. What the kernel
/// does not take at once, because it lacks memory for the moment, stays queued for the next call.
pub trait Ring {
    type Socket: Socket;
    type Listener: Listener;
    /// A descriptor that is open only to be closed when the process needs one more.
    type Reserve;

    /// Microseconds since the start of the process.
    fn now_us(&self) -> u64;

    /// Starts to accept connections. Each accepted connection is a completion.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<()>;

    /// Starts to receive into provided buffers. Each filled buffer is a completion.
    fn receive(&mut self, socket: &Self::Socket, id: ConnectionId) -> io::Result<()>;

    /// Sends what the socket can take at once. Completes without waiting for the peer.
    fn send(
        &mut self,
        socket: &Self::Socket,
        id: ConnectionId,
        bytes: PinnedBytes<'_>,
    ) -> io::Result<()>;

    /// Completes once when the socket can take more bytes or is broken.
    fn wait_writable(&mut self, socket: &Self::Socket, id: ConnectionId) -> io::Result<()>;

    /// Completes once after `delay`. Submits the operation before it returns, unless the kernel
    /// lacks memory for the moment.
    fn start_timer(&mut self, delay: Duration) -> io::Result<()>;

    /// Completes once when the shard's event descriptor is signalled, and clears the signal.
    fn read_wake(&mut self) -> io::Result<()>;

    /// Cancels an operation. The cancelled operation completes, and so does the cancellation.
    fn cancel(&mut self, target: Cancelled) -> io::Result<()>;

    /// Submits what is queued, lets the kernel finish deferred work, and appends everything that
    /// has completed to `completions`. Does not wait.
    fn reap(&mut self, completions: &mut Vec<Completion<Self::Socket>>) -> io::Result<()>;

    /// Like [`Ring::reap`], but waits until at least one operation has completed.
    fn reap_one(&mut self, completions: &mut Vec<Completion<Self::Socket>>) -> io::Result<()>;

    /// Returns whether something has completed or is queued for submission.
    fn has_work(&mut self) -> bool;

    /// Submits what is queued and sleeps until an operation completes, for `limit` at most.
    fn short_sleep(&mut self, limit: Duration) -> io::Result<()>;

    /// Sets whether a completion signals the shard's event descriptor. After switching the signals
    /// on, the caller must check for work once more before it sleeps on the descriptor.
    fn set_signals(&mut self, signals: CompletionSignals);

    /// Returns the first `len` bytes of a filled buffer.
    fn bytes(&mut self, buffer: &ReceivedBuffer, len: usize) -> &mut [u8];

    /// Provides the buffer to the kernel again.
    fn return_buffer(&mut self, buffer: ReceivedBuffer);

    /// Takes over one end of a connection inside of this process.
    fn adopt(&mut self, stream: OwnedFd) -> Self::Socket;

    /// Opens a reserve descriptor. Returns `None` if the process has no descriptor left.
    fn open_reserve(&mut self) -> Option<Self::Reserve>;
}

/// The socket of one connection. Dropping it closes it.
pub trait Socket {
    /// Returns the peer's address, or `None` if the peer is gone or has no Internet address.
    fn peer(&self) -> Option<SocketAddr>;

    /// Ends the stream to the peer. The peer can still send.
    fn shut_down_writing(&self);

    /// Ends the stream in both directions, so that operations on the socket complete.
    fn shut_down(&self);

    /// Makes the close of the socket reset the connection and discard unsent bytes.
    fn reset_on_close(&self);
}

/// A listening socket. Dropping it closes it.
pub trait Listener {
    /// Accepts the oldest waiting connection and closes it at once.
    fn refuse_one(&self) -> io::Result<()>;
}

/// A completed operation.
#[derive(Debug)]
pub enum Completion<S> {
    /// A connection was accepted, or accepting failed.
    Accept {
        result: Result<S, Errno>,
        series: Multishot,
    },
    /// So many bytes were received into `buffer`, or the stream has ended (0 bytes or an error).
    Receive {
        id: ConnectionId,
        result: Result<u32, Errno>,
        buffer: Option<ReceivedBuffer>,
        series: Multishot,
    },
    /// So many bytes were sent.
    Send {
        id: ConnectionId,
        result: Result<u32, Errno>,
    },
    /// The socket can take more bytes, or is broken, which the next send reports.
    Writable { id: ConnectionId },
    /// The delay of a timer has passed.
    Timer,
    /// A cancellation was carried out, or found nothing to cancel.
    Cancel,
    /// The read of the event descriptor has ended: it was signalled, or the read was cancelled.
    WakeRead,
}

/// Whether a multishot operation completes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multishot {
    Continues,
    Ended,
}

/// The operations that can be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    Accept,
    WakeRead,
}

/// Whether completions signal the shard's event descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionSignals {
    On,
    Off,
}

/// An error number of the kernel, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Display for Errno {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(formatter)
    }
}

/// A provided buffer that the kernel has filled and the shard holds. It is neither `Clone` nor
/// `Copy`, so that it is returned only once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a buffer that is not returned is lost for the shard"]
pub struct ReceivedBuffer {
    index: u16,
}

impl ReceivedBuffer {
    /// For implementations of [`Ring`], when the kernel hands out the buffer with this index.
    pub fn new(index: u16) -> Self {
        Self { index }
    }

    pub fn index(&self) -> u16 {
        self.index
    }
}

/// The bytes of a send. They stay in place until the send has completed.
#[derive(Clone, Copy, Debug)]
pub struct PinnedBytes<'a>(&'a [u8]);

impl<'a> PinnedBytes<'a> {
    /// # Safety
    /// The bytes must stay where they are, unchanged, until the completion of the send is reaped
    /// or the ring is dropped. The lifetime of the reference may end earlier.
    pub unsafe fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn as_slice(&self) -> &'a [u8] {
        self.0
    }
}
