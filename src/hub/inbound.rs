//! What comes in from an open connection: frames to messages, pings, pongs, goodbyes.

use std::mem;

use bytes::Bytes;

use crate::wire::decode::Incoming;
use crate::wire::encode::{self, Data};

use super::connection::{ConnectionId, Inbound, Phase};
use super::{CloseReason, Hub};

/// The client protocol's ping, [`crate::protocol::reply::PING`], in a text frame.
const CLIENT_PING: Bytes = Bytes::from_static(b"\x81\x02{}");

impl Hub {
    /// Takes bytes of a connection, unmasking them in place.
    pub fn receive(&mut self, id: ConnectionId, input: &mut [u8], now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.phase {
            Phase::Handshake => self.handshake(id, input, now_us),
            phase if phase.is_open() => self.frames(id, input, now_us),
            // A closing connection is read to its end so that its last bytes are not cut off by
            // a reset; what it says no longer matters.
            _ => {}
        }
    }

    pub(super) fn frames(&mut self, id: ConnectionId, mut input: &mut [u8], now_us: u64) {
        let connection = self.connections.at(id.slot() as u32);
        let Inbound::Frames(mut decoder) = mem::take(&mut connection.inbound) else {
            return;
        };
        connection.pinged = false;
        let deflates = connection.encoding.is_deflated();
        let mut inflater = mem::take(&mut self.inflater);
        let max_message = self.config.ws.max_message;
        while self.connections.at(id.slot() as u32).phase.is_open() {
            match decoder.next(&mut input, max_message, deflates.then_some(&mut inflater)) {
                Ok(Some(frame)) => self.frame(id, frame, now_us),
                Ok(None) => break,
                Err(fault) => self.close(id, CloseReason::Violation(fault), now_us),
            }
        }
        inflater.trim();
        self.inflater = inflater;
        let connection = self.connections.at(id.slot() as u32);
        if connection.phase.is_open() {
            connection.inbound = Inbound::Frames(decoder);
        }
    }

    fn frame(&mut self, id: ConnectionId, frame: Incoming<'_>, now_us: u64) {
        if !self.charge(id, now_us) {
            return self.close(id, CloseReason::TooFast, now_us);
        }
        let phase = self.connections.at(id.slot() as u32).phase;
        match (frame, phase) {
            (Incoming::Ping(payload), _) => self.push_reply(id, encode::pong(payload), now_us),
            (Incoming::Pong(_), _) => {}
            (Incoming::Close { code, .. }, _) => self.close(id, CloseReason::Peer(code), now_us),
            (Incoming::Text(message), Phase::Echo) => self.echo(id, Data::Text, message, now_us),
            (Incoming::Binary(message), Phase::Echo) => {
                self.echo(id, Data::Binary, message, now_us)
            }
            (Incoming::Text(message), Phase::Client | Phase::ClientOpening) => {
                self.commands(id, message, now_us);
            }
            (Incoming::Binary(_), Phase::Client | Phase::ClientOpening) => {
                self.close(id, CloseReason::BadRequest, now_us);
            }
            (Incoming::Text(_) | Incoming::Binary(_), _) => {
                self.close(id, CloseReason::Unsupported, now_us)
            }
        }
    }

    /// Sends a message back, compressed if that is agreed and worth it.
    fn echo(&mut self, id: ConnectionId, data: Data, message: &[u8], now_us: u64) {
        let window = self.connections.at(id.slot() as u32).encoding.window;
        let mut out = Vec::new();
        match window.and_then(|window| self.deflater.deflate(message, window)) {
            Some(packed) => encode::put_deflated(&mut out, data, packed),
            None => encode::put_message(&mut out, data, message),
        }
        self.deflater.trim();
        self.push_reply(id, out.into(), now_us);
    }

    /// Takes one command or frame off the connection's allowance for this second.
    pub(super) fn charge(&mut self, id: ConnectionId, now_us: u64) -> bool {
        let connection = self.connections.at(id.slot() as u32);
        let second = (now_us / 1_000_000) as u32;
        if connection.phase == Phase::Echo {
            return true;
        }
        if connection.commands_second != second {
            connection.commands_second = second;
            connection.commands_left = self.config.ws.max_command_rate;
        }
        let allowed = connection.commands_left > 0;
        connection.commands_left = connection.commands_left.saturating_sub(1);
        allowed
    }

    /// The ping interval or the pong deadline of an open connection has passed.
    pub(super) fn ping(&mut self, id: ConnectionId, now_us: u64) {
        let connection = self.connections.at(id.slot() as u32);
        if connection.pinged {
            return self.close(id, CloseReason::NoPong, now_us);
        }
        let ws = &self.config.ws;
        let (interval_us, pong_us) = (ws.ping.as_micros(), ws.pong_timeout.as_micros());
        if connection.ping_due_us > now_us {
            let due_us = connection.ping_due_us;
            return self.set_deadline(id, due_us);
        }
        connection.pinged = true;
        connection.ping_due_us = now_us + interval_us as u64;
        let frame = match connection.phase {
            Phase::Client => CLIENT_PING,
            _ => encode::PING,
        };
        self.counts.pings += 1;
        self.set_deadline(id, now_us + pong_us as u64);
        self.push_reply(id, frame, now_us);
    }
}
