//! The completion ring of one shard: the operations we use, typed. Shard core.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::hub::ConnectionId;
use crate::limits::{RING_COMPLETIONS, RING_ENTRIES};

use super::buffers::{Buffers, GROUP};
use super::preflight::Refused;

/// What an operation was, in the top four bits of its `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    Accept = 1,
    Receive = 2,
    Send = 3,
    Writable = 4,
    Timer = 5,
    Cancel = 6,
    Wake = 7,
}

const OPERATION_SHIFT: u32 = 60;

/// One completed operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) operation: Operation,
    /// The connection it was for; meaningless for the listener's and the timer's.
    pub(super) id: ConnectionId,
    /// As the system call would have returned it, errors negative.
    pub(super) result: i32,
    /// The provided buffer that holds what was received.
    pub(super) buffer: Option<u16>,
    /// A multishot operation goes on.
    pub(super) more: bool,
}

pub(super) struct Ring {
    uring: IoUring,
    /// Read by the kernel when the timer is submitted, which is before it is set again.
    timespec: Box<Timespec>,
    /// Written by the kernel when the event descriptor that is listened to is signalled.
    signals: Box<[u8; 8]>,
}

/// `IORING_ENTER_GETEVENTS`: run deferred work and flush overflowed completions.
const ENTER_GETEVENTS: u32 = 1;

impl Ring {
    /// A ring that signals `event` when something completes while notifications are on.
    pub(super) fn new(event: RawFd) -> Result<Self, Refused> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(RING_COMPLETIONS)
            .build(RING_ENTRIES)?;
        ring.submitter().register_eventfd(event)?;
        Ok(Self {
            uring: ring,
            timespec: Box::default(),
            signals: Box::default(),
        })
    }

    pub(super) fn register(&self, buffers: &Buffers) -> Result<(), Refused> {
        let (address, entries) = buffers.ring();
        // SAFETY: the entries lie in memory that `Buffers` keeps mapped for longer than the ring
        // lives: `Drive` declares the ring first, so it is dropped first.
        unsafe {
            self.uring
                .submitter()
                .register_buf_ring_with_flags(address, entries, GROUP, 0)?;
        }
        Ok(())
    }

    /// Accepts connections until it fails or is cancelled.
    pub(super) fn accept(&mut self, listener: RawFd) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(listener))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(&entry.user_data(user_data(Operation::Accept, 0)))
    }

    /// Completes once when the event descriptor is signalled, and takes the signal off it.
    pub(super) fn listen(&mut self, event: RawFd) -> io::Result<()> {
        let signals = self.signals.as_mut_ptr();
        let entry = opcode::Read::new(Fd(event), signals, 8).build();
        self.push(&entry.user_data(user_data(Operation::Wake, 0)))
    }

    /// Ends what is under way for the listener or the wake, which then completes.
    pub(super) fn cancel(&mut self, operation: Operation) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(user_data(operation, 0)).build();
        self.push(&entry.user_data(user_data(Operation::Cancel, 0)))
    }

    /// Receives into provided buffers until the end of the stream, an error, or want of buffers.
    pub(super) fn receive(&mut self, socket: RawFd, id: ConnectionId) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(socket), GROUP).build();
        self.push(&entry.user_data(user_data(Operation::Receive, id.to_bits())))
    }

    /// Completes once when the socket can take more.
    pub(super) fn wait_writable(&mut self, socket: RawFd, id: ConnectionId) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(socket), libc::POLLOUT as u32).build();
        self.push(&entry.user_data(user_data(Operation::Writable, id.to_bits())))
    }

    /// Sends at once what the socket can take, and completes without waiting.
    ///
    /// # Safety
    /// `bytes` must stay where they are, unchanged, until the completion is reaped.
    pub(super) unsafe fn send(
        &mut self,
        socket: RawFd,
        id: ConnectionId,
        bytes: &[u8],
    ) -> io::Result<()> {
        let entry = opcode::Send::new(Fd(socket), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .build();
        self.push(&entry.user_data(user_data(Operation::Send, id.to_bits())))
    }

    /// Completes once after `delay`.
    pub(super) fn timer(&mut self, delay: Duration) -> io::Result<()> {
        *self.timespec = delay.into();
        let entry = opcode::Timeout::new(&raw const *self.timespec).build();
        self.push(&entry.user_data(user_data(Operation::Timer, 0)))?;
        self.submit()
    }

    /// Whether something has completed or waits to be submitted.
    pub(super) fn has_work(&mut self) -> bool {
        let pending = {
            let submission = self.uring.submission();
            !submission.is_empty() || submission.taskrun() || submission.cq_overflow()
        };
        pending || !self.uring.completion().is_empty()
    }

    /// Turns the signals of the event descriptor on, to sleep, or off, to work. Who turns them on
    /// looks for work once more before the sleep.
    pub(super) fn notify(&mut self, on: bool) {
        let completion = self.uring.completion();
        if on {
            completion.enable_eventfd();
            // The kernel marks work, then looks whether to signal; here it is the other way
            // round, and neither may be seen out of order.
            fence(Ordering::SeqCst);
        } else {
            completion.disable_eventfd();
        }
    }

    /// Submits what waits, lets the kernel finish what is done, and moves the completions to
    /// `completions`.
    pub(super) fn reap(&mut self, completions: &mut Vec<Completion>) -> io::Result<()> {
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
        Ok(())
    }

    /// Like [`Ring::reap`], but sleeps until at least one operation has completed.
    pub(super) fn reap_one(&mut self, completions: &mut Vec<Completion>) -> io::Result<()> {
        let to_submit = self.uring.submission().len() as u32;
        self.enter(to_submit, 1)?;
        self.collect(completions);
        Ok(())
    }

    /// Submits what waits and sleeps until something completes, at most for `limit`.
    pub(super) fn nap(&mut self, limit: Duration) -> io::Result<()> {
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

    fn collect(&mut self, completions: &mut Vec<Completion>) {
        completions.extend(
            self.uring
                .completion()
                .filter_map(|entry| completion(&entry)),
        );
    }

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
                    // The kernel wants completions to be taken first, or is short of memory for
                    // a moment: what was not submitted stays queued for the next call.
                    Some(libc::EBUSY | libc::EAGAIN) => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }

    fn submit(&mut self) -> io::Result<()> {
        let to_submit = self.uring.submission().len() as u32;
        self.enter(to_submit, 0)
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the pointers in an entry are to what is boxed here, to provided buffers, or
            // to what the caller of `send` vouched for.
            if unsafe { self.uring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.submit()?;
        }
    }
}

fn user_data(operation: Operation, bits: u64) -> u64 {
    (operation as u64) << OPERATION_SHIFT | bits
}

fn completion(entry: &cqueue::Entry) -> Option<Completion> {
    let user_data = entry.user_data();
    let operation = match user_data >> OPERATION_SHIFT {
        1 => Operation::Accept,
        2 => Operation::Receive,
        3 => Operation::Send,
        4 => Operation::Writable,
        5 => Operation::Timer,
        6 => Operation::Cancel,
        7 => Operation::Wake,
        _ => return None,
    };
    Some(Completion {
        operation,
        id: ConnectionId::from_bits(user_data & ((1 << OPERATION_SHIFT) - 1)),
        result: entry.result(),
        buffer: cqueue::buffer_select(entry.flags()),
        more: cqueue::more(entry.flags()),
    })
}
