//! The client's side of the wire: upgrade requests, masked frames, and a strict parser of the
//! server's responses and frames.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::zlib;

pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);
pub const CONTINUATION: OpCode = OpCode::Data(Data::Continue);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A header line that offers permessage-deflate with a server window of 15 bits.
pub const OFFER_FULL: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
/// A header line that offers permessage-deflate with a server window of 12 bits, the smallest that
/// the server supports.
pub const OFFER_NARROW: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";

/// Returns a request for a WebSocket at `target`.
pub fn upgrade_request(target: &str) -> Vec<u8> {
    upgrade_request_with(target, "")
}

/// Returns a request for a WebSocket with further header lines.
pub fn upgrade_request_with(target: &str, headers: &str) -> Vec<u8> {
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    head.into_bytes()
}

/// Returns one final frame with a mask, as clients must send it (RFC 6455, section 5.3).
pub fn client_frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = Vec::new();
    let header = FrameHeader {
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    header.format(payload.len() as u64, &mut frame).unwrap();
    for (index, byte) in payload.iter().enumerate() {
        frame.push(byte ^ mask[index % mask.len()]);
    }
    frame
}

/// Returns a fragment of a message that is not its last one.
pub fn fragment(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(opcode, payload);
    frame[0] &= !FIN;
    frame
}

/// Returns a frame with the RSV1 bit set: its payload is compressed (RFC 7692, section 6).
pub fn deflated_client_frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(opcode, payload);
    frame[0] |= RSV1;
    frame
}

/// Returns a text frame from a client.
pub fn text_frame(payload: &str) -> Vec<u8> {
    client_frame(TEXT, payload.as_bytes())
}

/// Returns a close frame from a client.
pub fn close_frame(code: u16) -> Vec<u8> {
    client_frame(CLOSE, &code.to_be_bytes())
}

/// A frame from the server, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

impl ServerFrame {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// A frame from the server, with its form on the wire.
#[derive(Debug)]
pub struct ReceivedFrame {
    pub frame: ServerFrame,
    pub is_deflated: bool,
    /// Length of the frame on the wire, header included.
    pub wire_bytes: usize,
}

/// Removes the frame at the front of `bytes` and returns it; `None` if it is not complete.
/// `window_bits` is the server's window, if permessage-deflate was negotiated. Fails if the frame
/// violates RFC 6455 or RFC 7692.
pub fn take_frame(
    bytes: &mut Vec<u8>,
    window_bits: Option<u8>,
) -> Result<Option<ReceivedFrame>, String> {
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
            "header {first:#x} {second:#x}: a fragment, a reserved bit or a mask"
        ));
    }
    let Some((extended_length, payload)) = rest.split_at_checked(length_bytes) else {
        return Ok(None);
    };
    let mut length = usize::from(second & 0x7f);
    if length_bytes > 0 {
        length = 0;
        for byte in extended_length {
            length = length << 8 | usize::from(*byte);
        }
    }
    let is_control = first & 0x08 != 0;
    if length < minimum || (is_control && length > 125) {
        return Err(format!(
            "length {length} with header {first:#x} {second:#x}"
        ));
    }
    let Some(payload) = payload.get(..length) else {
        return Ok(None);
    };
    let frame = match window_bits.filter(|_| is_deflated) {
        Some(bits) => parse_payload(first & 0x0f, &zlib::inflate(payload, bits)?)?,
        None => parse_payload(first & 0x0f, payload)?,
    };
    let wire_bytes = 2 + length_bytes + length;
    bytes.drain(..wire_bytes);
    Ok(Some(ReceivedFrame {
        frame,
        is_deflated,
        wire_bytes,
    }))
}

fn parse_payload(opcode: u8, payload: &[u8]) -> Result<ServerFrame, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    Ok(match opcode {
        0x1 => ServerFrame::Text(text(payload)?),
        0x2 => ServerFrame::Binary(payload.into()),
        0x8 => match payload {
            [] => ServerFrame::Close(None),
            [high, low, reason @ ..] => {
                text(reason)?;
                ServerFrame::Close(Some(u16::from_be_bytes([*high, *low])))
            }
            [_] => return Err("a close frame with one byte".into()),
        },
        0x9 => ServerFrame::Ping(payload.into()),
        0xa => ServerFrame::Pong(payload.into()),
        _ => return Err(format!("opcode {opcode:#x}")),
    })
}

/// Removes an HTTP response, with a body of `Content-Length` bytes, from the front of `bytes`.
/// Returns status and body; `None` if the response is not complete.
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

/// Returns the value of a header of the response at the front of `bytes`, in lower case.
pub fn response_header(bytes: &[u8], name: &str) -> Option<String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    let prefix = format!("{name}: ");
    let value = head.lines().find_map(|line| line.strip_prefix(&prefix));
    value.map(str::to_owned)
}

/// Returns the server's window in bits that the response at the front of `bytes` agrees to; `None`
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
