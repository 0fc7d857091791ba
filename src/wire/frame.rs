//! One inbound frame header, checked against every rule that needs no memory of earlier frames
//! (RFC 6455, sections 5.1, 5.2 and 5.5; RFC 7692, section 6). Used on every shard core.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::limits;
use crate::wire::violation::ProtocolViolation;

/// Bytes of the longest header of a masked frame: 2, then 8 of length, then 4 of key.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// A client frame: its header's meaning, and how much of its payload is still to come.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) opcode: OpCode,
    pub(super) is_final: bool,
    /// The message that begins with this frame is compressed.
    pub(super) is_deflated: bool,
    /// The key for the next payload byte.
    pub(super) mask: [u8; 4],
    pub(super) remaining_bytes: usize,
}

impl Frame {
    /// Reads the header at the front of `bytes`. Returns it with its length in bytes; `None`
    /// while it is incomplete, which [`HEADER_BYTES_MAX`] bytes never are. `deflates`: messages
    /// may be compressed.
    pub(super) fn parse(
        bytes: &[u8],
        deflates: bool,
    ) -> Result<Option<(Self, usize)>, ProtocolViolation> {
        let mut cursor = Cursor::new(bytes);
        // A cursor over memory cannot fail to read, so the only error is about the opcode.
        let Some((header, length)) =
            FrameHeader::parse(&mut cursor).map_err(|_| ProtocolViolation::ReservedOpcode)?
        else {
            return Ok(None);
        };
        let header_bytes = cursor.position() as usize;

        let begins_message = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if header.rsv1 && !(deflates && begins_message) || header.rsv2 || header.rsv3 {
            return Err(ProtocolViolation::ReservedBits);
        }
        let mask = header.mask.ok_or(ProtocolViolation::UnmaskedFrame)?;
        if length >> 63 != 0 {
            return Err(ProtocolViolation::LengthTooLarge);
        }
        if header.len(length) != header_bytes {
            return Err(ProtocolViolation::LengthNotMinimal);
        }
        // A length that no address space holds is too big for any limit.
        let remaining_bytes =
            usize::try_from(length).map_err(|_| ProtocolViolation::MessageTooBig)?;
        if let OpCode::Control(_) = header.opcode {
            if !header.is_final {
                return Err(ProtocolViolation::FragmentedControl);
            }
            if remaining_bytes > limits::CONTROL_PAYLOAD_BYTES {
                return Err(ProtocolViolation::ControlTooLong);
            }
        }
        Ok(Some((
            Self {
                opcode: header.opcode,
                is_final: header.is_final,
                is_deflated: header.rsv1,
                mask,
                remaining_bytes,
            },
            header_bytes,
        )))
    }

    /// Its payload alone is an event: a control frame, or a message in one frame.
    pub(super) fn is_whole_event(&self) -> bool {
        self.is_final && self.opcode != OpCode::Data(Data::Continue)
    }
}
