//! The session of one connection: stage, protocol, keepalive and allowance. Shard core.

use crate::config::WsConfig;
use crate::delivery::{Codec, Encoding};
use crate::limits::CLOSING_RECEIVE_RATE;
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
    /// The server waits for no close frame, because the peer violates the protocol, sends too fast,
    /// or has made an HTTP request.
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

/// Whether a peer is within the rates that `ws.max_command_rate` and `ws.max_receive_rate` allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Allowance {
    Granted,
    Exhausted,
}

/// `timer_tick` of a session without an entry in the timer wheel.
const NO_TICK: u32 = u32::MAX;

/// `allowance_second` of a session that has received nothing: 136 years after the start.
const NO_SECOND: u32 = u32::MAX;

const SECOND_US: u64 = 1_000_000;

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
    /// The number of times that the shell was asked whether the peer is silent: in this stage, and
    /// in an open session since the last input.
    silence_check_count: u8,
    /// Frames and commands allowed in what is left of the second `allowance_second`.
    commands_left: u32,
    /// Bytes allowed in what is left of this second. Negative: the last buffer exceeded the rate.
    bytes_left: i32,
    allowance_second: u32,
    pub(super) generation: u32,
    ping_due_us: u64,
    pub(super) deadline_us: u64,
    /// The tick of the session's earliest entry in the timer wheel, or [`NO_TICK`]. Four bytes
    /// count ticks for 13 years.
    timer_tick: u32,
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
            silence_check_count: 0,
            commands_left: 0,
            bytes_left: 0,
            allowance_second: NO_SECOND,
            generation,
            ping_due_us: 0,
            deadline_us: 0,
            timer_tick: NO_TICK,
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
        self.silence_check_count = 0;
    }

    /// Opens the session: the connect command was accepted.
    pub(in crate::hub) fn connect(&mut self) {
        debug_assert_eq!(self.stage, Stage::Connecting);
        self.stage = Stage::Open;
        self.silence_check_count = 0;
    }

    /// Stops to process messages. The stage after the handshake or an open stage. If an answer is
    /// awaited, incomplete input is kept, because the close frame follows it.
    pub(in crate::hub) fn start_closing(&mut self, answer: CloseAnswer) {
        debug_assert!(self.stage != Stage::Vacant && self.stage != Stage::Gone);
        self.stage = Stage::Closing;
        self.bytes_left = self.bytes_left.min(byte_count(CLOSING_RECEIVE_RATE));
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
        if self.stage == Stage::Open {
            self.silence_check_count = 0;
        }
    }

    /// Counts a check whether the peer is silent. Returns the number of checks.
    pub(in crate::hub) fn count_silence_check(&mut self) -> u8 {
        self.silence_check_count += 1;
        self.silence_check_count
    }

    /// Returns the tick of the earliest entry in the timer wheel, or [`UNPLACED`].
    pub(super) fn timer_tick(&self) -> u64 {
        match self.timer_tick {
            NO_TICK => UNPLACED,
            tick => u64::from(tick),
        }
    }

    /// Records the tick of the earliest entry in the timer wheel, or [`UNPLACED`].
    pub(super) fn set_timer_tick(&mut self, tick: u64) {
        self.timer_tick = u32::try_from(tick).unwrap_or(NO_TICK);
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

    /// Grants a new allowance if a new second has begun.
    pub(in crate::hub) fn renew_allowance(&mut self, ws: &WsConfig, now_us: u64) {
        let second = (now_us / SECOND_US) as u32;
        if self.allowance_second != second {
            self.allowance_second = second;
            self.commands_left = ws.max_command_rate;
            let rate = match self.stage {
                Stage::Closing => CLOSING_RECEIVE_RATE,
                _ => ws.max_receive_rate,
            };
            self.bytes_left = byte_count(rate);
        }
    }

    /// Charges frames or commands to the allowance of the current second.
    pub(in crate::hub) fn charge(&mut self, count: u32) -> Allowance {
        match self.commands_left.checked_sub(count) {
            Some(left) => {
                self.commands_left = left;
                Allowance::Granted
            }
            None => Allowance::Exhausted,
        }
    }

    /// Charges received bytes to the allowance of the current second.
    pub(in crate::hub) fn charge_bytes(&mut self, bytes: usize) -> Allowance {
        self.bytes_left = self.bytes_left.saturating_sub(byte_count(bytes));
        if self.bytes_left > 0 {
            Allowance::Granted
        } else {
            Allowance::Exhausted
        }
    }

    /// Returns when the current allowance ends, in microseconds.
    pub(in crate::hub) fn allowance_end_us(&self) -> u64 {
        (u64::from(self.allowance_second) + 1) * SECOND_US
    }

    /// Returns whether this is the session that an identifier names.
    pub(super) fn is_of(&self, id: ConnectionId) -> bool {
        self.generation == id.generation() && self.stage != Stage::Vacant
    }
}

/// Converts a number of bytes to the type of an allowance. Configured rates are in its range.
fn byte_count(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 64, "{}", size_of::<Session>());
    }
}
