//! Outbound frames: unmasked, unfragmented (RFC 6455, section 5; RFC 7692, section 6). Used on the
//! ingest core for what is broadcast, on every shard core for the rest.

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::Control;

pub use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::limits;

/// A ping without a payload.
pub const PING: Bytes = Bytes::from_static(&[0x89, 0x00]);

/// A close frame without a status code: the answer to one of the same kind (section 5.5.1).
pub const CLOSE: Bytes = Bytes::from_static(&[0x88, 0x00]);

/// Appends the header of a final frame with `payload_len` bytes of payload.
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
        .expect("a Vec takes every write");
}

/// Bytes of the header of a frame with `payload_len` bytes of payload: 2, 4 or 10.
pub fn header_len(payload_len: usize) -> usize {
    FrameHeader::default().len(payload_len as u64)
}

/// A text message in one frame. `payload` must be valid UTF-8.
pub fn text(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Text), payload)
}

/// A message in one frame. The payload of a text message must be valid UTF-8.
pub fn message(data: Data, payload: &[u8]) -> Bytes {
    frame(OpCode::Data(data), payload)
}

/// A text message in one frame, whose payload of about `len_hint` bytes `write` appends.
pub fn text_with(len_hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    const ROOM: usize = 10; // The longest header; the true one goes right before the payload.
    let mut out = Vec::with_capacity(ROOM + len_hint);
    out.resize(ROOM, 0);
    write(&mut out);
    let mut header = Vec::with_capacity(ROOM);
    put_header(&mut header, OpCode::Data(Data::Text), out.len() - ROOM);
    let start = ROOM - header.len();
    out[start..ROOM].copy_from_slice(&header);
    Bytes::from(out).slice(start..)
}

/// A binary message in one frame.
pub fn binary(payload: &[u8]) -> Bytes {
    frame(OpCode::Data(Data::Binary), payload)
}

/// Appends a message in one frame.
pub fn put_message(out: &mut Vec<u8>, data: Data, payload: &[u8]) {
    put_header(out, OpCode::Data(data), payload.len());
    out.extend_from_slice(payload);
}

/// Appends a message in one frame, of which `payload` is what the compressor made.
pub fn put_deflated(out: &mut Vec<u8>, data: Data, payload: &[u8]) {
    let header = FrameHeader {
        opcode: OpCode::Data(data),
        rsv1: true,
        ..FrameHeader::default()
    };
    put(out, &header, payload.len());
    out.extend_from_slice(payload);
}

/// The payload of a frame that was made here.
pub fn payload(frame: &[u8]) -> &[u8] {
    let header_len = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[header_len..]
}

/// The answer to a ping with this payload, of at most 125 bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= limits::CONTROL_PAYLOAD_BYTES);
    frame(OpCode::Control(Control::Pong), payload)
}

/// A close frame. The reason is cut to 123 bytes, between two characters.
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

/// Header and payload in one allocation.
fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(header_len(payload.len()) + payload.len());
    put_header(&mut out, opcode, payload.len());
    out.extend_from_slice(payload);
    out.into()
}
