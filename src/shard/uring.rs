//! The completion ring of a shard, implemented with `io_uring`. Used on the shard thread.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use socket2::SockRef;

use crate::hub::ConnectionId;
use crate::limits::{RECEIVE_BUFFER_BYTES, RING_COMPLETIONS, RING_ENTRIES};
use crate::observe::Clock;

use super::buffers::{Buffers, GROUP};
use super::ring::{
    Cancelled, Completion, CompletionSignals, Errno, Listener, Multishot, PinnedBytes,
    ReceivedBuffer, Ring, Socket, SocketInput,
};

/// The kind of an operation, in the top four bits of its `user_data`. The id of the connection is
/// in the other bits.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Operation {
    Accept = 1,
    Receive = 2,
    Send = 3,
    Writable = 4,
    Timer = 5,
    Cancel = 6,
    WakeRead = 7,
}

const OPERATION_SHIFT: u32 = 60;

/// `IORING_RECVSEND_POLL_FIRST`: wait for input before the first attempt to receive.
const RECEIVE_POLL_FIRST: u16 = 1;

/// `IORING_ENTER_GETEVENTS`: run deferred work and flush overflowed completions. Since Linux 6.13,
/// one call runs about 20 to 40 items of deferred work, unless it waits for more completions. If
/// some are left, `IORING_SQ_TASKRUN` stays set.
const ENTER_GETEVENTS: u32 = 1;

/// The `io_uring` instance of one shard. The kernel has pointers into `buffers`, `timespec` and
/// `signals`, so these fields are declared after `uring`, which is dropped first.
pub(super) struct UringRing {
    uring: IoUring,
    buffers: Buffers,
    /// Read by the kernel when the timer is submitted, which is before the next timer is set.
    timespec: Box<Timespec>,
    /// The number of signals, written by the kernel when a read of the event descriptor completes.
    signals: Box<[u8; 8]>,
    /// The shard's event descriptor.
    event: RawFd,
    clock: Clock,
}

impl UringRing {
    /// Sets up a ring with its buffers. `event` is the event descriptor that completions signal
    /// while signals are on; it must stay open for as long as the ring exists.
    pub(super) fn new(event: RawFd, clock: Clock) -> io::Result<Self> {
        let uring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(RING_COMPLETIONS)
            .build(RING_ENTRIES)?;
        uring.submitter().register_eventfd(event)?;
        let buffers = Buffers::new()?;
        let (address, entries) = buffers.ring();
        // SAFETY: the entries are in memory that `buffers` keeps mapped, and the ring is dropped
        // before `buffers`.
        unsafe {
            uring
                .submitter()
                .register_buf_ring_with_flags(address, entries, GROUP, 0)?;
        }
        Ok(Self {
            uring,
            buffers,
            timespec: Box::default(),
            signals: Box::default(),
            event,
            clock,
        })
    }

