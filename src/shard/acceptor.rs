//! Decides when a shard accepts connections: it pauses while the process is out of descriptors, and
//! ends in a drain. Runs on the shard thread.

use std::io;

use crate::limits::{ACCEPT_PAUSE, ACCEPT_REFUSALS};

use super::ring::{Cancelled, Listener, Ring};

/// The listener of a shard and the state of its accept operation. The operation is under way in
/// every state except [`State::Paused`] and [`State::Closed`].
pub(super) struct Acceptor<R: Ring> {
    /// The listening socket, or `None` once accepting has ended.
    listener: Option<R::Listener>,
    /// A spare descriptor. It is closed when the process has no other descriptor left, so that
    /// waiting connections can be accepted and refused at once. Otherwise these connections would
    /// wait without an answer.
    reserve: Option<R::Reserve>,
    state: State,
}

/// Whether the shard accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No shortage of descriptors is known.
    Accepting,
    /// The process is out of descriptors. Accepting resumes at this time.
    Paused { until_us: u64 },
    /// Accepting has resumed after a pause. If a descriptor is free at this time, the shortage is
    /// over.
    Resumed { until_us: u64 },
    /// The accept operation was cancelled and has not completed yet.
    Ending,
    /// The listener is closed.
    Closed,
}

/// The outcome of [`Acceptor::advance`] and [`Acceptor::end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcceptEvent {
    /// No pause or check was due, or the shortage continues.
    None,
    /// Accepting has resumed.
    Resumed,
    /// The shortage is over.
    Recovered,
}

/// The outcome of [`Acceptor::handle_exhaustion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhaustion {
    /// The number of connections that were refused for lack of descriptors.
    pub(super) refused: u64,
    pub(super) shortage: Shortage,
}

/// Whether a shortage of descriptors is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    Began,
    Continues,
}

impl<R: Ring> Acceptor<R> {
    /// Creates the acceptor and opens its reserve descriptor. [`Acceptor::start`] starts to accept.
    pub(super) fn new(listener: R::Listener, ring: &mut R) -> Self {
        Self {
            listener: Some(listener),
            reserve: ring.open_reserve(),
            state: State::Accepting,
        }
    }

    /// Starts the accept operation, unless the listener is closed.
    pub(super) fn start(&mut self, ring: &mut R) -> io::Result<()> {
        match &self.listener {
            Some(listener) => ring.accept(listener),
            None => Ok(()),
        }
    }

    /// Returns when [`Acceptor::advance`] has to be called next, in microseconds.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        match self.state {
            State::Paused { until_us } | State::Resumed { until_us } => Some(until_us),
            State::Accepting | State::Ending | State::Closed => None,
        }
    }

    /// Returns whether new connections are accepted, now or after a pause.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Ending | State::Closed)
    }

    /// Resumes accepting after a pause, and checks later whether the shortage is over.
    pub(super) fn advance(&mut self, now_us: u64, ring: &mut R) -> io::Result<AcceptEvent> {
        if self.deadline_us().is_none_or(|until_us| until_us > now_us) {
            return Ok(AcceptEvent::None);
        }
        let until_us = now_us + ACCEPT_PAUSE.as_micros() as u64;
        // The reserve comes before the next connection: without it, the following connections
        // could not even be refused.
        if self.reserve.is_none() {
            self.reserve = ring.open_reserve();
        }
        if matches!(self.state, State::Paused { .. }) {
            self.state = State::Resumed { until_us };
            self.start(ring)?;
            return Ok(AcceptEvent::Resumed);
        }
        // The absence of new connections does not show that the shortage is over: a descriptor
        // must be free for the next one, beside the reserve.
        if self.reserve.is_some() && ring.open_reserve().is_some() {
            self.state = State::Accepting;
            return Ok(AcceptEvent::Recovered);
        }
        self.state = State::Resumed { until_us };
        Ok(AcceptEvent::None)
    }

    /// Handles an accept that failed because no descriptor is left: refuses some of the waiting
    /// connections and pauses. If accepting was cancelled, closes the listener instead and returns
    /// `None`.
    pub(super) fn handle_exhaustion(&mut self, now_us: u64, ring: &mut R) -> Option<Exhaustion> {
        if !self.is_open() {
            self.close();
            return None;
        }
        let shortage = if self.state == State::Accepting {
            Shortage::Began
        } else {
            Shortage::Continues
        };
        let until_us = now_us + ACCEPT_PAUSE.as_micros() as u64;
        self.state = State::Paused { until_us };
        self.reserve = None;
        let mut refused = 0;
        if let Some(listener) = &self.listener {
            // Each connection uses the descriptor of the reserve and releases it again.
            refused = (0..ACCEPT_REFUSALS)
                .take_while(|_| listener.refuse_one().is_ok())
                .count() as u64;
        }
        self.reserve = ring.open_reserve();
        Some(Exhaustion { refused, shortage })
    }

    /// Handles an accept operation that ended for another reason than a shortage: starts it again,
    /// or closes the listener if accepting was cancelled.
    pub(super) fn restart(&mut self, ring: &mut R) -> io::Result<()> {
        if self.is_open() {
            return self.start(ring);
        }
        self.close();
        Ok(())
    }

    /// Ends accepting. The listener is closed at once if no operation uses it, and otherwise when
    /// the cancelled accept operation has completed. Returns [`AcceptEvent::Recovered`] if there
    /// was a shortage, which no longer matters.
    pub(super) fn end(&mut self, ring: &mut R) -> io::Result<AcceptEvent> {
        let event = match self.state {
            State::Paused { .. } | State::Resumed { .. } => AcceptEvent::Recovered,
            State::Accepting | State::Ending | State::Closed => AcceptEvent::None,
        };
        if matches!(self.state, State::Paused { .. }) {
            self.close();
        } else if self.is_open() {
            ring.cancel(Cancelled::Accept)?;
            self.state = State::Ending;
        }
        Ok(event)
    }

    /// Closes the listener.
    fn close(&mut self) {
        self.listener = None;
        self.state = State::Closed;
    }
}
