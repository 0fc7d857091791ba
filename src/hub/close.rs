//! How connections end: by close handshake, by failure, or many of them in a paced drain.

use crate::limits::{CLOSE_TIMEOUT, TIMER_TICK};
use crate::protocol::codes::Disconnect;
use crate::wire::encode;
use crate::wire::violation::ProtocolViolation;

use super::connection::{Admission, ConnectionId, Phase};
use super::{Hub, SocketAction};

/// Why the server closes a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A client command broke the protocol: 3501.
    BadRequest,
    /// RFC 6455 was broken: the fault has its own code.
    Violation(ProtocolViolation),
    /// A ping was not answered: 3012.
    NoPong,
    /// The peer said goodbye with this code, which is said back.
    Peer(Option<u16>),
    /// The process is on its way out: 3001.
    Shutdown,
    /// The outbox is full: 3008.
    Slow,
    /// `connect` did not come in time: 3502.
    Stale,
    /// More commands per second than allowed: 3013.
    TooFast,
    /// A message where none is taken: 1003.
    Unsupported,
}

/// Who is to go in a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainScope {
    /// Everybody, newcomers too: the process is on its way out.
    All,
    /// So many of those who are there; whoever comes is welcome.
    Count(u64),
}

/// A paced goodbye.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    pub(super) leaving: DrainScope,
    started_us: u64,
    /// When the next ones are told.
    pub(super) next_us: u64,
    period_us: u64,
    /// How many are to go, and how many of them were told so far.
    total: u64,
    closed: u64,
    /// The next slot to look at, how many were looked at in this round, and how many there are.
    cursor: usize,
    seen: usize,
    slots: usize,
}

impl CloseReason {
    fn code_and_reason(self) -> (u16, String) {
        let disconnect = match self {
            Self::BadRequest => Disconnect::BadRequest,
            Self::Violation(fault) => return (fault.close_code(), fault.to_string()),
            Self::NoPong => Disconnect::NoPong,
            Self::Peer(code) => return (code.unwrap_or(1000), String::new()),
            Self::Shutdown => Disconnect::Shutdown,
            Self::Slow => Disconnect::Slow,
            Self::Stale => Disconnect::Stale,
            Self::TooFast => Disconnect::TooManyRequests,
            Self::Unsupported => return (1003, "raw connections take no messages".into()),
        };
        (disconnect.code(), disconnect.reason().into())
    }
}

impl Hub {
    /// Says goodbye: a close frame after what is already pending, then the end of the stream.
    pub(super) fn close(&mut self, id: ConnectionId, cause: CloseReason, now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if !connection.phase.is_open() {
            return;
        }
        let counts = &mut self.counts;
        *match cause {
            CloseReason::BadRequest | CloseReason::Unsupported => &mut counts.closed_bad_request,
            CloseReason::Violation(fault) if fault.close_code() == 1009 => {
                &mut counts.closed_too_big
            }
            CloseReason::Violation(_) => &mut counts.closed_fault,
            CloseReason::NoPong => &mut counts.closed_no_pong,
            CloseReason::Peer(_) => &mut counts.closed_peer,
            CloseReason::Shutdown => &mut counts.closed_shutdown,
            CloseReason::Slow => &mut counts.closed_slow,
            CloseReason::Stale => &mut counts.closed_stale,
            CloseReason::TooFast => &mut counts.closed_too_fast,
        } += 1;
        if cause == CloseReason::Slow {
            counts.dropped_slow += connection.outbox.abandon(&mut self.pool, counts);
        }
        self.depart(id);
        let (code, reason) = cause.code_and_reason();
        let goodbye = match cause {
            CloseReason::Peer(None) => encode::CLOSE,
            _ => encode::close(code, &reason),
        };
        self.conclude(id, goodbye, now_us);
    }

    /// Queues the last bytes of a connection, WebSocket or HTTP, and bounds the time they take.
    pub(super) fn conclude(&mut self, id: ConnectionId, last: bytes::Bytes, now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.phase = Phase::Closing;
        connection.inbound = super::connection::Inbound::default();
        self.set_deadline(id, now_us + CLOSE_TIMEOUT.as_micros() as u64);
        self.push_reply(id, last, now_us);
    }

