//! What comes on a connection: the answer to its handshake, then frames, in them messages, in
//! those publications. Receiving thread.

use std::io;

use super::{Fleet, Sink};
use crate::connection::{Answer, Stage, answer};
use crate::frames::{self, Front};
use crate::payload;
use crate::targets::Item;

impl Fleet {
    /// Takes what is whole in `bytes` and returns how much that is.
    pub(super) fn take(
        &mut self,
        index: usize,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> io::Result<usize> {
        let now_us = self.clock.now_us();
        let mut used = 0;
        if self.connections[index].stage == Stage::Upgrading {
            match answer(bytes) {
                Answer::Partial => return Ok(0),
                Answer::Upgraded { len, deflate } if deflate == self.deflate => used = len,
                Answer::Upgraded { deflate: false, .. } => {
                    self.declined = true;
                    return Err(io::ErrorKind::Unsupported.into());
                }
                _ => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
            self.connections[index].subscribe(self.target)?;
            self.note_open(index, now_us);
        }
        loop {
            match frames::front(&bytes[used..], self.deflate) {
                Front::Frame {
                    opcode,
                    payload,
                    deflated: false,
                    len,
                } => {
                    self.frame(index, opcode, payload, now_us, sink)?;
                    used += len;
                }
                Front::Frame {
                    opcode,
                    payload,
                    deflated: true,
                    len,
                } => {
                    let message = self.inflater.inflate(payload);
                    let message = message.ok_or(io::ErrorKind::InvalidData)?;
                    self.frame(index, opcode, &message, now_us, sink)?;
                    self.tally.deflated += 1;
                    used += len;
                }
                Front::Partial => return Ok(used),
                Front::Invalid => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn frame(
        &mut self,
        index: usize,
        opcode: u8,
        payload: &[u8],
        now_us: u64,
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        match opcode {
            frames::TEXT | frames::BINARY => {
                self.tally.messages += 1;
                self.message(index, opcode, payload, now_us, sink)?;
            }
            frames::PING => {
                self.tally.pings += 1;
                self.connections[index].write(&frames::masked(frames::PONG, payload))?;
            }
            frames::CLOSE => {
                if let Some(&[high, low]) = payload.get(..2) {
                    self.tally.close_code = u16::from_be_bytes([high, low]);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            _ => self.tally.unknown += 1,
        }
        Ok(())
    }

    fn publication(&mut self, index: usize, payload: &[u8], now_us: u64, sink: &mut impl Sink) {
        if payload.len() == self.payload_len && sink.skim(index, now_us) {
            return;
        }
        match payload::read(payload, self.payload_len) {
            Some(stamp) => sink.delivery(index, stamp, now_us),
            None if sink.unstamped(index, payload) => {}
            None => self.tally.unknown += 1,
        }
    }

    /// Takes a message apart, as the target puts several items into one, or one into several.
    fn message(
        &mut self,
        index: usize,
        opcode: u8,
        message: &[u8],
        now_us: u64,
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        let (target, connection) = (self.target, &mut self.connections[index]);
        let protocol = connection.plan.protocol;
        let mut joined = std::mem::take(&mut connection.partial);
        let mut rest = message;
        if !joined.is_empty() {
            joined.extend_from_slice(message);
            rest = &joined;
        }
        while let Some((item, len)) = target.item(protocol, opcode, rest) {
            self.item(index, item, now_us, sink)?;
            rest = &rest[len..];
        }
        self.connections[index].partial = rest.to_vec();
        Ok(())
    }

    fn item(
        &mut self,
        index: usize,
        item: Item<'_>,
        now_us: u64,
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        match item {
            Item::Publication(payload) => self.publication(index, payload, now_us, sink),
            Item::Reply(reply) => self.reply(index, reply, now_us, sink)?,
            Item::Ping { opcode, answer } => {
                self.tally.pings += 1;
                self.connections[index].write(&frames::masked(opcode, answer))?;
            }
            Item::Aside => {}
            Item::Unknown => self.tally.unknown += 1,
        }
        Ok(())
    }

    /// A reply opens the connection, or is for the scenario.
    fn reply(
        &mut self,
        index: usize,
        reply: &[u8],
        now_us: u64,
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        let Stage::Subscribing(left) = self.connections[index].stage else {
            sink.reply(index, reply);
            return Ok(());
        };
        if is_error(reply) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.connections[index].stage = match left {
            1 => Stage::Open,
            left => Stage::Subscribing(left - 1),
        };
        self.note_open(index, now_us);
        Ok(())
    }
}

/// Whether a reply says that its command failed.
pub fn is_error(reply: &[u8]) -> bool {
    const MEMBER: &[u8] = br#""error":"#;
    reply.windows(MEMBER.len()).any(|window| window == MEMBER)
}
