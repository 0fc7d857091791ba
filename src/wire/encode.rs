//! Encoder of the frames that the server sends: unmasked and unfragmented (RFC 6455, section 5;
//! RFC 7692, section 6). Runs on the ingest thread for broadcasts and on every shard thread for
//! compressed broadcasts, replies and control frames.

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::Control;

pub use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::limits;

/// A ping without a payload.
pub const PING: Bytes = Bytes::from_static(&[0x89, 0x00]);

/// A close frame without a status code. It answers a close frame without one (section 5.5.1).
pub const CLOSE: Bytes = Bytes::from_static(&[0x88, 0x00]);

/// Appends the header of an unfragmented frame with `payload_len` bytes of payload.
pub fn put_header(out: &mut Vec<u8>, opcode: OpCode, payload_len: usize) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    put(out, &header, payload_len);
}

fn put(out: &mut Vec<u8>, header: &FrameHeader, payload_len: usize) {
    header
        .format(payload_len as u64, out)
        .expect("writing to a Vec does not fail");
}

/// Returns the length in bytes of the header of a frame with `payload_len` bytes of payload: 2, 4
/// or 10.
pub fn header_len(payload_len: usize) -> usize {
    FrameHeader::default().len(payload_len as u64)
}

/// Encodes a text message. `payload` must be valid UTF-8.
pub fn text(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Text), payload)
}

/// Encodes a message. The payload of a text message must be valid UTF-8.
pub fn message(data: Data, payload: &[u8]) -> Bytes {
    frame(OpCode::Data(data), payload)
}

/// Encodes a message. `write` appends the payload, which has about `len_hint` bytes. The payload of
/// a text message must be valid UTF-8.
pub fn message_with(data: Data, len_hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    const HEADER_BYTES_MAX: usize = 10;
    // The length of the header depends on that of the payload. Space for the longest header is
    // reserved, and the header is written right before the payload when the payload is complete.
    let mut out = Vec::with_capacity(HEADER_BYTES_MAX + len_hint);
    out.resize(HEADER_BYTES_MAX, 0);
    write(&mut out);
    let payload_len = out.len() - HEADER_BYTES_MAX;
    let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
    put_header(&mut header, OpCode::Data(data), payload_len);
    let start = HEADER_BYTES_MAX - header.len();
    out[start..HEADER_BYTES_MAX].copy_from_slice(&header);
    Bytes::from(out).slice(start..)
}

/// Encodes a binary message.
pub fn binary(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Binary), payload)
}

/// Appends a message as one frame.
pub fn put_message(out: &mut Vec<u8>, data: Data, payload: &[u8]) {
    put_header(out, OpCode::Data(data), payload.len());
    out.extend_from_slice(payload);
}

/// Appends a message as one compressed frame (RSV1). `payload` is the result of
/// [`Deflater::deflate`](crate::wire::Deflater::deflate).
pub fn put_deflated(out: &mut Vec<u8>, data: Data, payload: &[u8]) {
    let header = FrameHeader {
        opcode: OpCode::Data(data),
        rsv1: true,
        ..FrameHeader::default()
    };
    put(out, &header, payload.len());
    out.extend_from_slice(payload);
}

/// Returns the payload of a frame that this module encoded.
pub fn payload(frame: &[u8]) -> &[u8] {
    let header_len = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[header_len..]
}

/// Encodes the pong that answers a ping. `payload` is that of the ping and has at most 125 bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= limits::CONTROL_PAYLOAD_BYTES);
    frame(OpCode::Control(Control::Pong), payload)
}

/// Encodes a close frame. A reason longer than 123 bytes is truncated at a character boundary.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(limits::CLOSE_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(OpCode::Control(Control::Close), &payload)
}

/// Encodes a frame in one allocation.
fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(header_len(payload.len()) + payload.len());
    put_header(&mut out, opcode, payload.len());
    out.extend_from_slice(payload);
    out.into()
}
