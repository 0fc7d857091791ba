//! How connections end: by a close frame, by an HTTP response, or by a broken socket. Shard core.

use bytes::Bytes;

use crate::access::hooks::HookDisconnect;
use crate::limits::CLOSE_TIMEOUT;
use crate::wire::decode::Skipped;

use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::sessions::{CloseAnswer, Inbound, Stage};
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
        let (code, text) = reason.code_and_reason();
        self.close_with(id, reason, code, &text, now_us);
    }

    /// Closes an open connection as a hook of the back end demands.
    pub(super) fn close_by_hook(
        &mut self,
        id: ConnectionId,
        disconnect: &HookDisconnect,
        now_us: u64,
    ) {
        let (code, text) = (Some(disconnect.code), &disconnect.reason);
        self.close_with(id, CloseReason::Hook, code, text, now_us);
    }

    /// Closes an open connection with another code and another text than those of the reason.
    pub(super) fn close_with(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        code: Option<u16>,
        text: &str,
        now_us: u64,
    ) {
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
        let last = transport.close(code, text);
        self.send_last(id, last, reason.close_answer(), now_us);
    }

    /// Queues the last bytes of a connection, and limits the time that they and the answer of the
    /// peer may take.
    pub(super) fn send_last(
        &mut self,
        id: ConnectionId,
        bytes: Bytes,
        answer: CloseAnswer,
        now_us: u64,
    ) {
        self.sessions[id].start_closing(answer);
        self.sessions
            .set_deadline(id, now_us + CLOSE_TIMEOUT.as_micros() as u64);
        self.outboxes.push(id.into(), bytes, &mut self.counts);
        if self.outboxes.is_broken(id.into()) {
            self.end(id, SocketClose::Orderly);
        }
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

    /// Records that a send has failed. The bytes that an open connection has sent before are still
    /// valid, so that the shell reads the connection to its end, and reports the end.
    pub(super) fn send_failed(&mut self, id: ConnectionId) {
        if self.sessions[id].is_open() {
            self.outboxes.fail(id.into());
        } else {
            self.lost(id);
        }
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
        match session.close_answer() {
            CloseAnswer::Received => self.end(id, SocketClose::Orderly),
            CloseAnswer::NotAwaited | CloseAnswer::Awaited if session.is_read_closed() => {
                self.end(id, SocketClose::Orderly);
            }
            CloseAnswer::NotAwaited => self.actions.push_back(SocketAction::FinishWriting(id)),
            // Ending the stream now could make the client report a broken connection (RFC 6455,
            // section 7.1.1). The close timeout limits the wait.
            CloseAnswer::Awaited => {}
        }
    }

    /// Searches the input of a closing connection for the close frame that is awaited.
    pub(super) fn receive_close_answer(&mut self, id: ConnectionId, input: &mut [u8]) {
        let max_message = self.config.ws.max_message;
        let session = &mut self.sessions[id];
        let is_deflated = session.encoding().is_deflated();
        let Inbound::Frames(decoder) = &mut session.inbound else {
            return;
        };
        let answer = match decoder.skip_to_close(input, max_message, is_deflated) {
            Skipped::Input => return,
            Skipped::ToClose => CloseAnswer::Received,
            Skipped::ToViolation => CloseAnswer::NotAwaited,
        };
        session.set_close_answer(answer);
        if self.outboxes.is_empty(id.into()) {
            self.outbox_is_empty(id);
        }
    }

    /// Ends the commands of an open connection that are pending or parked, its subscriptions and
    /// its use of an encoding.
    fn leave_open_stage(&mut self, id: ConnectionId) {
        self.parked.forget(id);
        let session = &self.sessions[id];
        if !session.is_open() {
            return;
        }
        let encoding = session.encoding();
        self.pending.end_all(id);
        self.forget_identity(id);
        self.hook_clients.remove(id);
        self.upstream.remove_codec(encoding.codec);
        self.counts.connections_deflate -= u64::from(encoding.is_deflated());
        while let Some(change) = self.subscriptions.unsubscribe_any(id.into()) {
            self.change_interest(change);
        }
    }
}
