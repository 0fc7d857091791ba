//! Publications on their way to the floor: a length of each part, then the parts.

use std::io::{self, Read};

use mio::net::TcpStream;

use super::pending;

/// A byte for the topic's length, four for the payload's, big-endian.
const LENGTHS: usize = 5;

/// A final text frame (RFC 6455, section 5.2).
const FINAL_TEXT: u8 = 0x81;

/// Appends a publication; the topic has at most 255 bytes.
pub fn publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.push(topic.len() as u8);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(topic);
    out.extend_from_slice(payload);
}

/// The publishing connection.
pub struct Publisher {
    stream: TcpStream,
    /// The start of a publication that has not come whole.
    kept: Vec<u8>,
    frame: Vec<u8>,
}

impl Publisher {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            kept: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Reads once and hands out topics with frames. True: there may be more. An error: the
    /// publisher has gone.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        deliver: &mut impl FnMut(&[u8], &[u8]),
    ) -> io::Result<bool> {
        let kept = self.kept.len();
        buffer[..kept].copy_from_slice(&self.kept);
        let Some(len) = pending(self.stream.read(&mut buffer[kept..]))? else {
            return Ok(false);
        };
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &buffer[..kept + len];
        while let Some((topic, payload, behind)) = front(rest) {
            encode(payload, &mut self.frame);
            deliver(topic, &self.frame);
            rest = behind;
        }
        self.kept.clear();
        self.kept.extend_from_slice(rest);
        // Edge-triggered: a read that did not fill the buffer has emptied the socket.
        Ok(kept + len == buffer.len())
    }
}

/// Topic and payload of the first publication, and what is behind it.
fn front(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&[topic, a, b, c, d], rest) = bytes.split_first_chunk::<LENGTHS>()?;
    let (topic, rest) = rest.split_at_checked(topic.into())?;
    let payload = u32::from_be_bytes([a, b, c, d]);
    let (payload, behind) = rest.split_at_checked(payload as usize)?;
    Some((topic, payload, behind))
}

/// The frame of a payload, in place of the last one.
pub(super) fn encode(payload: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    frame.push(FINAL_TEXT);
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Front, TEXT, front as front_frame};

    #[test]
    fn a_publication_comes_apart_once_it_is_whole() {
        let mut bytes = Vec::new();
        publication(b"topic", b"payload", &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(front(&bytes[..cut]), None);
        }
        bytes.push(7);
        assert_eq!(
            front(&bytes),
            Some((&b"topic"[..], &b"payload"[..], &[7][..]))
        );
    }

    #[test]
    fn a_frame_reads_back_in_every_size() {
        let mut frame = Vec::new();
        for size in [0, 125, 126, 0xFFFF, 0x1_0000] {
            let payload = vec![b'x'; size];
            encode(&payload, &mut frame);
            let expected = Front::Frame {
                opcode: TEXT,
                payload: &payload,
                deflated: false,
                len: frame.len(),
            };
            assert_eq!(front_frame(&frame, false), expected);
        }
    }
}
