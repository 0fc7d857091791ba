//! Parser of frame headers that clients send. It checks all rules that do not depend on earlier
//! frames (RFC 6455, sections 5.1, 5.2 and 5.5; RFC 7692, section 6). Runs on every shard thread.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::limits;
use crate::wire::violation::ProtocolViolation;

/// Length in bytes of the longest header of a masked frame: 2, an 8 byte length, a 4 byte key.
pub(super) const HEADER_BYTES_MAX: usize = 14;

/// A frame from a client whose header is parsed.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) opcode: OpCode,
    pub(super) is_final: bool,
    /// Whether the message that begins with this frame is compressed (RSV1 is set).
    pub(super) is_deflated: bool,
    /// Masking key, rotated so that its first byte applies to the next payload byte.
    pub(super) mask: [u8; 4],
    /// Payload bytes that have not been received yet.
    pub(super) remaining_bytes: usize,
}

impl Frame {
    /// Parses the header at the start of `bytes`.
    ///
    /// Returns the frame and the length of its header in bytes, or `None` if the header is
    /// incomplete. [`HEADER_BYTES_MAX`] bytes always contain a complete header.
    /// `allows_compression` is set if permessage-deflate was negotiated.
    pub(super) fn parse(
        bytes: &[u8],
        allows_compression: bool,
    ) -> Result<Option<(Self, usize)>, ProtocolViolation> {
        let mut cursor = Cursor::new(bytes);
        // Reading from memory does not fail, so the only possible error is a reserved opcode.
        let Some((header, length)) =
            FrameHeader::parse(&mut cursor).map_err(|_| ProtocolViolation::ReservedOpcode)?
        else {
            return Ok(None);
        };
        let header_bytes = cursor.position() as usize;

        let begins_message = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if header.rsv1 && !(allows_compression && begins_message) || header.rsv2 || header.rsv3 {
            return Err(ProtocolViolation::ReservedBits);
        }
        let mask = header.mask.ok_or(ProtocolViolation::UnmaskedFrame)?;
        if length >> 63 != 0 {
            return Err(ProtocolViolation::LengthTooLarge);
        }
        if header.len(length) != header_bytes {
            return Err(ProtocolViolation::LengthNotMinimal);
        }
        // A length above `usize::MAX` exceeds every limit.
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

    /// Returns whether the frame is a control frame or a message in a single frame.
    pub(super) fn is_unfragmented(&self) -> bool {
        self.is_final && self.opcode != OpCode::Data(Data::Continue)
    }
}
