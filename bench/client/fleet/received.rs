//! The received bytes of a connection: the response to the handshake, then frames, the messages in
//! them, and the items in those. Receiving thread.

use std::io;

use super::Fleet;
use crate::client::connection::ConnectionStage;
use crate::client::frames::{self, FirstFrame};
use crate::client::reply;
use crate::client::sink::{DeliverySink, Examination, Unstamped};
use crate::client::upgrade::{self, UpgradeResponse};
use crate::payload;
use crate::targets::target::ServerItem;

impl Fleet {
    /// Handles all complete frames in `bytes` and returns their total length in bytes.
    pub(super) fn parse(
        &mut self,
        index: usize,
        bytes: &[u8],
        sink: &mut impl DeliverySink,
    ) -> io::Result<usize> {
        let now_us = self.clock.now_us();
        let mut used = 0;
        if self.connections[index].stage == ConnectionStage::Upgrading {
            match upgrade::response(bytes) {
                UpgradeResponse::Partial => return Ok(0),
                UpgradeResponse::Accepted { len, deflate } if deflate == self.deflate => used = len,
                UpgradeResponse::Accepted { deflate: false, .. } => {
                    self.is_declined = true;
                    return Err(io::ErrorKind::Unsupported.into());
                }
                _ => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
            self.connections[index].subscribe(self.target)?;
            self.count_open(index, now_us);
        }
        loop {
            match frames::first_frame(&bytes[used..], self.deflate) {
                FirstFrame::Complete {
                    opcode,
                    payload,
                    deflated: false,
                    len,
                } => {
                    self.handle_frame(index, opcode, payload, now_us, sink)?;
                    used += len;
                }
                FirstFrame::Complete {
                    opcode,
                    payload,
                    deflated: true,
                    len,
                } => {
                    let message = self.inflater.inflate(payload);
                    let message = message.ok_or(io::ErrorKind::InvalidData)?;
                    self.handle_frame(index, opcode, &message, now_us, sink)?;
                    self.counts.deflated += 1;
                    used += len;
                }
                FirstFrame::Partial => return Ok(used),
                FirstFrame::Invalid => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn handle_frame(
        &mut self,
        index: usize,
        opcode: u8,
        payload: &[u8],
        now_us: u64,
        sink: &mut impl DeliverySink,
    ) -> io::Result<()> {
        match opcode {
            frames::TEXT | frames::BINARY => {
                self.counts.messages += 1;
                self.handle_message(index, opcode, payload, now_us, sink)?;
            }
            frames::PING => {
                self.counts.pings += 1;
                self.connections[index].write(&frames::masked(frames::PONG, payload))?;
            }
            frames::CLOSE => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => self.counts.unknown += 1,
        }
        Ok(())
    }

    /// Divides a message into items. A target may put several items into one message, or one item
    /// into several messages.
    fn handle_message(
        &mut self,
        index: usize,
        opcode: u8,
        message: &[u8],
        now_us: u64,
        sink: &mut impl DeliverySink,
    ) -> io::Result<()> {
        let (target, connection) = (self.target, &mut self.connections[index]);
        let protocol = connection.plan.protocol;
        let mut joined = std::mem::take(&mut connection.partial_item);
        let mut rest = message;
        if !joined.is_empty() {
            joined.extend_from_slice(message);
            rest = &joined;
        }
        while let Some((item, len)) = target.first_item(protocol, opcode, rest) {
            self.handle_item(index, item, now_us, sink)?;
            rest = &rest[len..];
        }
        self.connections[index].partial_item = rest.to_vec();
        Ok(())
    }

    fn handle_item(
        &mut self,
        index: usize,
        item: ServerItem<'_>,
        now_us: u64,
        sink: &mut impl DeliverySink,
    ) -> io::Result<()> {
        match item {
            ServerItem::Publication(payload) => {
                self.handle_publication(index, payload, now_us, sink);
            }
            ServerItem::Reply(reply) => self.handle_reply(index, reply, now_us, sink)?,
            ServerItem::Ping { opcode, answer } => {
                self.counts.pings += 1;
                self.connections[index].write(&frames::masked(opcode, answer))?;
            }
            ServerItem::Ignored => {}
            ServerItem::Unknown => self.counts.unknown += 1,
        }
        Ok(())
    }

    fn handle_publication(
        &mut self,
        index: usize,
        payload: &[u8],
        now_us: u64,
        sink: &mut impl DeliverySink,
    ) {
        if payload.len() == self.payload_len
            && sink.examine(index, now_us) == Examination::LengthOnly
        {
            return;
        }
        if let Some(stamp) = payload::read(payload, self.payload_len) {
            sink.delivery(index, stamp, now_us);
        } else if sink.unstamped(index, payload) == Unstamped::Unknown {
            self.counts.unknown += 1;
        }
    }

    /// Handles a reply, which opens the connection or answers a command of the scenario.
    fn handle_reply(
        &mut self,
        index: usize,
        reply: &[u8],
        now_us: u64,
        sink: &mut impl DeliverySink,
    ) -> io::Result<()> {
        let ConnectionStage::Subscribing(outstanding) = self.connections[index].stage else {
            sink.reply(index, reply);
            return Ok(());
        };
        if reply::is_error(reply) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.connections[index].stage = match outstanding {
            1 => ConnectionStage::Open,
            more => ConnectionStage::Subscribing(more - 1),
        };
        self.count_open(index, now_us);
        Ok(())
    }
}
