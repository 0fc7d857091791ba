//! RFC 6455 frames as a client needs them: headers read in place, small masked frames written.
//! Receiving thread.

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The bit that marks a compressed message (RFC 7692, section 7.2.3).
const RSV1: u8 = 0x40;

/// Instead of a length: it follows in two bytes, or in eight.
const SHORT: u8 = 0x7E;
const LONG: u8 = 0x7F;

/// Payload bytes of a frame that is believed: more means that the stream is out of step.
const MAX_PAYLOAD: u64 = 64 * 1024 * 1024;

/// What the start of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Front<'a> {
    /// A whole frame of `len` bytes, header included.
    Frame {
        opcode: u8,
        payload: &'a [u8],
        /// Its payload is to be inflated.
        deflated: bool,
        len: usize,
    },
    /// More bytes are needed.
    Partial,
    /// No server sends this: masked, reserved bits that were not negotiated, or larger than
    /// anything the load generator asked for. Fragments count as such too, since no publication
    /// of the load generator needs one.
    Invalid,
}

/// Looks at the frame at the start of `bytes`; `deflate`: permessage-deflate is negotiated.
pub fn front(bytes: &[u8], deflate: bool) -> Front<'_> {
    let &[first, second, ..] = bytes else {
        return Front::Partial;
    };
    let opcode = first & 0x0F;
    let deflated = first & RSV1 != 0;
    let may_be_deflated = deflate && matches!(opcode, TEXT | BINARY);
    if first & !RSV1 & 0xF0 != 0x80 || deflated && !may_be_deflated || second & 0x80 != 0 {
        return Front::Invalid;
    }
    let (payload_len, header_len) = match second {
        SHORT => match bytes.get(2..4) {
            Some(&[high, low]) => (u64::from(u16::from_be_bytes([high, low])), 4),
            _ => return Front::Partial,
        },
        LONG => match bytes.get(2..10).and_then(|length| length.try_into().ok()) {
            Some(length) => (u64::from_be_bytes(length), 10),
            None => return Front::Partial,
        },
        short => (u64::from(short), 2),
    };
    if payload_len > MAX_PAYLOAD {
        return Front::Invalid;
    }
    let len = header_len + payload_len as usize;
    match bytes.get(header_len..len) {
        Some(payload) => Front::Frame {
            opcode,
            payload,
            deflated,
            len,
        },
        None => Front::Partial,
    }
}

/// A final masked frame.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(14 + payload.len());
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | SHORT);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | LONG);
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
                out.push(SHORT);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(LONG);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn a_frame_is_seen_once_it_is_whole() {
        for size in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; size];
            let mut bytes = frame(TEXT, &payload);
            let len = bytes.len();
            for cut in (0..len.min(20)).chain([len - 1]) {
                assert_eq!(front(&bytes[..cut], false), Front::Partial, "{size} {cut}");
            }
            bytes.extend_from_slice(b"next");
            assert_eq!(
                front(&bytes, false),
                Front::Frame {
                    opcode: TEXT,
                    payload: &payload,
                    deflated: false,
                    len
                }
            );
        }
    }

    #[test]
    fn what_no_server_sends_is_invalid() {
        for deflate in [false, true] {
            let invalid = |bytes: &[u8]| front(bytes, deflate) == Front::Invalid;
            assert!(invalid(&masked(TEXT, b"masked")));
            assert!(invalid(&[0x01, 0])); // not final
            assert!(invalid(&[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0]));
            assert!(invalid(&[0xA1, 0]) && invalid(&[0x91, 0])); // RSV2, RSV3
            assert!(invalid(&[0xC9, 0]) && invalid(&[0xC8, 0])); // RSV1 on a ping, a close
            assert_eq!(invalid(&[0xC1, 0]), !deflate); // RSV1
        }
    }

    #[test]
    fn a_compressed_frame_is_marked() {
        for (first, deflated) in [(0x81, false), (0xC1, true), (0x82, false), (0xC2, true)] {
            let bytes = [first, 2, b'a', b'b', 0xFF];
            let payload = b"ab".as_slice();
            let opcode = first & 0x0F;
            assert_eq!(
                front(&bytes, true),
                Front::Frame {
                    opcode,
                    payload,
                    deflated,
                    len: 4
                }
            );
        }
    }

    #[test]
    fn a_masked_frame_unmasks() {
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
