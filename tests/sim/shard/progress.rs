//! Completes operations of the simulated kernel, at random times and in random order.

use fanfare::shard::{Errno, Multishot, SocketInput};
use fastrand::Rng;

use super::connection::{Receive, ServerEnd};
use super::descriptors::{Key, Target};
use super::kernel::Kernel;
use super::operations::{Completed, Queued};

impl Kernel {
    /// Completes some of the operations that can complete.
    pub fn progress(&mut self, random: &mut Rng, now_us: u64) {
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for _ in 0..random.usize(1..6) {
            match random.u32(..10) {
                0..6 => {
                    if let Some(key) = random.choice(&keys) {
                        self.receive_some(*key, random);
                    }
                }
                6 | 7 => {
                    if let Some(key) = random.choice(&keys) {
                        self.complete_writable(*key, random.u32(..10) == 0);
                    }
                }
                8 => self.accept_some(random),
                _ => self.fire_timers(now_us),
            }
        }
    }

    /// Completes every operation that can complete. Returns whether there was one.
    pub fn progress_all(&mut self, random: &mut Rng, now_us: u64) -> bool {
        let before = self.deferred.len();
        self.read_event();
        let keys: Vec<_> = self.connections.keys().copied().collect();
        for key in keys {
            // Without the condition `can_receive`, runs with few buffers would take very long.
            if self.can_receive(key) {
                self.receive_some(key, random);
            }
            self.complete_writable(key, false);
        }
        self.accept_some(random);
        self.fire_timers(now_us);
        self.deferred.len() > before
    }

    /// Returns whether a receive operation can complete without a lack of buffers.
    fn can_receive(&self, key: Key) -> bool {
        !self.free_buffers.is_empty() || self.connections[&key].to_server.is_empty()
    }

    /// Completes the timers that are due.
    pub fn fire_timers(&mut self, now_us: u64) {
        let fired = self
            .timers
            .iter()
            .filter(|timer| timer.fires_us <= now_us)
            .count();
        self.timers.retain(|timer| timer.fires_us > now_us);
        for _ in 0..fired {
            self.post(Completed::Timer);
        }
    }

    /// Completes the wait for writability of a connection. If `is_spurious` is set, completes it
    /// even if the socket is full.
    fn complete_writable(&mut self, key: Key, is_spurious: bool) {
        // An operation that is still queued cannot complete.
        if self.is_queued(key) {
            return;
        }
        let connection = self.connection(key);
        if (connection.is_writable() || is_spurious)
            && let Some(id) = connection.writable.take()
        {
            self.post(Completed::Writable(id));
        }
    }

    /// Returns whether an operation of the connection is queued for submission.
    fn is_queued(&self, key: Key) -> bool {
        self.queue.iter().any(|it| match it {
            Queued::Receive(handle) | Queued::Writable(handle) | Queued::Send(handle, _) => {
                handle.key == key
            }
            _ => false,
        })
    }

    /// Accepts some of the waiting connections, or fails.
    pub fn accept_some(&mut self, random: &mut Rng) {
        let is_queued = self
            .queue
            .iter()
            .any(|it| matches!(it, Queued::Accept { .. }));
        let mut remaining = random.usize(1..4);
        while self.is_accepting && !is_queued && remaining > 0 {
            remaining -= 1;
            let fault = if self.has_faults {
                random.u32(..60)
            } else {
                60
            };
            let error = match fault {
                0 => Some(libc::ECONNABORTED),
                1 => Some(libc::EINTR),
                2 if random.bool() => Some(libc::ENOMEM),
                _ if self.descriptors.is_full() => {
                    // The kernel reserves the descriptor before it looks at the backlog.
                    let errors = [libc::EMFILE, libc::ENFILE];
                    let fails = !self.backlog.is_empty() || random.u32(..8) == 0;
                    fails.then(|| errors[random.usize(..2)])
                }
                _ => None,
            };
            if let Some(error) = error {
                self.is_accepting = false;
                self.coverage.accepts_failed += 1;
                let error = Err(Errno(error));
                return self.post(Completed::Accept(error, Multishot::Ended));
            }
            if self.descriptors.is_full() {
                return;
            }
            let Some(key) = self.backlog.pop_front() else {
                return;
            };
            let number = self.descriptors.open_beyond_limit(Target::Connection(key));
            self.connection(key).server = ServerEnd::Open;
            let ends = fault == 3;
            self.is_accepting = !ends;
            let series = if ends {
                Multishot::Ended
            } else {
                Multishot::Continues
            };
            self.post(Completed::Accept(Ok(number), series));
        }
    }

    /// Completes a receive operation if there are bytes, the stream has ended, or the operation
    /// fails.
    pub fn receive_some(&mut self, key: Key, random: &mut Rng) {
        if self.is_queued(key) {
            return;
        }
        let has_faults = self.has_faults;
        let connection = self
            .connections
            .get_mut(&key)
            .expect("a connection is kept until both of its ends are closed");
        let Receive::Armed(id) = connection.receive else {
            return;
        };
        let fault = if has_faults { random.u32(..60) } else { 60 };
        let end = |result| Completed::Receive {
            id,
            result,
            buffer: None,
            input: SocketInput::Drained,
        };
        if connection.to_server.is_empty() {
            let ended = match fault {
                0 => Some(Err(Errno(libc::EINTR))),
                1 => Some(Err(Errno(libc::EAGAIN))),
                _ if connection.client_reset => Some(Err(Errno(libc::ECONNRESET))),
                _ if connection.client_ended || connection.shut_down => Some(Ok(0)),
                _ => None,
            };
            let Some(result) = ended else { return };
            let is_fault = matches!(result, Err(Errno(libc::EINTR | libc::EAGAIN)));
            connection.receive = if is_fault {
                Receive::Idle
            } else {
                Receive::Ended
            };
            self.coverage.receives_ended_early += u64::from(is_fault);
            return self.post(end(result));
        }
        let Some(index) = self.free_buffers.pop_front() else {
            connection.receive = Receive::Idle;
            self.coverage.buffers_missing += 1;
            return self.post(end(Err(Errno(libc::ENOBUFS))));
        };
        let len = connection.to_server.len().min(self.buffer_bytes);
        let buffer = &mut self.buffers[usize::from(index)];
        buffer.bytes.clear();
        buffer.bytes.extend(connection.to_server.drain(..len));
        buffer.filled_for = Some(key);
        connection.receive = Receive::Idle;
        // Some kinds of sockets do not report the rest.
        let input = if connection.to_server.is_empty() || random.u32(..4) == 0 {
            SocketInput::Drained
        } else {
            SocketInput::Waiting
        };
        self.post(Completed::Receive {
            id,
            result: Ok(len as u32),
            buffer: Some(index),
            input,
        });
    }
}