    /// Queues an operation. If the queue is full, submits it first.
    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the pointers in an entry are to the boxes of this ring, to provided buffers,
            // or to `PinnedBytes`, whose creator guarantees that the bytes keep their address.
            if unsafe { self.uring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.submit()?;
        }
    }

    /// Submits the queued operations without waiting.
    fn submit(&mut self) -> io::Result<()> {
        let to_submit = self.uring.submission().len() as u32;
        self.enter(to_submit, 0)
    }

    /// Submits `to_submit` operations and waits for `wanted` completions.
    fn enter(&self, to_submit: u32, wanted: u32) -> io::Result<()> {
        loop {
            // SAFETY: no signal mask is passed; the entries were made safe when they were pushed.
            let entered = unsafe {
                let submitter = self.uring.submitter();
                submitter.enter::<libc::sigset_t>(to_submit, wanted, ENTER_GETEVENTS, None)
            };
            match entered {
                Ok(_) => return Ok(()),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    // The kernel requires that completions are reaped first, or is temporarily out
                    // of memory. Operations that were not submitted stay queued for the next call.
                    Some(libc::EBUSY | libc::EAGAIN) => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Appends the contents of the completion queue to `completions`.
    fn collect(&mut self, completions: &mut Vec<Completion<OwnedFd>>) {
        let entries = self.uring.completion();
        completions.extend(entries.filter_map(|entry| completion(&entry, &mut self.buffers)));
    }
}

impl Drop for UringRing {
    /// Closes the connections that the kernel has accepted and the shard has not reaped.
    fn drop(&mut self) {
        self.collect(&mut Vec::new());
    }
}

impl Ring for UringRing {
    type Socket = OwnedFd;
    type Listener = TcpListener;
    type Reserve = File;

    fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    fn unix_s(&self) -> u64 {
        self.clock.unix_s()
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(&entry.user_data(user_data(Operation::Accept, 0)))
    }

    fn receive(
        &mut self,
        socket: &OwnedFd,
        id: ConnectionId,
        input: SocketInput,
    ) -> io::Result<()> {
        // Without input, an attempt to receive would fail before the kernel waits for input.
        let priority = match input {
            SocketInput::Drained => RECEIVE_POLL_FIRST,
            SocketInput::Waiting => 0,
        };
        // The kernel selects the buffer when there is input.
        let buffer_bytes = RECEIVE_BUFFER_BYTES as u32;
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), ptr::null_mut(), buffer_bytes)
            .buf_group(GROUP)
            .ioprio(priority)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(&entry.user_data(user_data(Operation::Receive, id.to_bits())))
    }

    fn send(
        &mut self,
        socket: &OwnedFd,
        id: ConnectionId,
        bytes: PinnedBytes<'_>,
    ) -> io::Result<()> {
        let bytes = bytes.as_slice();
        let socket = Fd(socket.as_raw_fd());
        let entry = opcode::Send::new(socket, bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build();
        self.push(&entry.user_data(user_data(Operation::Send, id.to_bits())))
    }

    fn wait_writable(&mut self, socket: &OwnedFd, id: ConnectionId) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(socket.as_raw_fd()), libc::POLLOUT as u32).build();
        self.push(&entry.user_data(user_data(Operation::Writable, id.to_bits())))
    }

    fn start_timer(&mut self, delay: Duration) -> io::Result<()> {
        *self.timespec = delay.into();
        let entry = opcode::Timeout::new(&raw const *self.timespec).build();
        self.push(&entry.user_data(user_data(Operation::Timer, 0)))?;
        self.submit()
    }

    fn read_wake(&mut self) -> io::Result<()> {
        let signals = self.signals.as_mut_ptr();
        let entry = opcode::Read::new(Fd(self.event), signals, 8).build();
        self.push(&entry.user_data(user_data(Operation::WakeRead, 0)))
    }

    fn cancel(&mut self, target: Cancelled) -> io::Result<()> {
        let operation = match target {
            Cancelled::Accept => Operation::Accept,
            Cancelled::WakeRead => Operation::WakeRead,
        };
        let entry = opcode::AsyncCancel::new(user_data(operation, 0)).build();
        self.push(&entry.user_data(user_data(Operation::Cancel, 0)))
    }

    fn reap(&mut self, completions: &mut Vec<Completion<OwnedFd>>) -> io::Result<()> {
        let (to_submit, due) = {
            let submission = self.uring.submission();
            (
                submission.len() as u32,
                submission.taskrun() || submission.cq_overflow(),
            )
        };
        if to_submit > 0 || due {
            self.enter(to_submit, 0)?;
        }
        self.collect(completions);
        // The deadlines of this turn depend on what has arrived, so no completion is left in the
        // kernel's overflow list. The bytes for which deferred work is left are still in their
        // sockets, where `has_unread` finds them.
        while self.uring.submission().cq_overflow() {
            self.enter(0, 0)?;
            self.collect(completions);
        }
        Ok(())
    }

    fn reap_one(&mut self, completions: &mut Vec<Completion<OwnedFd>>) -> io::Result<()> {
        let to_submit = self.uring.submission().len() as u32;
        self.enter(to_submit, 1)?;
        self.collect(completions);
        Ok(())
    }

    fn has_completed(&mut self) -> bool {
        let is_deferred = {
            let submission = self.uring.submission();
            submission.taskrun() || submission.cq_overflow()
        };
        is_deferred || !self.uring.completion().is_empty()
    }

    fn has_work(&mut self) -> bool {
        !self.uring.submission().is_empty() || self.has_completed()
    }

    fn short_sleep(&mut self, limit: Duration) -> io::Result<()> {
        let limit = limit.into();
        let arguments = SubmitArgs::new().timespec(&limit);
        match self.uring.submitter().submit_with_args(1, &arguments) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn set_signals(&mut self, signals: CompletionSignals) {
        let completion = self.uring.completion();
        match signals {
            CompletionSignals::On => {
                completion.enable_eventfd();
                // The kernel first marks work and then checks whether signals are enabled. The
                // shard first enables the signals and then checks for work. This fence keeps the
                // two steps of the shard in order. Then the kernel sees that signals are enabled,
                // or the shard sees the work.
                fence(Ordering::SeqCst);
            }
            CompletionSignals::Off => completion.disable_eventfd(),
        }
    }

    fn bytes(&mut self, buffer: &ReceivedBuffer, len: usize) -> &mut [u8] {
        self.buffers.get(buffer, len)
    }

    fn free_buffers(&self) -> usize {
        self.buffers.free()
    }

    fn return_buffer(&mut self, buffer: ReceivedBuffer) {
        self.buffers.provide(&buffer);
    }

    fn adopt(&mut self, stream: OwnedFd) -> OwnedFd {
        stream
    }

    fn open_reserve(&mut self) -> Option<File> {
        File::open("/dev/null").ok()
    }
}

