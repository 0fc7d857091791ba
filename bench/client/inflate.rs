//! Decompression of permessage-deflate (RFC 7692) without context takeover: every message is
//! decompressed as a whole and independently. Receiving thread.

use std::rc::Rc;

use libdeflater::Decompressor;

/// The bytes that a sender removes from the end of a message (RFC 7692, section 7.2.1).
const REMOVED_TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// An empty final block, which makes the message a complete DEFLATE stream.
const FINAL_BLOCK: [u8; 5] = [1, 0, 0, 0xFF, 0xFF];

/// Maximum size of a decompressed message in bytes: the server's largest payload and the text
/// around it.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// Number of recent messages that are kept, because other connections soon receive the same ones.
const RECENT: usize = 32;

/// A message that was decompressed earlier.
#[derive(Debug)]
struct RecentMessage {
    compressed: Vec<u8>,
    message: Rc<[u8]>,
}

/// Decompresses the messages of all connections.
pub struct Inflater {
    decompressor: Decompressor,
    input: Vec<u8>,
    output: Vec<u8>,
    recent: Vec<RecentMessage>,
    /// Index in `recent` of the entry that is replaced next.
    next: usize,
}

impl Inflater {
    pub fn new() -> Self {
        Self {
            decompressor: Decompressor::new(),
            input: Vec::new(),
            output: vec![0; MAX_MESSAGE],
            recent: Vec::with_capacity(RECENT),
            next: 0,
        }
    }

    /// Decompresses the payload of a frame with RSV1. Returns `None` if the payload is invalid,
    /// refers to an earlier message, contains a final block (some clients reject one) or is too
    /// large.
    pub fn inflate(&mut self, compressed: &[u8]) -> Option<Rc<[u8]>> {
        let mut recent = self.recent.iter();
        if let Some(known) = recent.find(|known| known.compressed == compressed) {
            return Some(Rc::clone(&known.message));
        }
        let message = self.inflate_new(compressed)?;
        let message_entry = RecentMessage {
            compressed: compressed.to_vec(),
            message: Rc::clone(&message),
        };
        if self.recent.len() < RECENT {
            self.recent.push(message_entry);
        } else {
            self.recent[self.next] = message_entry;
            self.next = (self.next + 1) % RECENT;
        }
        Some(message)
    }

    fn inflate_new(&mut self, compressed: &[u8]) -> Option<Rc<[u8]>> {
        self.input.clear();
        self.input.extend_from_slice(compressed);
        self.input.extend_from_slice(&REMOVED_TAIL);
        // The stream has no final block yet. If decompression succeeds, the sender added one.
        if self.deflate_decompress().is_some() {
            return None;
        }
        self.input.extend_from_slice(&FINAL_BLOCK);
        let len = self.deflate_decompress()?;
        Some(Rc::from(&self.output[..len]))
    }

    fn deflate_decompress(&mut self) -> Option<usize> {
        let outcome = self
            .decompressor
            .deflate_decompress(&self.input, &mut self.output);
        outcome.ok()
    }
}

#[cfg(test)]
pub mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    /// Compresses a message as a sender does: flushed to a byte boundary, without the tail.
    pub fn deflate(message: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 64);
        let mut compress = Compress::new(Compression::fast(), false);
        compress.compress_vec(message, &mut out, flush).unwrap();
        if flush == FlushCompress::Sync {
            assert!(out.ends_with(&REMOVED_TAIL));
            out.truncate(out.len() - REMOVED_TAIL.len());
        }
        out
    }

    #[test]
    fn new_and_recent_messages_are_decompressed() {
        let mut inflate = Inflater::new();
        for round in 0..3 {
            for nth in 0..2 * RECENT {
                let message = format!("{nth} of many, {}", "again and ".repeat(nth * nth));
                let compressed = deflate(message.as_bytes(), FlushCompress::Sync);
                for _ in 0..2 {
                    let whole = inflate.inflate(&compressed).unwrap();
                    assert_eq!(&*whole, message.as_bytes(), "{round} {nth}");
                }
            }
        }
        assert_eq!(inflate.recent.len(), RECENT);
        assert_eq!(&*inflate.inflate(&[0]).unwrap(), b"");
    }

    #[test]
    fn invalid_messages_are_rejected() {
        let mut inflate = Inflater::new();
        let message = b"the same words, the same words, the same words";
        let last = deflate(message, FlushCompress::Finish);
        assert_eq!(inflate.inflate(&last), None);
        let good = deflate(message, FlushCompress::Sync);
        assert_eq!(inflate.inflate(&good[..good.len() / 2]), None);
        assert_eq!(inflate.inflate(b"\x07garbage"), None);
        let largest = deflate(&vec![b'x'; MAX_MESSAGE], FlushCompress::Sync);
        assert_eq!(inflate.inflate(&largest).unwrap().len(), MAX_MESSAGE);
        let bomb = deflate(&vec![b'x'; MAX_MESSAGE + 1], FlushCompress::Sync);
        assert_eq!(inflate.inflate(&bomb), None);
    }

    #[test]
    fn a_message_that_refers_to_an_earlier_one_is_rejected() {
        let message = b"words that the second message repeats exactly";
        let mut compress = Compress::new(Compression::best(), false);
        let mut packed = || {
            let mut out = Vec::with_capacity(256);
            let flush = FlushCompress::Sync;
            compress.compress_vec(message, &mut out, flush).unwrap();
            out.truncate(out.len() - REMOVED_TAIL.len());
            out
        };
        let (first, second) = (packed(), packed());
        let mut inflate = Inflater::new();
        assert!(inflate.inflate(&first).is_some());
        assert_eq!(inflate.inflate(&second), None);
    }
}
