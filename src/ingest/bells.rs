//! Which of the ingest core's sockets may have something, asked with one system call.
//!
//! libzmq's own poll asks each socket in turn, at a system call each. The descriptor that a socket
//! offers instead (`ZMQ_FD`) rings once for all that came since the socket was last found empty:
//! a socket that has rung is to be received from until it has nothing. Sending on a socket takes
//! its ring as well, so the last receive must come after the last send.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

pub(super) struct Bells {
    poll: Poll,
    events: Events,
    /// By the place of the descriptor in the list given at the start.
    rung: Vec<bool>,
}

impl Bells {
    /// Listens to these descriptors. All have rung at first, for what came before.
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
            rung: vec![true; descriptors.len()],
        })
    }

    pub(super) fn has_rung(&self, index: usize) -> bool {
        self.rung[index]
    }

    pub(super) fn any(&self) -> bool {
        self.rung.contains(&true)
    }

    /// What was behind this one is dealt with.
    pub(super) fn silence(&mut self, index: usize) {
        self.rung[index] = false;
    }

    /// Sees who has rung since; with `wait` it sleeps until somebody does.
    pub(super) fn listen(&mut self, wait: bool) {
        let timeout = if wait { None } else { Some(Duration::ZERO) };
        // An interrupted poll is a poll that found nothing.
        if self.poll.poll(&mut self.events, timeout).is_ok() {
            for event in &self.events {
                self.rung[event.token().0] = true;
            }
        }
    }
}