impl Socket for OwnedFd {
    fn peer(&self) -> Option<SocketAddr> {
        SockRef::from(self).peer_addr().ok()?.as_socket()
    }

    fn has_unread(&self) -> bool {
        let mut bytes: libc::c_int = 0;
        // SAFETY: FIONREAD writes one integer to the address.
        let result = unsafe { libc::ioctl(self.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
        result == 0 && bytes > 0
    }

    fn shut_down_writing(&self) {
        // Fails if the connection is broken, which the receive operation reports.
        let _ = SockRef::from(self).shutdown(Shutdown::Write);
    }

    fn shut_down(&self) {
        // Fails if the connection is broken. Then the operations on the socket complete anyway.
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }

    fn reset_on_close(&self) {
        // Fails if the connection is broken. Then there are no bytes to discard.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Listener for TcpListener {
    fn refuse_one(&self) -> io::Result<()> {
        self.accept().map(drop)
    }
}

/// Returns the `user_data` of an operation. `bits` is the id of the connection, or 0.
fn user_data(operation: Operation, bits: u64) -> u64 {
    (operation as u64) << OPERATION_SHIFT | bits
}

/// Converts an entry of the completion queue. Each entry is converted once, because the completion
/// of an accept owns the new descriptor.
fn completion(entry: &cqueue::Entry, buffers: &mut Buffers) -> Option<Completion<OwnedFd>> {
    let (user_data, flags) = (entry.user_data(), entry.flags());
    let id = ConnectionId::from_bits(user_data & ((1 << OPERATION_SHIFT) - 1));
    let result = match entry.result() {
        result @ 0.. => Ok(result.cast_unsigned()),
        error => Err(Errno(-error)),
    };
    let series = if cqueue::more(flags) {
        Multishot::Continues
    } else {
        Multishot::Ended
    };
    Some(match user_data >> OPERATION_SHIFT {
        1 => Completion::Accept {
            // SAFETY: the kernel has just opened this descriptor for the shard.
            result: result.map(|socket| unsafe { OwnedFd::from_raw_fd(socket.cast_signed()) }),
            series,
        },
        2 => Completion::Receive {
            id,
            result,
            buffer: cqueue::buffer_select(flags).map(|index| buffers.take(index)),
            input: if cqueue::sock_nonempty(flags) {
                SocketInput::Waiting
            } else {
                SocketInput::Drained
            },
        },
        3 => Completion::Send { id, result },
        4 => Completion::Writable { id },
        5 => Completion::Timer,
        6 => Completion::Cancel,
        7 => Completion::WakeRead,
        _ => return None,
    })
}
