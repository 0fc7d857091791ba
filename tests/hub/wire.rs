//! The client's side of the wire: upgrade heads, masked frames, and a strict parser of what the
//! server sends.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::zlib;

pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);
const RSV1: u8 = 0x40;

/// Offers that a server takes: with the largest window, and with the smallest it can keep.
pub const FULL: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
pub const NARROW: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";

/// A request for a WebSocket at `target`.
pub fn upgrade(target: &str) -> Vec<u8> {
    upgrade_with(target, "")
}

/// The same with further header lines.
pub fn upgrade_with(target: &str, headers: &str) -> Vec<u8> {
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    head.into_bytes()
}

/// One final frame, masked as a client's must be.
pub fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = Vec::new();
    let header = FrameHeader {
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    header.format(payload.len() as u64, &mut out).unwrap();
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// A message of which `payload` is the compressed codec: RSV1 is set.
pub fn masked_deflated(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = masked(opcode, payload);
    frame[0] |= RSV1;
    frame
}

pub fn text(payload: &str) -> Vec<u8> {
    masked(TEXT, payload.as_bytes())
}

pub fn close(code: u16) -> Vec<u8> {
    masked(CLOSE, &code.to_be_bytes())
}

/// What a server sends, one frame at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

impl Frame {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// A frame as it went over the wire.
#[derive(Debug)]
pub struct Taken {
    pub frame: Frame,
    pub is_deflated: bool,
    /// Its length, header included.
    pub wire_bytes: usize,
}

/// Takes the frame at the front of `bytes`; `None` while it is not whole. `window_bits`: what the
/// server's window was agreed to be, if compression was.
pub fn take(bytes: &mut Vec<u8>, window_bits: Option<u8>) -> Result<Option<Taken>, String> {
    let [first, second, rest @ ..] = &bytes[..] else {
        return Ok(None);
    };
    let (length_bytes, minimum) = match second & 0x7f {
        127 => (8, 65_536),
        126 => (2, 126),
        _ => (0, 0),
    };
    let is_deflated = first & RSV1 != 0;
    let may_be_deflated = window_bits.is_some() && first & 0x08 == 0;
    if first & 0xb0 != 0x80 || second & 0x80 != 0 || (is_deflated && !may_be_deflated) {
        return Err(format!(
            "header {first:#x} {second:#x}: not final, reserved bits or masked"
        ));
    }
    let Some((length, payload)) = rest.split_at_checked(length_bytes) else {
        return Ok(None);
    };
    let extended = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let length = if length_bytes == 0 {
        usize::from(second & 0x7f)
    } else {
        extended
    };
    if length < minimum || (first & 0x08 != 0 && length > 125) {
        return Err(format!(
            "length {length} with header {first:#x} {second:#x}"
        ));
    }
    let Some(payload) = payload.get(..length) else {
        return Ok(None);
    };
    let frame = match window_bits.filter(|_| is_deflated) {
        Some(bits) => read(first & 0x0f, &zlib::inflate(payload, bits)?)?,
        None => read(first & 0x0f, payload)?,
    };
    let wire_bytes = 2 + length_bytes + length;
    bytes.drain(..wire_bytes);
    Ok(Some(Taken {
        frame,
        is_deflated,
        wire_bytes,
    }))
}

fn read(opcode: u8, payload: &[u8]) -> Result<Frame, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    Ok(match opcode {
        0x1 => Frame::Text(text(payload)?),
        0x2 => Frame::Binary(payload.into()),
        0x8 => match payload {
            [] => Frame::Close(None),
            [high, low, reason @ ..] => {
                text(reason)?;
                Frame::Close(Some(u16::from_be_bytes([*high, *low])))
            }
            [_] => return Err("a close frame with one byte".into()),
        },
        0x9 => Frame::Ping(payload.into()),
        0xa => Frame::Pong(payload.into()),
        _ => return Err(format!("opcode {opcode:#x}")),
    })
}

/// Takes the head of an HTTP response, and its body if it says how long that is. Returns the
/// status with the body; `None` while it is not whole.
pub fn take_response(bytes: &mut Vec<u8>) -> Option<(u16, String)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    let body = bytes.get(end..end + length)?.to_vec();
    bytes.drain(..end + length);
    Some((status, String::from_utf8(body).unwrap()))
}

/// The value of a header of the response at the front of `bytes`, in lower case.
pub fn response_header(bytes: &[u8], name: &str) -> Option<String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let prefix = format!("{name}: ");
    let value = head.lines().find_map(|line| line.strip_prefix(&prefix));
    value.map(str::to_owned)
}

/// The window of the server that the response at the front of `bytes` agrees on, in bits; `None`
/// without permessage-deflate.
pub fn agreed_window_bits(bytes: &[u8]) -> Option<u8> {
    let extensions = response_header(bytes, "sec-websocket-extensions")?;
    assert!(
        extensions.starts_with("permessage-deflate; "),
        "{extensions}"
    );
    let bits = extensions.split_once("server_max_window_bits=");
    Some(bits.map_or(15, |(_, bits)| bits.parse().expect("the last parameter")))
}
