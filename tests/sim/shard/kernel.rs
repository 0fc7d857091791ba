//! A simulated kernel: the submission queue of a ring, the operations that are under way, and their
//! completions. Every use that a real kernel would punish fails the run.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::os::unix::net::UnixStream;

use fanfare::hub::ConnectionId;
use fanfare::shard::{Cancelled, CompletionSignals, Errno, Multishot};
use fastrand::Rng;

use super::connection::{Connection, Receive, ServerEnd};
use super::descriptors::{Descriptors, Key, Target};
use super::events::EventCounts;

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

/// A connection as an operation names it: by a descriptor, which must still refer to it.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    pub number: u32,
    pub key: Key,
    pub id: ConnectionId,
}

/// A completion, as long as the kernel has it.
#[derive(Clone, Copy, Debug)]
pub enum Completed {
    Accept(Result<u32, Errno>, Multishot),
    Receive {
        id: ConnectionId,
        result: Result<u32, Errno>,
        buffer: Option<u16>,
        series: Multishot,
    },
    Send(Handle, Result<u32, Errno>),
    Writable(ConnectionId),
    Timer,
    Cancel,
    WakeRead,
}

/// A timer that runs. It fires late if the shard was interrupted before it submitted the timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub due_us: u64,
    pub fires_us: u64,
}

/// A provided buffer.
#[derive(Debug)]
pub struct Buffer {
    pub bytes: Vec<u8>,
    /// The connection whose bytes it holds, while it is not provided to the kernel.
    pub filled_for: Option<Key>,
}

/// The read of the shard's event descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeRead {
    None,
    Queued,
    UnderWay,
}

#[allow(clippy::struct_excessive_bools)] // Independent facts about a ring.
pub struct Kernel {
    pub descriptors: Descriptors,
    pub connections: BTreeMap<Key, Connection>,
    /// Connections that wait to be accepted.
    pub backlog: VecDeque<Key>,
    pub listener: Option<u32>,
    pub queue: VecDeque<Queued>,
    queue_capacity: usize,
    /// An accept operation is queued or under way.
    pub is_accepting: bool,
    pub wake_read: WakeRead,
    pub timers: Vec<Timer>,
    /// Completions that an `enter` moves to the completion queue: deferred work, or overflow.
    pub deferred: VecDeque<Completed>,
    pub completed: VecDeque<Completed>,
    completion_capacity: usize,
    pub buffers: Vec<Buffer>,
    pub free_buffers: VecDeque<u16>,
    pub buffer_bytes: usize,
    pub signals: CompletionSignals,
    /// The reading end of the shard's event descriptor, and the signals that were not read yet.
    event: UnixStream,
    pub event_count: u64,
    /// Signals of other threads since the start.
    pub signalled: u64,
    /// Sends that were queued and are not reaped yet, and whether the ring was reaped after them.
    sends: usize,
    reaped_in_round: bool,
    pub is_closed: bool,
    /// Whether operations fail at random.
    pub has_faults: bool,
    /// Bytes that sends have taken, accepted connections that were reaped, bytes received.
    pub sent_bytes: u64,
    pub accepted: u64,
    pub events: EventCounts,
}

impl Kernel {
    /// Creates a kernel. `descriptors` is the limit of the process.
    pub fn new(random: &mut Rng, event: UnixStream, descriptors: usize) -> Self {
        let buffer_bytes = [6, 60, 400, 4_000][random.usize(..4)];
        let most_buffers = [2, 6, 40][random.usize(..3)];
        let count = random.u16(1..=most_buffers);
        let buffers = (0..count).map(|_| Buffer {
            bytes: Vec::new(),
            filled_for: None,
        });
        event
            .set_nonblocking(true)
            .expect("a socket pair supports it");
        Self {
            descriptors: Descriptors::new(descriptors),
            connections: BTreeMap::new(),
            backlog: VecDeque::new(),
            listener: None,
            queue: VecDeque::new(),
            queue_capacity: [1, 4, 100][random.usize(..3)],
            is_accepting: false,
            wake_read: WakeRead::None,
            timers: Vec::new(),
            deferred: VecDeque::new(),
            completed: VecDeque::new(),
            completion_capacity: [2, 10, 1_000][random.usize(..3)],
            buffers: buffers.collect(),
            free_buffers: (0..count).collect(),
            buffer_bytes,
            signals: CompletionSignals::On,
            event,
            event_count: 0,
            signalled: 0,
            sends: 0,
            reaped_in_round: false,
            is_closed: false,
            has_faults: true,
            sent_bytes: 0,
            accepted: 0,
            events: EventCounts::default(),
        }
    }

