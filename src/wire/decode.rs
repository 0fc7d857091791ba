//! Incremental decoder of the bytes that a client sends after the upgrade (RFC 6455, sections 5 to
//! 8). Runs on every shard thread; each connection owns a decoder.

#![expect(
    clippy::mut_mut,
    reason = "the input is a cursor over bytes that are unmasked in place"
)]

use std::mem;

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::limits;
use crate::wire::deflate::{self, Inflater};
use crate::wire::frame::{Frame, HEADER_BYTES_MAX};
use crate::wire::mask;
use crate::wire::partial::Partial;
use crate::wire::violation::ProtocolViolation;

/// A complete message or control frame. The payload is unmasked and inflated. It is borrowed from
/// the input, from the decoder or from the inflater.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message. The payload is valid UTF-8.
    Text(&'a mut [u8]),
    /// A binary message.
    Binary(&'a mut [u8]),
    /// A ping. The payload has at most 125 bytes and has to be sent back in a pong.
    Ping(&'a mut [u8]),
    /// A pong, solicited or unsolicited.
    Pong(&'a mut [u8]),
    /// A close frame, after which nothing else is decoded. The code is `None` if the frame has no
    /// payload.
    Close { code: Option<u16>, reason: &'a str },
}

/// The outcome of [`Decoder::skip_to_close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// All of the input is consumed, and a close frame may follow.
    Input,
    /// The input contains a close frame.
    ToClose,
    /// The input violates the protocol, so that no close frame can be recognized any more.
    ToViolation,
}

/// Decodes the bytes of one connection. The result does not depend on how the bytes are divided
/// into reads.
///
/// The decoder allocates heap memory only while a message or a frame is incomplete. An idle
/// connection costs the 16 bytes of this struct.
#[derive(Default)]
pub struct Decoder {
    /// Invariant: `None` if nothing is incomplete and no result borrows from the buffers.
    partial: Option<Box<Partial>>,
    /// Set after a close frame or a protocol violation. All later input is discarded (section
    /// 1.4).
    has_ended: bool,
}

impl Decoder {
    /// Decodes the next message or control frame and advances `input` past it.
    ///
    /// Returns `None` when all of the input is consumed. The caller has to call this method until
    /// then; the last call also frees the memory of the previous result. After
    /// [`Incoming::Close`] or an error, the rest of the input is discarded.
    ///
    /// The payload of a message that is complete within `input` and in one frame is unmasked in
    /// place. All other payload is copied to a buffer. The buffer grows by the bytes that were
    /// received, not by the length that a header announces.
    ///
    /// `max_message_bytes` is the longest permitted payload of a message. `inflater` is required if
    /// permessage-deflate was negotiated and must be `None` otherwise.
    pub fn next<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input mut [u8],
        max_message_bytes: usize,
        inflater: Option<&'a mut Inflater>,
    ) -> Result<Option<Incoming<'a>>, ProtocolViolation> {
        self.free_previous_result();
        let rules = MessageRules {
            max_message_bytes,
            allows_compression: inflater.is_some(),
        };
        let complete = match self.read_until_complete(input, rules) {
            Ok(Some(complete)) => complete,
            Ok(None) => return Ok(None),
            Err(violation) => {
                *self = Self {
                    partial: None,
                    has_ended: true,
                };
                return Err(violation);
            }
        };
        self.has_ended = complete.opcode == OpCode::Control(Control::Close);
        let payload = match (complete.in_place, &mut self.partial) {
            (Some(payload), _) => payload,
            (None, Some(partial)) => partial.payload(complete.opcode),
            (None, None) => unreachable!("a complete payload is in the input or in the buffer"),
        };
        let payload = match inflater {
            Some(inflater) if complete.is_deflated => {
                let message = inflate(inflater, payload, complete.opcode, max_message_bytes);
                self.has_ended |= message.is_err();
                message?
            }
            _ => payload,
        };
        match complete.opcode {
            OpCode::Data(Data::Text) => Ok(Some(Incoming::Text(payload))),
            OpCode::Data(_) => Ok(Some(Incoming::Binary(payload))),
            OpCode::Control(Control::Ping) => Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Incoming::Pong(payload))),
            OpCode::Control(_) => parse_close(payload).map(Some),
        }
    }

    /// Discards messages and control frames up to a close frame. Messages are not inflated, but
    /// `max_message_bytes` applies to them. `allows_compression` is set if permessage-deflate was
    /// negotiated.
    pub fn skip_to_close(
        &mut self,
        mut input: &mut [u8],
        max_message_bytes: usize,
        allows_compression: bool,
    ) -> Skipped {
        let rules = MessageRules {
            max_message_bytes,
            allows_compression,
        };
        loop {
            self.free_previous_result();
            let outcome = match self.read_until_complete(&mut input, rules) {
                Ok(Some(frame)) if frame.opcode == OpCode::Control(Control::Close) => {
                    Skipped::ToClose
                }
                Ok(Some(_)) => continue,
                Ok(None) => return Skipped::Input,
                Err(_) => Skipped::ToViolation,
            };
            *self = Self {
                partial: None,
                has_ended: true,
            };
            return outcome;
        }
    }

    /// Returns the number of continuation frames below [`limits::LONG_FRAGMENT_BYTES`] since the
    /// last call. A message may have many of them, and they may be empty, so the caller limits
    /// their rate.
    pub fn take_short_fragments(&mut self) -> u32 {
        let partial = self.partial.as_mut();
        partial.map_or(0, |partial| {
            mem::take(&mut partial.uncounted_short_fragments)
        })
    }

    /// Returns the heap memory of the decoder in bytes; 0 if nothing is incomplete.
    pub fn buffered_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            size_of::<Partial>() + partial.message.capacity() + partial.control.capacity()
        })
    }

    /// Frees the buffers that the previous result borrowed from.
    fn free_previous_result(&mut self) {
        if let Some(partial) = &mut self.partial {
            if self.has_ended || partial.is_idle() {
                self.partial = None;
            } else if partial.frame.is_none() {
                partial.control = Vec::new();
            }
        }
    }

    /// Consumes input until a message or control frame is complete. Returns `None` if the input
    /// ends before that.
    fn read_until_complete<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: MessageRules,
    ) -> Result<Option<Complete<'a>>, ProtocolViolation> {
        if self.has_ended {
            *input = &mut [];
        }
        while !input.is_empty() {
            let resumed = self
                .partial
                .as_mut()
                .and_then(|partial| partial.frame.take());
            let is_new = resumed.is_none();
            let frame = match resumed {
                Some(frame) => frame,
                None => match self.read_header(input, rules.allows_compression)? {
                    Some(frame) => frame,
                    None => break,
                },
            };
            if is_new {
                self.check_sequence_and_size(&frame, rules)?;
            }
            let payload = split_front(input, frame.remaining_bytes);
            mask::apply(payload, frame.mask);

            let has_whole_payload = payload.len() == frame.remaining_bytes;
            if is_new && has_whole_payload && frame.is_unfragmented() {
                if frame.opcode == OpCode::Data(Data::Text) && !frame.is_deflated {
                    str::from_utf8(payload).map_err(|_| ProtocolViolation::InvalidUtf8)?;
                }
                return Ok(Some(Complete {
                    opcode: frame.opcode,
                    is_deflated: frame.is_deflated,
                    in_place: Some(payload),
                }));
            }
            let partial = self.partial.get_or_insert_default();
            if let Some(opcode) = partial.append(frame, payload)? {
                return Ok(Some(Complete {
                    opcode,
                    is_deflated: partial.is_deflated && matches!(opcode, OpCode::Data(_)),
                    in_place: None,
                }));
            }
        }
        Ok(None)
    }

    /// Reads the header of the next frame. Returns `None` if the input ends within the header; its
    /// bytes are kept for the next call.
    fn read_header(
        &mut self,
        input: &mut &mut [u8],
        allows_compression: bool,
    ) -> Result<Option<Frame>, ProtocolViolation> {
        let kept = self
            .partial
            .as_ref()
            .map_or(0, |partial| partial.header_bytes);
        if kept == 0
            && let Some((frame, header_bytes)) = Frame::parse(input, allows_compression)?
        {
            split_front(input, header_bytes);
            return Ok(Some(frame));
        }
        let partial = self.partial.get_or_insert_default();
        let added = input.len().min(HEADER_BYTES_MAX - kept);
        partial.header[kept..kept + added].copy_from_slice(&input[..added]);
        let parsed = Frame::parse(&partial.header[..kept + added], allows_compression)?;
        if let Some((frame, header_bytes)) = parsed {
            partial.header_bytes = 0;
            split_front(input, header_bytes - kept);
            return Ok(Some(frame));
        }
        partial.header_bytes = kept + added;
        split_front(input, added);
        Ok(None)
    }

    /// Checks that a new frame is permitted after the frames before it, and that its message does
    /// not become too long or have too many fragments. Control frames are permitted at any time.
    fn check_sequence_and_size(
        &mut self,
        frame: &Frame,
        rules: MessageRules,
    ) -> Result<(), ProtocolViolation> {
        let OpCode::Data(data) = frame.opcode else {
            return Ok(());
        };
        let message = self
            .partial
            .as_mut()
            .filter(|partial| partial.kind.is_some());
        let (received_bytes, is_deflated) = match (data, message) {
            (Data::Continue, None) => return Err(ProtocolViolation::UnexpectedContinuation),
            (Data::Continue, Some(message)) => {
                message.continuations += 1;
                let is_short = frame.remaining_bytes < limits::LONG_FRAGMENT_BYTES;
                message.uncounted_short_fragments += u32::from(is_short);
                if message.continuations >= limits::FRAGMENTS {
                    return Err(ProtocolViolation::TooManyFragments);
                }
                (message.message.len(), message.is_deflated)
            }
            (_, Some(_)) => return Err(ProtocolViolation::ExpectedContinuation),
            (_, None) => (0, frame.is_deflated),
        };
        let mut max_bytes = rules.max_message_bytes;
        if is_deflated {
            max_bytes = deflate::max_payload_bytes(max_bytes);
        }
        if frame.remaining_bytes > max_bytes.saturating_sub(received_bytes) {
            return Err(ProtocolViolation::MessageTooBig);
        }
        Ok(())
    }
}

