//! Finds out with one system call which descriptors of the ingest thread are ready. Ingest thread.
//!
//! The poll function of libzmq asks each socket in turn, with one system call per socket. This file
//! polls the descriptor that each ZeroMQ socket offers (`ZMQ_FD`) instead. That descriptor is
//! edge-triggered: it becomes readable once for all messages that arrived since the socket was
//! last found empty. A socket that is ready must therefore be read until it is empty. A send on
//! the socket consumes the readiness as well, so the last receive must follow the last send.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Whether [`Readiness::poll`] may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollMode {
    /// Returns at once.
    NoWait,
    /// Sleeps until a descriptor is ready.
    Wait,
    /// Sleeps until a descriptor is ready or a time has passed.
    WaitFor(Duration),
}

/// The readiness of a fixed list of descriptors, which are identified by their index.
pub(super) struct Readiness {
    poll: Poll,
    events: Events,
    ready: Vec<bool>,
}

impl Readiness {
    /// Registers the descriptors. All of them are ready at first, because input may have arrived
    /// before the registration.
    pub(super) fn new(descriptors: &[RawFd]) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (index, descriptor) in descriptors.iter().enumerate() {
            poll.registry().register(
                &mut SourceFd(descriptor),
                Token(index),
                Interest::READABLE,
            )?;
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(descriptors.len()),
            ready: vec![true; descriptors.len()],
        })
    }

    /// Returns whether the descriptor may have input.
    pub(super) fn is_ready(&self, index: usize) -> bool {
        self.ready[index]
    }

    /// Returns whether any descriptor may have input.
    pub(super) fn any(&self) -> bool {
        self.ready.contains(&true)
    }

    /// Marks the descriptor as ready, because input is left.
    pub(super) fn mark(&mut self, index: usize) {
        self.ready[index] = true;
    }

    /// Marks the descriptor as not ready, after all its input was read.
    pub(super) fn clear(&mut self, index: usize) {
        self.ready[index] = false;
    }

    /// Marks the descriptors that became ready since the last call.
    pub(super) fn poll(&mut self, mode: PollMode) {
        let timeout = match mode {
            PollMode::NoWait => Some(Duration::ZERO),
            PollMode::Wait => None,
            PollMode::WaitFor(timeout) => Some(timeout),
        };
        // A poll that a signal interrupts has found nothing; the loop polls again.
        if self.poll.poll(&mut self.events, timeout).is_ok() {
            for event in &self.events {
                self.ready[event.token().0] = true;
            }
        }
    }
}
