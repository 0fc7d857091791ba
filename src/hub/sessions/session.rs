//! The session of one connection: stage, protocol, keepalive and allowance. Shard core.

use crate::delivery::{Codec, Encoding};
use crate::protocol::codec::ClientCodec;
use crate::wire::decode::Decoder;

use super::super::connection_id::ConnectionId;
use super::super::timers::UNPLACED;
use super::super::transport::Transport;

/// How far a connection has got. Stages follow each other in this order; all but the first may be
/// skipped, and none is entered twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Stage {
    /// The slot is free.
    Vacant,
    /// The HTTP request head is not complete.
    Handshake,
    /// Upgraded to the client protocol; the connect command has not arrived.
    Connecting,
    /// Messages are exchanged.
    Open,
    /// The last bytes are queued. Input is discarded up to the close frame that is awaited.
    Closing,
    /// [`super::SocketAction::Close`] was issued; the slot waits for the socket to be closed.
    Gone,
}

/// The protocol of a connection after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Protocol {
    /// Commands, replies and pushes of the Centrifugal client protocol.
    Client(ClientCodec),
    /// Payloads of publications, nothing inbound.
    Raw,
    /// Every message is sent back.
    Echo,
}

/// How a connection counts toward `ws.max_connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Admission {
    /// Within the limit.
    Admitted,
    /// Over the limit: it may ask for `/health`, and its upgrade is refused.
    OverLimit,
    /// Opened by this process: not counted, and open until the shard ends.
    Internal,
}

/// The part of the peer in the end of a connection. Relevant in [`Stage::Closing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum CloseAnswer {
    /// No close frame is awaited: the peer violates the protocol, or the last bytes are an HTTP
    /// response.
    NotAwaited,
    /// The server has queued the first close frame.
    Awaited,
    /// The peer has sent its close frame, first or as an answer.
    Received,
}

/// Input that is not complete yet.
pub(in crate::hub) enum Inbound {
    /// A part of the request head. Boxed: one word instead of three in every idle connection.
    #[allow(clippy::box_collection)]
    Head(Box<Vec<u8>>),
    Frames(Decoder),
}

impl Default for Inbound {
    fn default() -> Self {
        Self::Frames(Decoder::default())
    }
}

/// The next step of the keepalive of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Keepalive {
    /// Input arrived after the last ping: the next ping is due at this time.
    Wait { until_us: u64 },
    /// A ping is due.
    Ping,
    /// The last ping was not answered in time.
    Dead,
}

/// Whether a command is within the rate that `ws.max_command_rate` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Allowance {
    Granted,
    Exhausted,
}

/// `commands_second` of a session that has received nothing: 136 years after the start.
const NO_SECOND: u32 = u32::MAX;

/// The session of one connection. Small, because idle connections come in millions.
pub(in crate::hub) struct Session {
    pub(super) stage: Stage,
    protocol: Protocol,
    transport: Transport,
    encoding: Encoding,
    admission: Admission,
    /// A ping was sent and nothing has arrived since.
    awaits_pong: bool,
    /// The peer has ended its side of the stream.
    read_closed: bool,
    close_answer: CloseAnswer,
    pub(in crate::hub) inbound: Inbound,
    /// Commands allowed in what is left of the second `commands_second`.
    commands_left: u32,
    commands_second: u32,
    pub(super) generation: u32,
    ping_due_us: u64,
    pub(super) deadline_us: u64,
    /// The tick of the session's earliest entry in the timer wheel.
    pub(super) timer_tick: u64,
}

impl Session {
    pub(super) fn new(generation: u32, admission: Admission) -> Self {
        Self {
            stage: Stage::Handshake,
            protocol: Protocol::Raw,
            transport: Transport::WebSocket,
            encoding: Encoding::plain(Codec::Raw),
            admission,
            awaits_pong: false,
            read_closed: false,
            close_answer: CloseAnswer::NotAwaited,
            inbound: Inbound::Head(Box::default()),
            commands_left: 0,
            commands_second: NO_SECOND,
            generation,
            ping_due_us: 0,
            deadline_us: 0,
            timer_tick: UNPLACED,
        }
    }

