//! From the bytes of a connection to messages and control frames. Shard core.

use std::mem;

use bytes::Bytes;

use crate::wire::decode::Incoming;
use crate::wire::encode::{self, Data};

use super::Hub;
use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::outboxes::Room;
use super::parked::Awaited;
use super::sessions::{Allowance, CloseAnswer, Inbound, Protocol, Stage};

/// Whether a connection may be read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Continues,
    /// The peer has sent as much as `ws.max_receive_rate` allows. Further bytes stay in the socket
    /// until this time, so that TCP slows the peer down.
    Paused {
        until_us: u64,
    },
    /// The connection is parked: it is read again after [`Hub::poll_readable`] has returned it.
    Parked,
}

impl Hub {
    /// Processes bytes of a connection, and unmasks them in place. Returns when the connection may
    /// be read again.
    pub fn receive(&mut self, id: ConnectionId, input: &mut [u8], now_us: u64) -> Reading {
        let Some(session) = self.sessions.get_mut(id) else {
            return Reading::Continues;
        };
        session.renew_allowance(&self.config.ws, now_us);
        let allowance = session.charge_bytes(input.len());
        let until_us = session.allowance_end_us();
        self.process(id, input, now_us);
        if self.parked.contains(id) {
            return Reading::Parked;
        }
        // A connection that was parked and closed by the same input is read on at once.
        self.parked.forget_readable(id);
        match self.sessions[id].protocol() {
            // For tests.
            Protocol::Echo => Reading::Continues,
            Protocol::Client(_) | Protocol::Raw => match allowance {
                Allowance::Granted => Reading::Continues,
                Allowance::Exhausted => Reading::Paused { until_us },
            },
        }
    }

    /// Processes bytes according to the stage of the session.
    pub(super) fn process(&mut self, id: ConnectionId, input: &mut [u8], now_us: u64) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        match session.stage() {
            Stage::Handshake => self.receive_head(id, input, now_us),
            Stage::Connecting | Stage::Open => self.receive_frames(id, input, now_us),
            // A closing connection is read to its end, because closing a socket with unread bytes
            // resets it, and the reset may overtake the last bytes.
            Stage::Closing if session.close_answer() == CloseAnswer::Awaited => {
                self.receive_close_answer(id, input);
            }
            Stage::Closing | Stage::Gone | Stage::Vacant => {}
        }
    }

    fn receive_frames(&mut self, id: ConnectionId, mut input: &mut [u8], now_us: u64) {
        let session = &mut self.sessions[id];
        let Inbound::Frames(mut decoder) = mem::take(&mut session.inbound) else {
            return;
        };
        session.note_input();
        let is_deflated = session.encoding().is_deflated();
        let mut inflater = mem::take(&mut self.inflater);
        let max_message = self.config.ws.max_message;
        let mut is_consumed = false;
        while !is_consumed && self.sessions[id].is_open() && !self.parked.contains(id) {
            let inflater = is_deflated.then_some(&mut inflater);
            match decoder.next(&mut input, max_message, inflater) {
                Ok(Some(incoming)) => self.handle_incoming(id, incoming, now_us),
                Ok(None) => is_consumed = true,
                Err(violation) => self.close(id, CloseReason::Violation(violation), now_us),
            }
            // The first fragment of a message counts as the message, and long ones by their bytes.
            let short_fragments = decoder.take_short_fragments();
            if self.charge(id, short_fragments) == Allowance::Exhausted {
                self.close(id, CloseReason::TooFast, now_us);
            }
        }
        inflater.trim();
        self.inflater = inflater;
        let session = &mut self.sessions[id];
        if session.is_open() {
            session.inbound = Inbound::Frames(decoder);
            self.parked.keep_input(id, input);
        } else if session.stage() == Stage::Closing
            && session.close_answer() == CloseAnswer::Awaited
        {
            session.inbound = Inbound::Frames(decoder);
            self.receive_close_answer(id, input);
        }
    }

    fn handle_incoming(&mut self, id: ConnectionId, incoming: Incoming<'_>, now_us: u64) {
        // A close frame is not charged: after it, the decoder finds no answer to another close.
        if let Incoming::Close { code, .. } = incoming {
            return self.close(id, CloseReason::Peer(code), now_us);
        }
        if self.charge(id, 1) == Allowance::Exhausted {
            return self.close(id, CloseReason::TooFast, now_us);
        }
        let (data, message) = match incoming {
            Incoming::Ping(payload) => {
                let pong = self.sessions[id].transport().pong(payload);
                return self.send(id, pong, now_us);
            }
            Incoming::Pong(_) | Incoming::Close { .. } => return,
            Incoming::Text(message) => (Data::Text, message),
            Incoming::Binary(message) => (Data::Binary, message),
        };
        match self.sessions[id].protocol() {
            Protocol::Client(codec) if codec.data() == data => {
                self.handle_commands(id, codec, message, 0, Awaited::Nothing, now_us);
            }
            Protocol::Client(_) => self.close(id, CloseReason::BadRequest, now_us),
            Protocol::Echo => self.echo(id, data, message, now_us),
            Protocol::Raw => self.close(id, CloseReason::Unsupported, now_us),
        }
    }

    /// Sends a message back, compressed if compression is negotiated and makes it smaller.
    fn echo(&mut self, id: ConnectionId, data: Data, message: &[u8], now_us: u64) {
        let window = self.sessions[id].encoding().window;
        let mut out = Vec::new();
        match window.and_then(|window| self.deflater.deflate(message, window)) {
            Some(deflated) => encode::put_deflated(&mut out, data, deflated),
            None => encode::put_message(&mut out, data, message),
        }
        self.deflater.trim();
        self.send(id, out.into(), now_us);
    }

    /// Charges commands or frames to the allowance of a connection. Echo connections, which are for
    /// tests, have no limit.
    pub(super) fn charge(&mut self, id: ConnectionId, count: u32) -> Allowance {
        let session = &mut self.sessions[id];
        match session.protocol() {
            Protocol::Echo => Allowance::Granted,
            Protocol::Client(_) | Protocol::Raw => session.charge(count),
        }
    }

    /// Queues a reply, a ping or a pong. It displaces publications that may be dropped. A peer that
    /// causes replies and does not read them is closed as slow, whatever the policies of its
    /// topics.
    pub(super) fn send(&mut self, id: ConnectionId, bytes: Bytes, now_us: u64) {
        if self
            .sessions
            .get(id)
            .is_none_or(|session| !session.is_open())
        {
            return;
        }
        let frame = self.outboxes.push(id.into(), bytes, &mut self.counts);
        let limit_bytes = self.config.ws.outbox;
        let room = self
            .outboxes
            .make_room(id.into(), frame, limit_bytes, &mut self.counts);
        if room == Room::Exceeded {
            self.close(id, CloseReason::Slow, now_us);
        }
    }
}
