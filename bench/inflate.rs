//! RFC 7692 as a client needs it that keeps no context: one message in, inflated whole.
//! Receiving thread.

use std::rc::Rc;

use libdeflater::Decompressor;

/// What a sender has cut off (RFC 7692, section 7.2.1), and a last block, which that never is.
const CUT: [u8; 4] = [0, 0, 0xFF, 0xFF];
const LAST: [u8; 5] = [1, 0, 0, 0xFF, 0xFF];

/// Bytes of a message that is believed: the server's largest payload and what is put around it.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// Compressed messages that are recognised: other connections get the same ones soon.
const RECENT: usize = 32;

/// A message that has been inflated.
#[derive(Debug)]
struct Known {
    compressed: Vec<u8>,
    message: Rc<[u8]>,
}

/// Inflates the messages of all connections.
pub struct Inflater {
    decompressor: Decompressor,
    input: Vec<u8>,
    output: Vec<u8>,
    recent: Vec<Known>,
    /// The place in `recent` that is taken next.
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

    /// The message behind the payload of a frame with RSV1. `None`: it is not valid, refers to an
    /// earlier message, has a last block, which some clients do not take, or is too large.
    pub fn inflate(&mut self, compressed: &[u8]) -> Option<Rc<[u8]>> {
        let mut recent = self.recent.iter();
        if let Some(known) = recent.find(|known| known.compressed == compressed) {
            return Some(Rc::clone(&known.message));
        }
        let message = self.inflate_new(compressed)?;
        let known = Known {
            compressed: compressed.to_vec(),
            message: Rc::clone(&message),
        };
        if self.recent.len() < RECENT {
            self.recent.push(known);
        } else {
            self.recent[self.next] = known;
            self.next = (self.next + 1) % RECENT;
        }
        Some(message)
    }

    fn inflate_new(&mut self, compressed: &[u8]) -> Option<Rc<[u8]>> {
        self.input.clear();
        self.input.extend_from_slice(compressed);
        self.input.extend_from_slice(&CUT);
        // Without the last block it may only end early if it has one of its own.
        let ended = self.deflate_decompress();
        if ended.is_some() {
            return None;
        }
        self.input.extend_from_slice(&LAST);
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

    /// A message as a sender packs it: flushed to a byte, and the end of that cut off.
    pub fn deflate(message: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 64);
        let mut compress = Compress::new(Compression::fast(), false);
        compress.compress_vec(message, &mut out, flush).unwrap();
        if flush == FlushCompress::Sync {
            assert!(out.ends_with(&CUT));
            out.truncate(out.len() - CUT.len());
        }
        out
    }

    #[test]
    fn messages_come_back_new_and_known() {
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
    fn what_this_server_must_not_send_is_invalid() {
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
    fn a_message_that_refers_to_an_earlier_one_is_invalid() {
        let message = b"words that the second message repeats exactly";
        let mut compress = Compress::new(Compression::best(), false);
        let mut packed = || {
            let mut out = Vec::with_capacity(256);
            let flush = FlushCompress::Sync;
            compress.compress_vec(message, &mut out, flush).unwrap();
            out.truncate(out.len() - CUT.len());
            out
        };
        let (first, second) = (packed(), packed());
        let mut inflate = Inflater::new();
        assert!(inflate.inflate(&first).is_some());
        assert_eq!(inflate.inflate(&second), None);
    }
}
