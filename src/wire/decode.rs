//! The incremental parser of what one client sends after the upgrade (RFC 6455, sections 5 to 8).
//! Used on every shard core; a connection owns one.

#![expect(
    clippy::mut_mut,
    reason = "a cursor over bytes that are unmasked in place"
)]

use std::mem;

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::limits;
use crate::wire::deflate::{self, Inflater};
use crate::wire::frame::{Frame, HEADER_BYTES_MAX};
use crate::wire::mask;
use crate::wire::partial::Partial;
use crate::wire::violation::ProtocolViolation;

/// A whole message or control frame, unmasked, borrowed from the input or from the decoder.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message; valid UTF-8.
    Text(&'a mut [u8]),
    /// A binary message.
    Binary(&'a mut [u8]),
    /// A ping, to be answered by a pong with the same payload of at most 125 bytes.
    Ping(&'a mut [u8]),
    /// A pong, asked for or not.
    Pong(&'a mut [u8]),
    /// The last event. `None` is a close frame without a payload.
    Close { code: Option<u16>, reason: &'a str },
}

/// Turns the bytes of one connection into events, however they are cut.
///
/// It holds heap memory only while a message or a frame is incomplete, so an idle connection
/// costs these 16 bytes.
#[derive(Default)]
pub struct Decoder {
    /// Invariant: `None` whenever nothing is incomplete and the last event has been let go.
    partial: Option<Box<Partial>>,
    /// A close frame or a fault came; what follows it is discarded (section 1.4).
    ended: bool,
}

impl Decoder {
    /// Takes the next event from `input`, advancing it.
    ///
    /// `None`: all of the input is consumed. Call until then, also to release the memory of the
    /// event before. After a [`Incoming::Close`] or a fault, input is discarded.
    ///
    /// A frame that is a whole message inside `input` is unmasked and lent in place; anything
    /// else is moved to a buffer that grows as bytes arrive, never by what a header claims.
    ///
    /// `max_message` bounds a message's payload, in bytes. `inflater` is there when
    /// permessage-deflate was negotiated; a compressed message is lent from its buffer.
    pub fn next<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input mut [u8],
        max_message: usize,
        inflater: Option<&'a mut Inflater>,
    ) -> Result<Option<Incoming<'a>>, ProtocolViolation> {
        self.release();
        let bounds = Bounds {
            message_bytes: max_message,
            deflates: inflater.is_some(),
        };
        let ready = match self.advance(input, bounds) {
            Ok(Some(ready)) => ready,
            Ok(None) => return Ok(None),
            Err(fault) => {
                *self = Self {
                    partial: None,
                    ended: true,
                };
                return Err(fault);
            }
        };
        self.ended = ready.opcode == OpCode::Control(Control::Close);
        let payload = match (ready.in_place, &mut self.partial) {
            (Some(payload), _) => payload,
            (None, Some(partial)) => partial.payload(ready.opcode),
            (None, None) => unreachable!("what is ready is in the input or in the buffer"),
        };
        let payload = match inflater {
            Some(inflater) if ready.is_deflated => {
                let message = inflate(inflater, payload, ready.opcode, max_message);
                self.ended |= message.is_err();
                message?
            }
            _ => payload,
        };
        match ready.opcode {
            OpCode::Data(Data::Text) => Ok(Some(Incoming::Text(payload))),
            OpCode::Data(_) => Ok(Some(Incoming::Binary(payload))),
            OpCode::Control(Control::Ping) => Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Incoming::Pong(payload))),
            OpCode::Control(_) => close(payload).map(Some),
        }
    }

    /// Heap bytes held for what is incomplete; 0 between messages.
    pub fn buffered_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            size_of::<Partial>() + partial.message.capacity() + partial.control.capacity()
        })
    }

    /// Frees what the previous call lent.
    fn release(&mut self) {
        if let Some(partial) = &mut self.partial {
            if self.ended || partial.is_idle() {
                self.partial = None;
            } else if partial.frame.is_none() {
                partial.control = Vec::new();
            }
        }
    }

    /// Consumes input until an event is ready.
    fn advance<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        bounds: Bounds,
    ) -> Result<Option<Ready<'a>>, ProtocolViolation> {
        if self.ended {
            *input = &mut [];
        }
        while !input.is_empty() {
            let resumed = self
                .partial
                .as_mut()
                .and_then(|partial| partial.frame.take());
            let is_fresh = resumed.is_none();
            let frame = match resumed {
                Some(frame) => frame,
                None => match self.read_header(input, bounds.deflates)? {
                    Some(frame) => frame,
                    None => break,
                },
            };
            if is_fresh {
                self.admit(&frame, bounds)?;
            }
            let payload = take(input, frame.remaining_bytes);
            mask::apply(payload, frame.mask);

            if is_fresh && payload.len() == frame.remaining_bytes && frame.is_whole_event() {
                if frame.opcode == OpCode::Data(Data::Text) && !frame.is_deflated {
                    str::from_utf8(payload).map_err(|_| ProtocolViolation::InvalidUtf8)?;
                }
                return Ok(Some(Ready {
                    opcode: frame.opcode,
                    is_deflated: frame.is_deflated,
                    in_place: Some(payload),
                }));
            }
            let partial = self.partial.get_or_insert_default();
            if let Some(opcode) = partial.absorb(frame, payload)? {
                return Ok(Some(Ready {
                    opcode,
                    is_deflated: partial.is_deflated && matches!(opcode, OpCode::Data(_)),
                    in_place: None,
                }));
            }
        }
        Ok(None)
    }

    /// Reads the next frame's header. `None`: the input ended inside it.
    fn read_header(
        &mut self,
        input: &mut &mut [u8],
        deflates: bool,
    ) -> Result<Option<Frame>, ProtocolViolation> {
        let waiting = self
            .partial
            .as_ref()
            .map_or(0, |partial| partial.header_bytes);
        if waiting == 0
            && let Some((frame, header_bytes)) = Frame::parse(input, deflates)?
        {
            take(input, header_bytes);
            return Ok(Some(frame));
        }
        let partial = self.partial.get_or_insert_default();
        let added = input.len().min(HEADER_BYTES_MAX - waiting);
        partial.header[waiting..waiting + added].copy_from_slice(&input[..added]);
        let parsed = Frame::parse(&partial.header[..waiting + added], deflates)?;
        if let Some((frame, header_bytes)) = parsed {
            partial.header_bytes = 0;
            take(input, header_bytes - waiting);
            return Ok(Some(frame));
        }
        partial.header_bytes = waiting + added;
        take(input, added);
        Ok(None)
    }

    /// Checks a new frame against the message under way.
    fn admit(&mut self, frame: &Frame, bounds: Bounds) -> Result<(), ProtocolViolation> {
        let OpCode::Data(data) = frame.opcode else {
            return Ok(());
        };
        let message = self
            .partial
            .as_mut()
            .filter(|partial| partial.kind.is_some());
        let (arrived_bytes, is_deflated) = match (data, message) {
            (Data::Continue, None) => return Err(ProtocolViolation::UnexpectedContinuation),
            (Data::Continue, Some(message)) => {
                message.continuations += 1;
                if message.continuations >= limits::FRAGMENTS {
                    return Err(ProtocolViolation::TooManyFragments);
                }
                (message.message.len(), message.is_deflated)
            }
            (_, Some(_)) => return Err(ProtocolViolation::ExpectedContinuation),
            (_, None) => (0, frame.is_deflated),
        };
        let mut bound = bounds.message_bytes;
        if is_deflated {
            bound = deflate::payload_bound(bound);
        }
        if frame.remaining_bytes > bound.saturating_sub(arrived_bytes) {
            return Err(ProtocolViolation::MessageTooBig);
        }
        Ok(())
    }
}

