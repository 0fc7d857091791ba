//! What a decoder holds on the heap while something is incomplete (RFC 6455, section 5.4). Used on
//! every shard core.

use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::wire::frame::{Frame, HEADER_BYTES_MAX};
use crate::wire::mask;
use crate::wire::violation::ProtocolViolation;

/// What has arrived of an incomplete message, and of an incomplete frame in it or between its
/// fragments.
#[derive(Default)]
pub(super) struct Partial {
    /// The message's type. `None`: no message is under way.
    pub(super) kind: Option<Data>,
    /// It is compressed.
    pub(super) is_deflated: bool,
    /// The message's payload so far, as it came.
    pub(super) message: Vec<u8>,
    /// How much of a text message's payload is whole, valid characters.
    valid_bytes: usize,
    /// Frames after the message's first.
    pub(super) continuations: u32,
    /// The payload so far of a control frame.
    pub(super) control: Vec<u8>,
    /// The frame whose payload is arriving.
    pub(super) frame: Option<Frame>,
    /// The first bytes of a header that is arriving, and how many.
    pub(super) header: [u8; HEADER_BYTES_MAX],
    pub(super) header_bytes: usize,
}

impl Partial {
    /// Nothing is incomplete.
    pub(super) fn is_idle(&self) -> bool {
        self.kind.is_none() && self.frame.is_none() && self.header_bytes == 0
    }

    /// Appends unmasked payload of `frame`. Returns the opcode of the event it completes.
    pub(super) fn absorb(
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
            OpCode::Data(kind) => (self.kind, self.is_deflated) = (Some(kind), frame.is_deflated),
        }
        self.message.extend_from_slice(payload);
        if self.kind == Some(Data::Text) && !self.is_deflated {
            self.check_utf8(is_complete && frame.is_final)?;
        }
        if is_complete && frame.is_final {
            return Ok(self.kind.take().map(OpCode::Data));
        }
        Ok(None)
    }

    /// Refuses the first byte that no valid text can have, and at the end a cut character
    /// (section 8.1). Every byte is looked at once, but for the at most 3 of a cut character.
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

    /// The buffer that holds a complete event's payload.
    pub(super) fn payload(&mut self, opcode: OpCode) -> &mut [u8] {
        match opcode {
            OpCode::Data(_) => &mut self.message,
            OpCode::Control(_) => &mut self.control,
        }
    }
}
