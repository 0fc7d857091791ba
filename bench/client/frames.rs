//! WebSocket frames on the client side (RFC 6455, section 5): reads the headers of received frames
//! in place and writes small masked frames. Receiving thread.

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The bit that marks a compressed message (RFC 7692, section 7.2.3).
const RSV1: u8 = 0x40;

/// Values of the length field that announce a length in the next two or eight bytes.
const LENGTH_16: u8 = 0x7E;
const LENGTH_64: u8 = 0x7F;

/// Maximum payload of a frame in bytes. A larger length means that the client has lost the frame
/// boundaries.
const MAX_PAYLOAD: u64 = 64 * 1024 * 1024;

/// The start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstFrame<'a> {
    /// A complete frame of `len` bytes, including the header.
    Complete {
        opcode: u8,
        payload: &'a [u8],
        /// The payload is compressed.
        deflated: bool,
        len: usize,
    },
    /// The frame is incomplete.
    Partial,
    /// A frame that no server sends to the load generator: masked, with reserved bits that were not
    /// negotiated, fragmented, or too large. No publication of the load generator is large enough
    /// for fragments.
    Invalid,
}

/// Reads the frame at the start of `bytes`. `deflate` is set if the connection has negotiated
/// permessage-deflate.
pub fn first_frame(bytes: &[u8], deflate: bool) -> FirstFrame<'_> {
    let &[first, second, ..] = bytes else {
        return FirstFrame::Partial;
    };
    let opcode = first & 0x0F;
    let deflated = first & RSV1 != 0;
    let may_be_deflated = deflate && matches!(opcode, TEXT | BINARY);
    if first & !RSV1 & 0xF0 != 0x80 || deflated && !may_be_deflated || second & 0x80 != 0 {
        return FirstFrame::Invalid;
    }
    let (payload_len, header_len) = match second {
        LENGTH_16 => match bytes.get(2..4) {
            Some(&[high, low]) => (u64::from(u16::from_be_bytes([high, low])), 4),
            _ => return FirstFrame::Partial,
        },
        LENGTH_64 => match bytes.get(2..10).and_then(|length| length.try_into().ok()) {
            Some(length) => (u64::from_be_bytes(length), 10),
            None => return FirstFrame::Partial,
        },
        short => (u64::from(short), 2),
    };
    if payload_len > MAX_PAYLOAD {
        return FirstFrame::Invalid;
    }
    let len = header_len + payload_len as usize;
    match bytes.get(header_len..len) {
        Some(payload) => FirstFrame::Complete {
            opcode,
            payload,
            deflated,
            len,
        },
        None => FirstFrame::Partial,
    }
}

/// Returns a final masked frame.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(14 + payload.len());
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | LENGTH_16);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | LENGTH_64);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let key = fastrand::u32(..).to_be_bytes();
    out.extend_from_slice(&key);
    out.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..126 => out.push(len as u8),
            len @ 126..=0xFFFF => {
                out.push(LENGTH_16);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(LENGTH_64);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn a_frame_is_read_when_it_is_complete() {
        for size in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; size];
            let mut bytes = frame(TEXT, &payload);
            let len = bytes.len();
            for cut in (0..len.min(20)).chain([len - 1]) {
                assert_eq!(
                    first_frame(&bytes[..cut], false),
                    FirstFrame::Partial,
                    "{size} {cut}"
                );
            }
            bytes.extend_from_slice(b"next");
            assert_eq!(
                first_frame(&bytes, false),
                FirstFrame::Complete {
                    opcode: TEXT,
                    payload: &payload,
                    deflated: false,
                    len
                }
            );
        }
    }

    #[test]
    fn frames_that_no_server_sends_are_invalid() {
        for deflate in [false, true] {
            let invalid = |bytes: &[u8]| first_frame(bytes, deflate) == FirstFrame::Invalid;
            assert!(invalid(&masked(TEXT, b"masked")));
            assert!(invalid(&[0x01, 0])); // not final
            assert!(invalid(&[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0]));
            assert!(invalid(&[0xA1, 0]) && invalid(&[0x91, 0])); // RSV2, RSV3
            assert!(invalid(&[0xC9, 0]) && invalid(&[0xC8, 0])); // RSV1 on a ping, a close
            assert_eq!(invalid(&[0xC1, 0]), !deflate); // RSV1
        }
    }

    #[test]
    fn rsv1_marks_a_compressed_frame() {
        for (first, deflated) in [(0x81, false), (0xC1, true), (0x82, false), (0xC2, true)] {
            let bytes = [first, 2, b'a', b'b', 0xFF];
            let payload = b"ab".as_slice();
            let opcode = first & 0x0F;
            assert_eq!(
                first_frame(&bytes, true),
                FirstFrame::Complete {
                    opcode,
                    payload,
                    deflated,
                    len: 4
                }
            );
        }
    }

    #[test]
    fn unmasking_restores_the_payload() {
        for size in [0_usize, 5, 125, 126, 70_000] {
            let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let bytes = masked(PONG, &payload);
            assert_eq!(bytes[0], 0x80 | PONG);
            let (key, body) = bytes[bytes.len() - size - 4..].split_at(4);
            let unmasked: Vec<u8> = body
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key)
                .collect();
            assert_eq!(unmasked, payload);
        }
    }
}
