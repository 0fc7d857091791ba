//! State of a decoder while a frame header, a frame or a message is incomplete (RFC 6455, section
//! 5.4). Used on every shard thread.

use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::wire::frame::{Frame, HEADER_BYTES_MAX};
use crate::wire::mask;
use crate::wire::violation::ProtocolViolation;

/// The received parts of an incomplete message, and of an incomplete frame. The frame is
/// a data frame of the message, or a control frame.
#[derive(Default)]
pub(super) struct Partial {
    /// Type of the incomplete message, or `None` if no message is incomplete.
    pub(super) kind: Option<Data>,
    /// Whether the message is compressed.
    pub(super) is_deflated: bool,
    /// Received payload of the message, unmasked; still compressed if `is_deflated`.
    pub(super) message: Vec<u8>,
    /// Length of the prefix of `message` that is known to be valid UTF-8 and ends with a complete
    /// character. Counted for uncompressed text messages only.
    valid_bytes: usize,
    /// Number of continuation frames of the message.
    pub(super) continuations: u32,
    /// Continuation frames below [`LONG_FRAGMENT_BYTES`](crate::limits::LONG_FRAGMENT_BYTES) that
    /// the caller of the decoder has not counted.
    pub(super) uncounted_short_fragments: u32,
    /// Received payload of an incomplete control frame.
    pub(super) control: Vec<u8>,
    /// The frame whose payload is incomplete.
    pub(super) frame: Option<Frame>,
    /// The first `header_bytes` bytes of an incomplete frame header.
    pub(super) header: [u8; HEADER_BYTES_MAX],
    pub(super) header_bytes: usize,
}

impl Partial {
    /// Returns whether no header, frame or message is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.kind.is_none() && self.frame.is_none() && self.header_bytes == 0
    }

    /// Appends `payload`, already unmasked. Returns the opcode of the message or control frame that
    /// `payload` completes.
    ///
    /// `payload` must not be longer than `frame.remaining_bytes`. After a message is complete, the
    /// caller replaces `self` before it appends a frame of the next message.
    pub(super) fn append(
        &mut self,
        mut frame: Frame,
        payload: &[u8],
    ) -> Result<Option<OpCode>, ProtocolViolation> {
        frame.remaining_bytes -= payload.len();
        frame.mask = mask::rotate(frame.mask, payload.len());
        let is_complete = frame.remaining_bytes == 0;
        if !is_complete {
            self.frame = Some(frame);
        }
        match frame.opcode {
            OpCode::Control(_) => {
                self.control.extend_from_slice(payload);
                return Ok(is_complete.then_some(frame.opcode));
            }
            OpCode::Data(Data::Continue) => {}
            OpCode::Data(kind) => {
                self.kind = Some(kind);
                self.is_deflated = frame.is_deflated;
            }
        }
        self.message.extend_from_slice(payload);
        let is_end = is_complete && frame.is_final;
        if self.kind == Some(Data::Text) && !self.is_deflated {
            self.check_utf8(is_end)?;
        }
        if is_end {
            return Ok(self.kind.take().map(OpCode::Data));
        }
        Ok(None)
    }

    /// Checks that the received text is valid UTF-8 (section 8.1). An incomplete character at the
    /// end is an error only at the end of the message. Each byte is checked once, except for up to
    /// 3 bytes of an incomplete character.
    fn check_utf8(&mut self, is_end: bool) -> Result<(), ProtocolViolation> {
        match str::from_utf8(&self.message[self.valid_bytes..]) {
            Ok(_) => self.valid_bytes = self.message.len(),
            Err(error) if error.error_len().is_some() || is_end => {
                return Err(ProtocolViolation::InvalidUtf8);
            }
            Err(error) => self.valid_bytes += error.valid_up_to(),
        }
        Ok(())
    }

    /// Returns the buffer with the payload of the completed message or control frame. The buffer is
    /// mutable, because the JSON parser changes a message in place.
    pub(super) fn payload(&mut self, opcode: OpCode) -> &mut [u8] {
        match opcode {
            OpCode::Data(_) => &mut self.message,
            OpCode::Control(_) => &mut self.control,
        }
    }
}
