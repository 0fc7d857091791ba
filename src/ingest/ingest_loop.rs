//! The loop of the ingest thread: poll, read each ready socket up to a bound, route. The loop never
//! waits for a shard, a client or a disk, so none of them can slow down a publisher. Ingest thread.

use std::io;
use std::sync::Arc;

use crate::config::Config;
use crate::fabric::Fabric;

use super::handler::MessageHandler;
use super::memory_review::MemoryReview;
use super::readiness::{PollMode, Readiness};
use super::sockets::{Receiver, Sockets};
use super::system::SpareDescriptor;
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
    review: MemoryReview,
    /// Serves to disconnect publishers.
    spare: SpareDescriptor,
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
            review: MemoryReview::default(),
            spare: SpareDescriptor::open()?,
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
        self.review
            .advance(&mut self.receivers, &self.handler, arrived_us);
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
            match drained {
                Drained::Empty => self.readiness.clear(index),
                // The call above has consumed the event, so no other one may come for the messages
                // that are left.
                Drained::BoundReached => self.readiness.mark(index),
            }
            if is_overdue {
                let peers = connections.disconnect_overdue(drained, &mut self.spare);
                handler.note_disconnected(peers, arrived_us);
                if connections.is_overdue() {
                    // The next round goes on with those that are left, without a sleep before it.
                    self.readiness.mark(index);
                }
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
                self.review.note_departure(now_us);
            }
        }
    }

    /// Returns how the loop sleeps: until the next review, if one is needed.
    fn sleep(&self) -> PollMode {
        let now_us = self.fabric.clock.now_us();
        // The poll rounds up to milliseconds, so that the review is due when it returns.
        let limit = self.review.sleep_limit(&self.receivers, now_us);
        limit.map_or(PollMode::Wait, PollMode::WaitFor)
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
