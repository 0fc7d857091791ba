//! How connections end: by a close frame, by an HTTP response, or by a broken socket. Shard core.

use bytes::Bytes;

use crate::limits::CLOSE_TIMEOUT;

use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::sessions::Stage;
use super::{Hub, SocketAction};

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketClose {
    /// The kernel still sends the bytes that it holds.
    Orderly,
    /// The peer gets a reset.
    Reset,
}

impl Hub {
    /// Closes an open connection: queues a close frame behind what is pending.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason, now_us: u64) {
        let Some(session) = self.sessions.get(id).filter(|session| session.is_open()) else {
            return;
        };
        let transport = session.transport();
        *reason.counter(&mut self.counts) += 1;
        if reason == CloseReason::Slow {
            let dropped = self.outboxes.drop_publications(id.into(), &mut self.counts);
            self.counts.dropped_slow += dropped;
        }
        self.leave_open_stage(id);
        let (code, text) = reason.code_and_reason();
        self.send_last(id, transport.close(code, &text), now_us);
    }

    /// Queues the last bytes of a connection, and limits the time that they may take.
    pub(super) fn send_last(&mut self, id: ConnectionId, bytes: Bytes, now_us: u64) {
        self.sessions[id].start_closing();
        self.sessions
            .set_deadline(id, now_us + CLOSE_TIMEOUT.as_micros() as u64);
        self.outboxes.push(id.into(), bytes, &mut self.counts);
    }

    /// Records that the peer has ended its side of the stream.
    pub fn end_of_stream(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.close_read();
        let is_closing = session.stage() == Stage::Closing;
        if is_closing && !self.outboxes.is_empty(id.into()) {
            return; // The peer may still read. The close timeout limits the wait.
        }
        self.lost(id);
    }

    /// Records that the socket is broken, or was closed without a close frame.
    pub fn lost(&mut self, id: ConnectionId) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.is_open() {
            self.counts.closed_lost += 1;
        }
        self.end(id, SocketClose::Orderly);
    }

    /// Ends a connection: drops everything but its slot, which waits for the socket to be closed.
    pub(super) fn end(&mut self, id: ConnectionId, close: SocketClose) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if session.stage() == Stage::Gone {
            return;
        }
        self.leave_open_stage(id);
        self.sessions[id].end();
        self.counts.dropped_closed += self.outboxes.clear(id.into(), &mut self.counts);
        let abort = close == SocketClose::Reset;
        self.actions.push_back(SocketAction::Close { id, abort });
    }

    /// Acts on an outbox that became empty: a closing connection has sent its last bytes.
    pub(super) fn outbox_is_empty(&mut self, id: ConnectionId) {
        let session = &self.sessions[id];
        if session.stage() != Stage::Closing {
            return;
        }
        if session.is_read_closed() {
            self.end(id, SocketClose::Orderly);
        } else {
            self.actions.push_back(SocketAction::FinishWriting(id));
        }
    }

    /// Ends what an open connection takes part in: its pending commands, its subscriptions and its
    /// use of an encoding.
    fn leave_open_stage(&mut self, id: ConnectionId) {
        let session = &self.sessions[id];
        if !session.is_open() {
            return;
        }
        let encoding = session.encoding();
        self.pending.end_all(id);
        self.upstream.remove_codec(encoding.codec);
        self.counts.connections_deflate -= u64::from(encoding.is_deflated());
        while let Some(change) = self.subscriptions.unsubscribe_any(id.into()) {
            self.change_interest(change);
        }
    }
}
