//! The loop of the ingest thread: poll, read each ready socket up to a bound, route. The loop never
//! waits for a shard, a client or a disk, so none of them can slow down a publisher. Ingest thread.

use std::io;
use std::sync::Arc;

use zmq::Socket;

use crate::config::Config;
use crate::fabric::Fabric;

use super::handler::{Drained, MessageHandler};
use super::handshake_monitor::HandshakeMonitor;
use super::readiness::{PollMode, Readiness};
use super::sockets::{SocketKind, Sockets};
use super::zap::Authenticator;

/// Index of each descriptor in the poll set: submissions, authentication if it is configured, the
/// sockets that receive publications, then their monitors.
const SUBMISSIONS: usize = 0;
const AUTHENTICATION: usize = 1;

pub(super) struct IngestLoop {
    receivers: Vec<(SocketKind, Socket)>,
    monitors: Vec<HandshakeMonitor>,
    authenticator: Option<Authenticator>,
    readiness: Readiness,
    handler: MessageHandler,
    fabric: Arc<Fabric>,
    /// The last field, because a context must outlive its sockets.
    _context: zmq::Context,
}

impl IngestLoop {
    pub(super) fn new(sockets: Sockets, config: &Config, fabric: Arc<Fabric>) -> io::Result<Self> {
        let Sockets {
            receivers,
            monitors,
            authenticator,
            context,
        } = sockets;
        let mut descriptors = vec![fabric.submissions.wake.descriptor()];
        if let Some(authenticator) = &authenticator {
            descriptors.push(authenticator.socket.get_fd()?);
        }
        for (_, socket) in &receivers {
            descriptors.push(socket.get_fd()?);
        }
        for monitor in &monitors {
            descriptors.push(monitor.socket.get_fd()?);
        }
        let mut readiness = Readiness::new(&descriptors)?;
        // A ready event descriptor is read, and that would block while it has no signal.
        readiness.clear(SUBMISSIONS);
        Ok(Self {
            receivers,
            monitors,
            authenticator,
            readiness,
            handler: MessageHandler::new(Arc::clone(&fabric), config),
            fabric,
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
        let first = AUTHENTICATION + usize::from(self.authenticator.is_some());
        for (index, (kind, socket)) in self.receivers.iter().enumerate() {
            let index = first + index;
            if self.readiness.is_ready(index)
                && self.handler.drain_socket(*kind, socket, arrived_us) == Drained::Empty
            {
                self.readiness.clear(index);
            }
        }
        self.handler.drain_submissions(arrived_us);
        if let Some(authenticator) = &self.authenticator
            && self.readiness.is_ready(AUTHENTICATION)
        {
            self.handler.answer_authenticator(authenticator, arrived_us);
            self.readiness.clear(AUTHENTICATION);
        }
        let first = first + self.receivers.len();
        for (index, monitor) in self.monitors.iter().enumerate() {
            let index = first + index;
            if self.readiness.is_ready(index)
                && self.handler.drain_monitor(monitor, arrived_us) == Drained::Empty
            {
                self.readiness.clear(index);
            }
        }
        self.handler.finish_round(arrived_us);
    }

    /// Finds out what is ready. Sleeps if nothing is left to do.
    fn poll(&mut self) {
        let submissions = &self.fabric.submissions;
        if self.readiness.any() {
            self.readiness.poll(PollMode::NoWait);
        } else {
            submissions.wake.park();
            let mode = if submissions.is_empty() && !submissions.is_closed() {
                PollMode::Wait
            } else {
                PollMode::NoWait
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
