//! The loop of the ingest thread: poll, read each ready socket up to a bound, route. The loop never
//! waits for a shard, a client or a disk, so none of them can slow down a publisher. Ingest thread.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::fabric::Fabric;
use crate::limits::{
    CONNECTION_REVIEW, CONNECTION_REVIEW_EACH, HEAP_BYTES, MESSAGE_SLACK_BYTES,
    OBSERVED_CONNECTION_REVIEW, SCARCE_MESSAGE_SLACK_BYTES,
};

use super::connections::Activity;
use super::handler::MessageHandler;
use super::heap::HeapTrim;
use super::readiness::{PollMode, Readiness};
use super::sockets::{Receiver, Sockets};
use super::system;
use super::turn::Drained;
use super::zap::Authenticator;

/// Index of each descriptor in the poll set: submissions, authentication if it is configured, the
/// sockets that receive publications, then their monitors.
const SUBMISSIONS: usize = 0;
const AUTHENTICATION: usize = 1;

pub(super) struct IngestLoop {
    receivers: Vec<Receiver>,
    authenticator: Option<Authenticator>,
    readiness: Readiness,
    handler: MessageHandler,
    fabric: Arc<Fabric>,
    heap: HeapTrim,
    /// Payload bytes of the publications that were accepted before the last review.
    received_bytes: u64,
    /// When the connections are reviewed next, if there are any.
    next_review_us: u64,
    /// The last field, because a context must outlive its sockets.
    _context: zmq::Context,
}

impl IngestLoop {
    pub(super) fn new(sockets: Sockets, config: &Config, fabric: Arc<Fabric>) -> io::Result<Self> {
        let Sockets {
            receivers,
            authenticator,
            context,
        } = sockets;
        let mut descriptors = vec![fabric.submissions.wake.descriptor()];
        if let Some(authenticator) = &authenticator {
            descriptors.push(authenticator.socket.get_fd()?);
        }
        for receiver in &receivers {
            descriptors.push(receiver.socket.get_fd()?);
        }
        for receiver in &receivers {
            descriptors.push(receiver.monitor.socket.get_fd()?);
        }
        let mut readiness = Readiness::new(&descriptors)?;
        // A ready event descriptor is read, and that would block while it has no signal.
        readiness.clear(SUBMISSIONS);
        Ok(Self {
            receivers,
            authenticator,
            readiness,
            handler: MessageHandler::new(Arc::clone(&fabric), config),
            fabric,
            heap: HeapTrim::default(),
            received_bytes: 0,
            next_review_us: 0,
            _context: context,
        })
    }

    /// Runs until the submission queue is closed. Submissions that are left in the queue are
    /// dropped, so that no task waits for their results.
    pub(super) fn run(mut self) {
        while !self.fabric.submissions.is_closed() {
            self.round();
            self.poll();
        }
        self.fabric.submissions.discard();
    }

    /// Handles the input of everything that is ready, each source up to a bound.
    fn round(&mut self) {
        let arrived_us = self.fabric.clock.now_us();
        if arrived_us >= self.next_review_us {
            self.review(arrived_us);
        }
        self.drain_sockets(arrived_us);
        self.handler.drain_submissions(arrived_us);
        if let Some(authenticator) = &self.authenticator
            && self.readiness.is_ready(AUTHENTICATION)
        {
            self.handler.answer_authenticator(authenticator, arrived_us);
            self.readiness.clear(AUTHENTICATION);
        }
        self.drain_monitors(arrived_us);
        self.handler.finish_round(arrived_us);
    }

    /// Returns the index of the first socket that receives publications.
    fn first_receiver(&self) -> usize {
        AUTHENTICATION + usize::from(self.authenticator.is_some())
    }