    /// Queues an operation. A full queue is submitted first.
    pub fn push(&mut self, operation: Queued, random: &mut Rng, now_us: u64) {
        while self.queue.len() >= self.queue_capacity {
            self.enter(random, now_us);
        }
        match &operation {
            Queued::Accept { .. } => {
                assert!(!self.is_accepting, "two accept operations");
                self.is_accepting = true;
            }
            Queued::Receive(handle) => {
                let connection = self.connection(handle.key);
                assert_eq!(connection.receive, Receive::Idle, "{handle:?}");
                connection.receive = Receive::Armed(handle.id);
            }
            Queued::Send(handle, _) => {
                assert!(
                    !self.reaped_in_round,
                    "a send before the round before it is complete"
                );
                self.sends += 1;
                let connection = self.connection(handle.key);
                assert!(!connection.is_sending, "{handle:?}: two sends at once");
                assert_eq!(connection.writable, None, "{handle:?}: the socket is full");
                connection.is_sending = true;
            }
            Queued::Writable(handle) => {
                let connection = self.connection(handle.key);
                assert_eq!(connection.writable, None, "{handle:?}: two waits");
                connection.writable = Some(handle.id);
            }
            Queued::WakeRead => {
                assert_eq!(self.wake_read, WakeRead::None, "two reads");
                self.wake_read = WakeRead::Queued;
            }
            Queued::Timer { .. } | Queued::Cancel(_) => {}
        }
        self.queue.push_back(operation);
    }

    /// Submits the queue and runs deferred work, as `io_uring_enter` does.
    pub fn enter(&mut self, random: &mut Rng, now_us: u64) {
        self.flush_deferred(random);
        if self.has_faults && !self.queue.is_empty() && random.u32(..50) == 0 {
            self.events.submits_postponed += 1;
            return;
        }
        while let Some(operation) = self.queue.pop_front() {
            self.issue(operation, random, now_us);
        }
        self.flush_deferred(random);
    }

