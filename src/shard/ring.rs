//! The interface between the main loop of a shard and the kernel: operations that complete later,
//! receive buffers, sockets, descriptors and a clock. Used on the shard thread.
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
/// [`Ring::reap_one`] and [`Ring::short_sleep`], or earlier if the queue is full. If the kernel is
/// temporarily out of memory, operations stay queued until the next call.
pub trait Ring {
    type Socket: Socket;
    type Listener: Listener;
    /// A spare descriptor, which is closed when the process needs one more.
    type Reserve;

    /// Returns the time in microseconds since the start of the process.
    fn now_us(&self) -> u64;

    /// Returns the time of the wall clock in seconds since 1970.
    fn unix_s(&self) -> u64;

    /// Starts to accept connections. Each accepted connection is a completion.
    fn accept(&mut self, listener: &Self::Listener) -> io::Result<()>;

    /// Receives once into a provided buffer, as soon as the socket has input. An operation that
    /// waits for input uses no buffer.
    fn receive(
        &mut self,
        socket: &Self::Socket,
        id: ConnectionId,
        input: SocketInput,
    ) -> io::Result<()>;

    /// Sends as many bytes as the socket has room for. Completes without waiting for the peer.
    fn send(
        &mut self,
        socket: &Self::Socket,
        id: ConnectionId,
        bytes: PinnedBytes<'_>,
    ) -> io::Result<()>;

    /// Waits until the socket has room for more bytes or is broken. Completes once.
    fn wait_writable(&mut self, socket: &Self::Socket, id: ConnectionId) -> io::Result<()>;

    /// Starts a timer that completes once, after `delay`. Submits the operation before it returns,
    /// unless the kernel is temporarily out of memory.
    fn start_timer(&mut self, delay: Duration) -> io::Result<()>;

    /// Reads the shard's event descriptor. Completes once, when the descriptor is signalled, and
    /// clears the signal.
    fn read_wake(&mut self) -> io::Result<()>;

    /// Cancels an operation. The cancelled operation completes, and so does the cancellation.
    fn cancel(&mut self, target: Cancelled) -> io::Result<()>;

    /// Submits the queued operations, lets the kernel do deferred work, and appends the completions
    /// to `completions`. Does not wait. The kernel may leave some of the deferred work for the next
    /// call. A receive operation whose work is left has not completed, and its bytes are still in
    /// the socket.
    fn reap(&mut self, completions: &mut Vec<Completion<Self::Socket>>) -> io::Result<()>;

    /// Does the same as [`Ring::reap`], but waits until at least one operation has completed.
    fn reap_one(&mut self, completions: &mut Vec<Completion<Self::Socket>>) -> io::Result<()>;

    /// Returns whether an operation has completed, or can complete by deferred work.
    fn has_completed(&mut self) -> bool;

    /// Returns whether an operation has completed, can complete by deferred work, or is queued for
    /// submission.
    fn has_work(&mut self) -> bool;

    /// Submits the queued operations and sleeps until an operation completes, for `limit` at most.
    fn short_sleep(&mut self, limit: Duration) -> io::Result<()>;

    /// Sets whether a completion signals the shard's event descriptor. After switching the signals
    /// on, the caller must check for work once more before it sleeps on the descriptor.
    fn set_signals(&mut self, signals: CompletionSignals);

    /// Returns the first `len` bytes of a filled buffer.
    fn bytes(&mut self, buffer: &ReceivedBuffer, len: usize) -> &mut [u8];

    /// Returns the number of receive buffers that the shard does not hold: the kernel can fill
    /// them, or has filled them for operations that were not reaped.
    fn free_buffers(&self) -> usize;

    /// Gives the buffer back to the kernel, which may then fill it again.
    fn return_buffer(&mut self, buffer: ReceivedBuffer);

    /// Takes ownership of one end of a connection whose other end belongs to this process.
    fn adopt(&mut self, stream: OwnedFd) -> Self::Socket;

    /// Opens a reserve descriptor. Returns `None` if the process has no descriptor left.
    fn open_reserve(&mut self) -> Option<Self::Reserve>;
}

/// The socket of one connection. It is closed when it is dropped.
pub trait Socket {
    /// Returns the peer's address, or `None` if the connection is broken or is not a TCP
    /// connection.
    fn peer(&self) -> Option<SocketAddr>;

    /// Returns whether the peer has sent bytes that no receive operation has taken.
    fn has_unread(&self) -> bool;

    /// Ends the stream to the peer. The peer can still send.
    fn shut_down_writing(&self);

    /// Ends the stream in both directions, so that operations on the socket complete.
    fn shut_down(&self);

    /// Sets the socket so that its close resets the connection and discards unsent bytes.
    fn reset_on_close(&self);
}

/// A listening socket. It is closed when it is dropped.
pub trait Listener {
    /// Accepts the oldest waiting connection and closes it at once. Fails if none is waiting.
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
    /// A number of bytes was received into `buffer`, or the stream has ended (0 bytes or an error).
    Receive {
        id: ConnectionId,
        result: Result<u32, Errno>,
        buffer: Option<ReceivedBuffer>,
        input: SocketInput,
    },
    /// A number of bytes was sent.
    Send {
        id: ConnectionId,
        result: Result<u32, Errno>,
    },
    /// The socket has room for more bytes. If it is broken, the next send reports the error.
    Writable { id: ConnectionId },
    /// The delay of a timer has passed.
    Timer,
    /// A cancellation was carried out, or there was no operation to cancel.
    Cancel,
    /// The read of the event descriptor has ended, because the descriptor was signalled or the read
    /// was cancelled.
    WakeRead,
}

/// Whether a multishot operation completes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multishot {
    Continues,
    Ended,
}

/// The input of a socket, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketInput {
    /// The last receive operation has taken all of it, or there was none yet.
    Drained,
    /// There was more than one buffer of it, or no buffer for it.
    Waiting,
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
    /// Creates a handle to the buffer with this index. Called by implementations of [`Ring`] when
    /// the kernel has filled the buffer.
    pub fn new(index: u16) -> Self {
        Self { index }
    }

    /// Returns the index of the buffer.
    pub fn index(&self) -> u16 {
        self.index
    }
}

/// The bytes of a send. They stay at the same address until the send has completed.
#[derive(Clone, Copy, Debug)]
pub struct PinnedBytes<'a>(&'a [u8]);

impl<'a> PinnedBytes<'a> {
    /// Asserts that the bytes can be passed to the kernel.
    ///
    /// # Safety
    /// The bytes must stay at the same address, unchanged, until the completion of the send is
    /// reaped or the ring is dropped. The lifetime of the reference may end earlier.
    pub unsafe fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn as_slice(&self) -> &'a [u8] {
        self.0
    }
}