    fn drain_sockets(&mut self, arrived_us: u64) {
        let first = self.first_receiver();
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            let index = first + index;
            let connections = &mut receiver.connections;
            // A connection that is overdue is disconnected after a turn that begins after the
            // review. Another event of the socket may not come.
            let is_overdue = connections.is_overdue();
            if !is_overdue && !self.readiness.is_ready(index) {
                continue;
            }
            let (kind, socket) = (receiver.kind, &receiver.socket);
            if is_overdue {
                // While a socket has messages, libzmq looks for connections with new messages only
                // now and then. This call makes it look now. Its result is not needed.
                let _ = socket.get_events();
            }
            let handler = &mut self.handler;
            let drained = handler.drain_socket(kind, socket, connections, arrived_us);
            if drained == Drained::Empty {
                self.readiness.clear(index);
            }
            if is_overdue {
                handler.disconnect_overdue(connections, drained, arrived_us);
            }
        }
    }

    fn drain_monitors(&mut self, now_us: u64) {
        let first = self.first_receiver() + self.receivers.len();
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            let index = first + index;
            if !self.readiness.is_ready(index) {
                continue;
            }
            let (monitor, connections) = (&receiver.monitor, &mut receiver.connections);
            let before = connections.ended();
            if self.handler.drain_monitor(monitor, connections, now_us) == Drained::Empty {
                self.readiness.clear(index);
            }
            if connections.ended() > before {
                self.heap.note_departure(now_us);
            }
        }
    }

    /// Looks for publishers that send a message without end, and returns memory to the kernel after
    /// a peak.
    fn review(&mut self, now_us: u64) {
        let message_bytes = self.handler.max_payload() + self.message_slack_bytes();
        let mut activity = Activity::Calm;
        let mut consumed_bytes = 0;
        for receiver in &mut self.receivers {
            activity = activity.max(receiver.connections.review(message_bytes));
            consumed_bytes += receiver.connections.take_consumed();
        }
        // The bytes of `ipc://` connections are known only if they become publications.
        let received_bytes = self.handler.received_bytes();
        let accepted_bytes = received_bytes - self.received_bytes;
        self.received_bytes = received_bytes;
        self.heap
            .note_bytes(consumed_bytes.max(accepted_bytes), now_us);
        if self.heap.is_due(now_us) {
            system::trim_heap();
        }
        let pause = match activity {
            Activity::Calm => CONNECTION_REVIEW,
            Activity::Suspicious => OBSERVED_CONNECTION_REVIEW,
        };
        let connections = self.receivers.iter().map(|each| each.connections.len());
        let least = CONNECTION_REVIEW_EACH * connections.sum::<usize>() as u32;
        self.next_review_us = now_us + pause.max(least).as_micros() as u64;
    }

    /// Returns by how much an unfinished message may exceed the maximum size of a payload.
    fn message_slack_bytes(&self) -> usize {
        let is_observing = |each: &Receiver| each.connections.is_observing();
        if self.receivers.iter().any(is_observing) && system::heap_bytes() > HEAP_BYTES {
            SCARCE_MESSAGE_SLACK_BYTES
        } else {
            MESSAGE_SLACK_BYTES
        }
    }

    /// Returns how the loop sleeps: until the next review, if one is needed.
    fn sleep(&self) -> PollMode {
        let is_watching = self.receivers.iter().any(|each| each.connections.len() > 0);
        if !is_watching && !self.heap.is_pending() {
            return PollMode::Wait;
        }
        let now_us = self.fabric.clock.now_us();
        // The poll rounds up to milliseconds, so that the review is due when it returns.
        PollMode::WaitFor(Duration::from_micros(
            self.next_review_us.saturating_sub(now_us),
        ))
    }

    /// Finds out what is ready. Sleeps if nothing is left to do.
    fn poll(&mut self) {
        let submissions = &self.fabric.submissions;
        if self.readiness.any() {
            self.readiness.poll(PollMode::NoWait);
        } else {
            submissions.wake.park();
            let has_config = !self.fabric.config.is_applied(&self.fabric.ingest_config);
            let mode = if has_config || !submissions.is_empty() || submissions.is_closed() {
                PollMode::NoWait
            } else {
                self.sleep()
            };
            self.readiness.poll(mode);
            submissions.wake.unpark();
        }
        if self.readiness.is_ready(SUBMISSIONS) {
            submissions.wake.reset();
            self.readiness.clear(SUBMISSIONS);
        }
    }
}

#[cfg(test)]
mod tests;
