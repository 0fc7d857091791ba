//! A simulated kernel: the submission queue of a ring, the operations that are under way, and their
//! completions. A use that would fail or corrupt memory with a real kernel fails the run.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::os::unix::net::UnixStream;

use fanfare::shard::{Cancelled, CompletionSignals, Errno, Multishot};
use fastrand::Rng;

use super::connection::{Connection, Receive, ServerEnd};
use super::coverage::Coverage;
use super::descriptors::{Descriptors, Key, Target};
use super::operations::{Buffer, Completed, Handle, Queued, Timer, WakeRead};

/// The kernel, with the ring of one shard.
#[allow(clippy::struct_excessive_bools)] // Independent facts about a ring.
pub struct Kernel {
    pub descriptors: Descriptors,
    pub connections: BTreeMap<Key, Connection>,
    /// Connections that are not accepted yet, oldest first.
    pub backlog: VecDeque<Key>,
    /// The descriptor of the listener, while it is open.
    pub listener: Option<u32>,
    /// The submission queue.
    pub queue: VecDeque<Queued>,
    queue_capacity: usize,
    /// Whether an accept operation is queued or under way.
    pub is_accepting: bool,
    pub wake_read: WakeRead,
    pub timers: Vec<Timer>,
    /// Completions that [`Kernel::enter`] moves to the completion queue: deferred work, or entries
    /// for which the completion queue had no room.
    pub deferred: VecDeque<Completed>,
    /// The completion queue.
    pub completed: VecDeque<Completed>,
    completion_capacity: usize,
    pub buffers: Vec<Buffer>,
    /// The indices of the buffers that are available to the kernel.
    pub free_buffers: VecDeque<u16>,
    pub buffer_bytes: usize,
    /// The number of receive operations that were started for waiting input since the last reap.
    /// Each of them takes a buffer.
    expected_buffers: usize,
    pub signals: CompletionSignals,
    /// The reading end of a socket pair that replaces the shard's event descriptor.
    event: UnixStream,
    /// The value of the event descriptor: the number of signals that were not read yet.
    pub event_count: u64,
    /// The number of signals from other threads since the start.
    pub signalled: u64,
    /// The number of sends that were queued and not reaped yet.
    sends: usize,
    /// Whether completions were reaped while some of these sends were not reaped. The shard must
    /// not start other sends then.
    reaped_in_round: bool,
    /// Whether the ring is closed.
    pub is_closed: bool,
    /// Whether operations fail at random.
    pub has_faults: bool,
    /// The number of bytes that sends have taken.
    pub sent_bytes: u64,
    /// The number of accepted connections that were reaped.
    pub accepted: u64,
    pub coverage: Coverage,
}

