//! Publications to the baseline server over plain TCP: the lengths of topic and payload, then the
//! two. Thread of the baseline server, and publishing thread.

use std::io::{self, Read};

use mio::net::TcpStream;

use crate::baseline::nonblocking::{ReadOutcome, available};

/// One byte for the length of the topic and four for that of the payload, big-endian.
const LENGTHS: usize = 5;

/// The first byte of a final text frame (RFC 6455, section 5.2).
const FINAL_TEXT: u8 = 0x81;

/// Appends a publication. The topic has at most 255 bytes.
pub fn append_publication(topic: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.push(topic.len() as u8);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(topic);
    out.extend_from_slice(payload);
}

/// The connection of the publisher.
pub struct StreamPublisher {
    stream: TcpStream,
    /// The start of an incomplete publication.
    partial: Vec<u8>,
    frame: Vec<u8>,
}

impl StreamPublisher {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            partial: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Reads once and passes each publication as topic and frame to `deliver`. Returns an error if
    /// the publisher has closed the connection.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        deliver: &mut impl FnMut(&[u8], &[u8]),
    ) -> io::Result<ReadOutcome> {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let Some(len) = available(self.stream.read(&mut buffer[kept..]))? else {
            return Ok(ReadOutcome::Drained);
        };
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = &buffer[..kept + len];
        while let Some((topic, payload, remainder)) = first_publication(rest) {
            encode_frame(payload, &mut self.frame);
            deliver(topic, &self.frame);
            rest = remainder;
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        // Events are edge-triggered. A read that did not fill the buffer has emptied the socket.
        if kept + len == buffer.len() {
            Ok(ReadOutcome::MoreMayFollow)
        } else {
            Ok(ReadOutcome::Drained)
        }
    }
}

/// Returns topic and payload of the first publication, and the rest of the bytes. Returns `None` if
/// the publication is incomplete.
fn first_publication(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&[topic, a, b, c, d], rest) = bytes.split_first_chunk::<LENGTHS>()?;
    let (topic, rest) = rest.split_at_checked(topic.into())?;
    let payload = u32::from_be_bytes([a, b, c, d]);
    let (payload, remainder) = rest.split_at_checked(payload as usize)?;
    Some((topic, payload, remainder))
}

/// Replaces `frame` by the text frame of a payload.
pub fn encode_frame(payload: &[u8], frame: &mut Vec<u8>) {
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
    use crate::client::frames::{FirstFrame, TEXT, first_frame};

    #[test]
    fn a_publication_is_read_when_it_is_complete() {
        let mut bytes = Vec::new();
        append_publication(b"topic", b"payload", &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(first_publication(&bytes[..cut]), None);
        }
        bytes.push(7);
        assert_eq!(
            first_publication(&bytes),
            Some((&b"topic"[..], &b"payload"[..], &[7][..]))
        );
    }

    #[test]
    fn frames_of_every_size_can_be_read() {
        let mut frame = Vec::new();
        for size in [0, 125, 126, 0xFFFF, 0x1_0000] {
            let payload = vec![b'x'; size];
            encode_frame(&payload, &mut frame);
            let expected = FirstFrame::Complete {
                opcode: TEXT,
                payload: &payload,
                deflated: false,
                len: frame.len(),
            };
            assert_eq!(first_frame(&frame, false), expected);
        }
    }
}