/// The rules for the messages of a connection.
#[derive(Clone, Copy)]
struct MessageRules {
    max_message_bytes: usize,
    /// Whether permessage-deflate was negotiated.
    allows_compression: bool,
}

/// A complete message or control frame, before it is inflated.
struct Complete<'a> {
    /// Text, binary or a control opcode, but not a continuation.
    opcode: OpCode,
    /// Whether the payload is compressed.
    is_deflated: bool,
    /// The payload within the input, or `None` if the payload is in the buffer of the decoder.
    in_place: Option<&'a mut [u8]>,
}

/// Inflates a message, and checks that a text message is valid UTF-8.
fn inflate<'a>(
    inflater: &'a mut Inflater,
    payload: &[u8],
    opcode: OpCode,
    max_message_bytes: usize,
) -> Result<&'a mut [u8], ProtocolViolation> {
    let message = inflater.inflate(payload, max_message_bytes)?;
    if opcode == OpCode::Data(Data::Text) && str::from_utf8(message).is_err() {
        return Err(ProtocolViolation::InvalidUtf8);
    }
    Ok(message)
}

/// Parses the payload of a close frame (sections 5.5.1 and 7.4).
fn parse_close(payload: &[u8]) -> Result<Incoming<'_>, ProtocolViolation> {
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
    // Code 1014 (bad gateway) is registered with IANA, but tungstenite does not know it.
    if code != 1014 && !CloseCode::from(code).is_allowed() {
        return Err(ProtocolViolation::InvalidCloseCode);
    }
    let reason = str::from_utf8(reason).map_err(|_| ProtocolViolation::CloseReasonNotUtf8)?;
    Ok(Incoming::Close {
        code: Some(code),
        reason,
    })
}

/// Removes up to `count` bytes from the front of `input` and returns them.
fn split_front<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = mem::take(input);
    let (front, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    front
}