impl Kernel {
    /// Creates a kernel with random capacities. `event` is the reading end of the shard's event
    /// descriptor.
    pub fn new(random: &mut Rng, event: UnixStream, max_descriptors: usize) -> Self {
        let buffer_bytes = [6, 60, 400, 4_000][random.usize(..4)];
        let max_buffers = [2, 6, 40][random.usize(..3)];
        let count = random.u16(1..=max_buffers);
        let buffers = (0..count).map(|_| Buffer {
            bytes: Vec::new(),
            filled_for: None,
        });
        event
            .set_nonblocking(true)
            .expect("a socket pair supports it");
        Self {
            descriptors: Descriptors::new(max_descriptors),
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
            expected_buffers: 0,
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
            coverage: Coverage::default(),
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
                    "a send before all sends of the previous round were reaped"
                );
                self.sends += 1;
                let connection = self.connection(handle.key);
                assert!(!connection.is_sending, "{handle:?}: two sends at once");
                assert_eq!(connection.writable, None, "{handle:?}: the socket is full");
                connection.is_sending = true;
            }
            Queued::Writable(handle) => {
                let connection = self.connection(handle.key);
                assert_eq!(
                    connection.writable, None,
                    "{handle:?}: two waits for writability"
                );
                connection.writable = Some(handle.id);
            }
            Queued::WakeRead => {
                assert_eq!(
                    self.wake_read,
                    WakeRead::None,
                    "two reads of the event descriptor"
                );
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
            self.coverage.submits_postponed += 1;
            return;
        }
        while let Some(operation) = self.queue.pop_front() {
            self.issue(operation, random, now_us);
        }
        self.flush_deferred(random);
    }

    /// Removes all completions from the completion queue and returns them.
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
        self.expected_buffers = 0;
        taken
    }

    /// Returns whether an operation is queued or has completed.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.has_completed()
    }

    /// Returns whether an operation has completed and was not reaped.
    pub fn has_completed(&self) -> bool {
        !self.deferred.is_empty() || !self.completed.is_empty()
    }

    /// Returns whether every send was reaped.
    pub fn sends_are_complete(&self) -> bool {
        self.sends == 0
    }

    /// Returns a connection, open or closed.
    pub fn connection(&mut self, key: Key) -> &mut Connection {
        self.connections
            .get_mut(&key)
            .expect("a connection is kept until both of its ends are closed")
    }

    /// Records that the shard starts to receive input that waits. It must not hold the buffer.
    pub fn expect_buffer(&mut self) {
        self.expected_buffers += 1;
        assert!(
            self.expected_buffers <= self.unheld_buffers(),
            "the shard starts to receive more input than buffers are free"
        );
    }

    /// Returns the number of buffers that the shard does not hold: it has returned them, or has not
    /// reaped the operations that filled them.
    pub fn unheld_buffers(&self) -> usize {
        let unreaped = self.deferred.iter().chain(&self.completed).filter(|it| {
            let Completed::Receive { buffer, .. } = it else {
                return false;
            };
            buffer.is_some()
        });
        let returned = self.buffers.iter().filter(|it| it.filled_for.is_none());
        returned.count() + unreaped.count()
    }

    /// Returns whether a socket has bytes that no receive operation has taken. An operation whose
    /// completion is deferred work takes its bytes when that work runs. If the answer is no, the
    /// shard treats the client as silent, so it must not have received bytes without handling them.
    pub fn has_unread(&self, key: Key) -> bool {
        let holds_bytes = |completed: &Completed| match completed {
            Completed::Receive { buffer, .. } => {
                buffer.is_some_and(|index| self.buffers[usize::from(index)].filled_for == Some(key))
            }
            _ => false,
        };
        let is_unread =
            !self.connections[&key].to_server.is_empty() || self.deferred.iter().any(holds_bytes);
        assert!(
            is_unread || self.buffers.iter().all(|it| it.filled_for != Some(key)),
            "{key}: a client is treated as silent, and the shard has not handled its input"
        );
        is_unread
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

    /// Completes the read of the event descriptor if there are signals.
    fn complete_wake_read(&mut self) {
        if self.wake_read == WakeRead::UnderWay && self.event_count > 0 {
            self.event_count = 0;
            self.wake_read = WakeRead::None;
            self.post(Completed::WakeRead);
        }
    }

    /// Adds a completion, which the next [`Kernel::enter`] reports.
    pub fn post(&mut self, completed: Completed) {
        self.deferred.push_back(completed);
        if self.signals == CompletionSignals::On && !self.is_closed {
            self.event_count += 1;
            self.complete_wake_read();
        }
    }

    /// Moves completions to the completion queue, or only some of them.
    fn flush_deferred(&mut self, random: &mut Rng) {
        while let Some(first) = self.deferred.front() {
            let is_send = matches!(first, Completed::Send(..));
            if self.completed.len() >= self.completion_capacity {
                self.coverage.completions_postponed += 1;
                return;
            }
            // Sends complete within the submit. Other completions may be delayed.
            let has_sends = self
                .deferred
                .iter()
                .any(|it| matches!(it, Completed::Send(..)));
            if self.has_faults && !is_send && !has_sends && random.u32(..20) == 0 {
                return;
            }
            self.completed.extend(self.deferred.pop_front());
        }
    }

    /// Starts an operation.
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

    /// Checks that the descriptor of an operation still refers to its connection.
    fn check(&self, handle: Handle) {
        let target = self.descriptors.get(handle.number);
        let expected = Some(Target::Connection(handle.key));
        assert_eq!(target, expected, "{handle:?}: an operation after the close");
    }

    /// Carries out a send, completely, in part or not at all.
    fn send(&mut self, handle: Handle, bytes: &[u8], random: &mut Rng) -> Result<u32, Errno> {
        let fault = if self.has_faults {
            random.u32(..40)
        } else {
            40
        };
        let max_bytes = match fault {
            0 => 0,
            1..8 => random.usize(1..=bytes.len()),
            _ => usize::MAX,
        };
        let sent = self.connection(handle.key).send(bytes, max_bytes);
        match sent {
            Ok(taken) => {
                self.sent_bytes += taken as u64;
                self.coverage.short_sends += u64::from(taken < bytes.len());
                Ok(taken as u32)
            }
            Err(Errno(libc::EAGAIN)) => {
                self.coverage.sends_postponed += 1;
                let errors = [libc::EAGAIN, libc::EAGAIN, libc::EINTR, libc::ENOBUFS];
                Err(Errno(errors[random.usize(..4)]))
            }
            Err(error) => Err(error),
        }
    }

    /// Cancels an operation, if it is under way.
    fn cancel(&mut self, target: Cancelled, random: &mut Rng) {
        let cancelled = match target {
            Cancelled::Accept if self.is_accepting => {
                self.is_accepting = false;
                self.coverage.accept_cancels += 1;
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

    /// Closes the ring. No operation completes after this.
    pub fn close_ring(&mut self) {
        self.is_closed = true;
        let discarded = self.deferred.drain(..).chain(self.completed.drain(..));
        let accepted: Vec<_> = discarded
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
                // The hub refuses some connections before bytes are received.
                let is_unused = connection.receive == Receive::Idle && !connection.shut_down;
                connection.close();
                self.coverage.refused_unread += u64::from(is_unused && !is_closed);
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