    pub(in crate::hub) fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns whether messages are exchanged: after the upgrade and before the close.
    pub(in crate::hub) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Connecting | Stage::Open)
    }

    pub(in crate::hub) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(in crate::hub) fn transport(&self) -> Transport {
        self.transport
    }

    pub(in crate::hub) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(in crate::hub) fn admission(&self) -> Admission {
        self.admission
    }

    pub(in crate::hub) fn is_internal(&self) -> bool {
        self.admission == Admission::Internal
    }

    /// Ends the handshake. A session of the client protocol waits for the connect command.
    pub(in crate::hub) fn upgrade(&mut self, protocol: Protocol, encoding: Encoding) {
        debug_assert_eq!(self.stage, Stage::Handshake);
        self.stage = match protocol {
            Protocol::Client(_) => Stage::Connecting,
            Protocol::Raw | Protocol::Echo => Stage::Open,
        };
        self.protocol = protocol;
        self.encoding = encoding;
        self.inbound = Inbound::default();
    }

    /// Opens the session: the connect command was accepted.
    pub(in crate::hub) fn connect(&mut self) {
        debug_assert_eq!(self.stage, Stage::Connecting);
        self.stage = Stage::Open;
    }

    /// Stops to process messages. The stage after the handshake or an open stage. If an answer is
    /// awaited, incomplete input is kept, because the close frame follows it.
    pub(in crate::hub) fn start_closing(&mut self, answer: CloseAnswer) {
        debug_assert!(self.stage != Stage::Vacant && self.stage != Stage::Gone);
        self.stage = Stage::Closing;
        self.set_close_answer(answer);
    }

    pub(in crate::hub) fn close_answer(&self) -> CloseAnswer {
        self.close_answer
    }

    pub(in crate::hub) fn set_close_answer(&mut self, answer: CloseAnswer) {
        self.close_answer = answer;
        if answer != CloseAnswer::Awaited {
            self.inbound = Inbound::default();
        }
    }

    /// Ends the session; its slot stays taken until [`Sessions::remove`].
    pub(in crate::hub) fn end(&mut self) {
        self.stage = Stage::Gone;
        self.inbound = Inbound::default();
    }

    /// Ends the stage [`Stage::Gone`]: the slot is free.
    pub(super) fn vacate(&mut self) {
        self.stage = Stage::Vacant;
        self.inbound = Inbound::default();
    }

    /// Records that the peer has ended its side of the stream.
    pub(in crate::hub) fn close_read(&mut self) {
        self.read_closed = true;
    }

    pub(in crate::hub) fn is_read_closed(&self) -> bool {
        self.read_closed
    }

    /// Records input, which answers any ping.
    pub(in crate::hub) fn note_input(&mut self) {
        self.awaits_pong = false;
    }

    pub(in crate::hub) fn schedule_ping(&mut self, due_us: u64) {
        self.ping_due_us = due_us;
    }

    /// Returns what the keepalive does at this time.
    pub(in crate::hub) fn keepalive(&self, now_us: u64) -> Keepalive {
        if self.awaits_pong {
            Keepalive::Dead
        } else if self.ping_due_us > now_us {
            let until_us = self.ping_due_us;
            Keepalive::Wait { until_us }
        } else {
            Keepalive::Ping
        }
    }

    /// Records that a ping was sent, and when the next one is due.
    pub(in crate::hub) fn note_ping(&mut self, next_due_us: u64) {
        self.awaits_pong = true;
        self.ping_due_us = next_due_us;
    }

    /// Charges one command or frame to the allowance of the current second.
    pub(in crate::hub) fn charge(&mut self, rate_per_second: u32, now_us: u64) -> Allowance {
        let second = (now_us / 1_000_000) as u32;
        if self.commands_second != second {
            self.commands_second = second;
            self.commands_left = rate_per_second;
        }
        match self.commands_left.checked_sub(1) {
            Some(left) => {
                self.commands_left = left;
                Allowance::Granted
            }
            None => Allowance::Exhausted,
        }
    }

    /// Returns whether this is the session that an identifier names.
    pub(super) fn is_of(&self, id: ConnectionId) -> bool {
        self.generation == id.generation() && self.stage != Stage::Vacant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 104, "{}", size_of::<Session>());
    }
}