/// What holds for the messages of a connection.
#[derive(Clone, Copy)]
struct Bounds {
    message_bytes: usize,
    /// They may be compressed.
    deflates: bool,
}

/// A complete event: where its payload is.
struct Ready<'a> {
    /// Text, binary or a control opcode; never a continuation.
    opcode: OpCode,
    /// The payload is still compressed.
    is_deflated: bool,
    /// `None`: in the decoder's buffer.
    in_place: Option<&'a mut [u8]>,
}

/// The message that a compressed payload stands for.
fn inflate<'a>(
    inflater: &'a mut Inflater,
    payload: &[u8],
    opcode: OpCode,
    max_message: usize,
) -> Result<&'a mut [u8], ProtocolViolation> {
    let message = inflater.inflate(payload, max_message)?;
    if opcode == OpCode::Data(Data::Text) && str::from_utf8(message).is_err() {
        return Err(ProtocolViolation::InvalidUtf8);
    }
    Ok(message)
}

/// Reads a close frame's payload (sections 5.5.1 and 7.4).
fn close(payload: &[u8]) -> Result<Incoming<'_>, ProtocolViolation> {
    let (code, reason) = match payload {
        [] => {
            return Ok(Incoming::Close {
                code: None,
                reason: "",
            });
        }
        [_] => return Err(ProtocolViolation::InvalidClosePayload),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    // 1014 (bad gateway) is registered with IANA since; tungstenite does not know it.
    if code != 1014 && !CloseCode::from(code).is_allowed() {
        return Err(ProtocolViolation::InvalidCloseCode);
    }
    let reason = str::from_utf8(reason).map_err(|_| ProtocolViolation::CloseReasonNotUtf8)?;
    Ok(Incoming::Close {
        code: Some(code),
        reason,
    })
}

/// Splits up to `count` bytes off the front of `input`.
fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(input);
    let (front, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    front
}