    /// The peer will send nothing more.
    pub fn end_of_stream(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.read_closed = true;
        let unwritten = !connection.outbox.is_empty();
        if connection.phase == Phase::Closing && unwritten {
            return; // What it asked for may still reach it; the close deadline bounds the wait.
        }
        self.lost(id);
    }

    /// The socket is broken, or closed without a word.
    pub fn lost(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.phase.is_open() {
            self.counts.closed_lost += 1;
        }
        self.finish(id, false);
    }

    /// The connection is over: forgets everything but the slot, which waits for the socket.
    pub(super) fn finish(&mut self, id: ConnectionId, abort: bool) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.phase == Phase::Gone {
            return;
        }
        self.depart(id);
        let connection = self.connections.at(id.slot() as u32);
        connection.phase = Phase::Gone;
        connection.inbound = super::connection::Inbound::default();
        self.counts.dropped_closed += connection.outbox.clear(&mut self.pool, &mut self.counts);
        self.events.push_back(SocketAction::Close { id, abort });
    }

    /// Takes an open connection out of its topics.
    fn depart(&mut self, id: ConnectionId) {
        let slot = id.slot() as u32;
        let connection = self.connections.at(slot);
        if !connection.phase.is_open() {
            return;
        }
        let (encoding, memberships) = (connection.encoding, connection.topics.len());
        self.upstream.codec(encoding.codec, false);
        self.counts.connections_deflate -= u64::from(encoding.is_deflated());
        for membership in (0..memberships).rev() {
            self.leave(slot, membership);
        }
        self.connections.at(slot).topics = Vec::new();
    }

    pub(super) fn leave(&mut self, slot: u32, membership: usize) {
        let left = self.topics.leave(&mut self.connections, slot, membership);
        self.counts.subscriptions -= 1;
        if left.empty {
            self.upstream.want(left.hash, false);
        }
    }

    /// Starts to close connections with 3001, evenly over `period_us`. A later call takes the place
    /// of an earlier one, except that nothing stops the drain of all.
    pub fn drain(&mut self, leaving: DrainScope, period_us: u64, now_us: u64) {
        let slots = self.connections.slots();
        let (total, cursor) = match leaving {
            DrainScope::All => (self.counts.connections - self.own, 0),
            DrainScope::Count(_) if self.is_ending() => return,
            // Not always the same ones. Newcomers take the slots that this leaves behind.
            DrainScope::Count(count) => (count, self.random.usize(..slots.max(1))),
        };
        self.draining = Some(Drain {
            leaving,
            started_us: now_us,
            next_us: now_us,
            period_us,
            total,
            closed: 0,
            cursor,
            seen: 0,
            slots,
        });
    }

    /// Whether the process is on its way out.
    pub(super) fn is_ending(&self) -> bool {
        self.draining
            .is_some_and(|drain| drain.leaving == DrainScope::All)
    }

    pub(super) fn drain_step(&mut self, now_us: u64) {
        let Some(mut drain) = self.draining else {
            return;
        };
        if now_us < drain.next_us {
            return;
        }
        let all = drain.leaving == DrainScope::All;
        let elapsed_us = (now_us - drain.started_us).min(drain.period_us);
        let over = elapsed_us == drain.period_us;
        let due = match over {
            true if all => u64::MAX,
            true => drain.total,
            false => drain.total * elapsed_us / drain.period_us,
        };
        if all {
            drain.slots = self.connections.slots();
        }
        while drain.closed < due && drain.seen < drain.slots {
            let slot = drain.cursor as u32;
            drain.cursor = (drain.cursor + 1) % drain.slots;
            drain.seen += 1;
            if let Some(id) = self.connections.id_at(slot)
                && self.connections.at(slot).place != Admission::Own
                && (all || self.connections.at(slot).phase.is_open())
            {
                drain.closed += 1;
                self.dismiss(id, now_us);
            }
        }
        if over {
            drain.seen = 0; // Whoever came in between goes in the next round.
        }
        drain.next_us = now_us + TIMER_TICK.as_micros() as u64;
        self.draining = (all || !over).then_some(drain);
    }

    fn dismiss(&mut self, id: ConnectionId, now_us: u64) {
        if self.connections.at(id.slot() as u32).phase == Phase::Handshake {
            self.counts.refused_draining += 1;
            self.finish(id, false);
        } else {
            self.close(id, CloseReason::Shutdown, now_us);
        }
    }
}