    /// Takes everything that has completed.
    pub fn take_completed(&mut self) -> Vec<Completed> {
        let taken: Vec<_> = self.completed.drain(..).collect();
        for completed in &taken {
            match completed {
                Completed::Send(handle, _) => {
                    self.sends -= 1;
                    self.connection(handle.key).is_sending = false;
                }
                Completed::Accept(Ok(_), _) => self.accepted += 1,
                _ => {}
            }
        }
        self.reaped_in_round = self.sends > 0;
        taken
    }

    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.has_completed()
    }

    pub fn has_completed(&self) -> bool {
        !self.deferred.is_empty() || !self.completed.is_empty()
    }

    /// Returns whether every send was reaped.
    pub fn sends_are_complete(&self) -> bool {
        self.sends == 0
    }

    pub fn connection(&mut self, key: Key) -> &mut Connection {
        self.connections
            .get_mut(&key)
            .expect("a connection is kept until both ends are done")
    }

    /// Counts the signals that other threads have written to the event descriptor.
    pub fn read_event(&mut self) {
        let mut signals = [0; 64];
        while let Ok(bytes @ 1..) = self.event.read(&mut signals) {
            self.event_count += bytes as u64;
            self.signalled += bytes as u64;
        }
        self.complete_wake_read();
    }

    fn complete_wake_read(&mut self) {
        if self.wake_read == WakeRead::UnderWay && self.event_count > 0 {
            self.event_count = 0;
            self.wake_read = WakeRead::None;
            self.post(Completed::WakeRead);
        }
    }

    /// Reports a completion at the next `enter`.
    pub fn post(&mut self, completed: Completed) {
        self.deferred.push_back(completed);
        if self.signals == CompletionSignals::On && !self.is_closed {
            self.event_count += 1;
            self.complete_wake_read();
        }
    }

    fn flush_deferred(&mut self, random: &mut Rng) {
        while let Some(first) = self.deferred.front() {
            let is_send = matches!(first, Completed::Send(..));
            if self.completed.len() >= self.completion_capacity {
                self.events.completions_postponed += 1;
                return;
            }
            // Sends complete within the submit; what follows may wait.
            let sends_wait = self
                .deferred
                .iter()
                .any(|it| matches!(it, Completed::Send(..)));
            if self.has_faults && !is_send && !sends_wait && random.u32(..20) == 0 {
                return;
            }
            self.completed.extend(self.deferred.pop_front());
        }
    }

    fn issue(&mut self, operation: Queued, random: &mut Rng, now_us: u64) {
        match operation {
            Queued::Accept { number } => {
                let target = self.descriptors.get(number);
                assert_eq!(target, Some(Target::Listener), "an accept after the close");
                self.accept_some(random);
            }
            Queued::Receive(handle) => {
                self.check(handle);
                if random.bool() {
                    self.receive_some(handle.key, random);
                }
            }
            Queued::Send(handle, bytes) => {
                self.check(handle);
                let result = self.send(handle, &bytes, random);
                self.deferred.push_back(Completed::Send(handle, result));
            }
            Queued::Writable(handle) => self.check(handle),
            Queued::Timer { delay_us, due_us } => {
                let fires_us = now_us + delay_us;
                self.timers.push(Timer { due_us, fires_us });
            }
            Queued::WakeRead => {
                self.wake_read = WakeRead::UnderWay;
                self.complete_wake_read();
            }
            Queued::Cancel(target) => self.cancel(target, random),
        }
    }

    /// Checks that the descriptor of an operation still refers to the connection.
    fn check(&self, handle: Handle) {
        let target = self.descriptors.get(handle.number);
        let expected = Some(Target::Connection(handle.key));
        assert_eq!(target, expected, "{handle:?}: an operation after the close");
    }

    fn send(&mut self, handle: Handle, bytes: &[u8], random: &mut Rng) -> Result<u32, Errno> {
        let fault = if self.has_faults {
            random.u32(..40)
        } else {
            40
        };
        let most = match fault {
            0 => 0,
            1..8 => random.usize(1..=bytes.len()),
            _ => usize::MAX,
        };
        let sent = self.connection(handle.key).send(bytes, most);
        match sent {
            Ok(taken) => {
                self.sent_bytes += taken as u64;
                self.events.short_sends += u64::from(taken < bytes.len());
                Ok(taken as u32)
            }
            Err(Errno(libc::EAGAIN)) => {
                self.events.sends_postponed += 1;
                let errors = [libc::EAGAIN, libc::EAGAIN, libc::EINTR, libc::ENOBUFS];
                Err(Errno(errors[random.usize(..4)]))
            }
            Err(error) => Err(error),
        }
    }

    fn cancel(&mut self, target: Cancelled, random: &mut Rng) {
        let cancelled = match target {
            Cancelled::Accept if self.is_accepting => {
                self.is_accepting = false;
                self.events.accept_cancels += 1;
                let error = Err(Errno(libc::ECANCELED));
                Some(Completed::Accept(error, Multishot::Ended))
            }
            Cancelled::WakeRead if self.wake_read == WakeRead::UnderWay => {
                self.wake_read = WakeRead::None;
                Some(Completed::WakeRead)
            }
            _ => None,
        };
        let mut completions = vec![Completed::Cancel];
        completions.extend(cancelled);
        random.shuffle(&mut completions);
        for completed in completions {
            self.post(completed);
        }
    }

    /// Closes the ring. Nothing completes any more.
    pub fn close_ring(&mut self) {
        self.is_closed = true;
        let lost = self.deferred.drain(..).chain(self.completed.drain(..));
        let accepted: Vec<_> = lost
            .filter_map(|it| match it {
                Completed::Accept(Ok(number), _) => Some(number),
                _ => None,
            })
            .collect();
        for number in accepted {
            self.close(number);
        }
        self.queue.clear();
    }

    /// Closes a descriptor of the shard.
    pub fn close(&mut self, number: u32) {
        match self.descriptors.close(number) {
            Target::Connection(key) => {
                let is_closed = self.is_closed;
                let connection = self.connection(key);
                assert!(
                    is_closed || !connection.is_in_use(),
                    "closed while an operation uses it: {connection:?}"
                );
                // The hub refuses some before anything is received.
                let is_unused = connection.receive == Receive::Idle && !connection.shut_down;
                connection.close();
                self.events.refused_unread += u64::from(is_unused && !is_closed);
            }
            Target::Listener => {
                assert!(
                    self.is_closed || !self.is_accepting,
                    "the listener is closed while an operation uses it"
                );
                self.listener = None;
                for key in std::mem::take(&mut self.backlog) {
                    self.connection(key).server = ServerEnd::Reset;
                }
            }
            Target::Reserve | Target::Other => {}
        }
    }
}
