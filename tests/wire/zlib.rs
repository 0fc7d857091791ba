//! zlib, the inflater and the compressor of most peers, as the two ends of permessage-deflate.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sender leaves out at the end of a message (RFC 7692, section 7.2.1).
pub const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty last block without compression: ends a stream that has none.
pub const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// A receiver. Used for more than one message, it has taken over the context of those before.
pub struct Receiver(Decompress);

impl Receiver {
    /// A receiver that keeps a window of 2 to the power of `window_bits` bytes.
    pub fn new(window_bits: u8) -> Self {
        Self(Decompress::new_with_window_bits(false, window_bits))
    }

    /// The message that a payload stands for. Panics at what some receivers do not take: a block
    /// that is marked as the last one, or an end inside a block.
    pub fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let payload = [payload, &FLUSH].concat();
        let (message, status) = self.inflate(&payload);
        assert_ne!(status, Status::StreamEnd, "a block is marked as the last");
        message
    }

    /// Inflates all of the input.
    fn inflate(&mut self, mut input: &[u8]) -> (Vec<u8>, Status) {
        let mut message = Vec::with_capacity(4 * input.len() + 64);
        loop {
            let read_before = self.0.total_in();
            let status = self
                .0
                .decompress_vec(input, &mut message, FlushDecompress::Sync)
                .unwrap();
            input = &input[(self.0.total_in() - read_before) as usize..];
            if message.len() < message.capacity() {
                assert!(input.is_empty(), "input is left over");
                return (message, status);
            }
            message.reserve(message.len());
        }
    }
}

/// Inflates a payload by itself, and checks that it ends between two blocks.
pub fn message(payload: &[u8], window_bits: u8) -> Vec<u8> {
    let mut receiver = Receiver::new(window_bits);
    let message = receiver.message(payload);
    let (nothing, status) = receiver.inflate(&END);
    assert_eq!((nothing, status), (Vec::new(), Status::StreamEnd));
    message
}

/// A sender. Used for more than one message, it refers to those before.
pub struct Sender(Compress);

impl Sender {
    /// A sender that compresses at a level of 0 to 9.
    pub fn new(level: u32) -> Self {
        Self(Compress::new(Compression::new(level), false))
    }

    /// The payload that stands for a message.
    pub fn payload(&mut self, message: &[u8]) -> Vec<u8> {
        let mut payload = self.compress(message, FlushCompress::Sync);
        assert!(payload.ends_with(&FLUSH));
        payload.truncate(payload.len() - FLUSH.len());
        payload
    }

    fn compress(&mut self, message: &[u8], flush: FlushCompress) -> Vec<u8> {
        let read_before = self.0.total_in();
        let mut out = Vec::with_capacity(message.len() + message.len() / 8 + 1024);
        self.0.compress_vec(message, &mut out, flush).unwrap();
        assert_eq!(self.0.total_in() - read_before, message.len() as u64);
        out
    }
}

/// The payload that a fresh sender makes of a message, at a level of 0 to 9.
pub fn payload(message: &[u8], level: u32) -> Vec<u8> {
    Sender::new(level).payload(message)
}

/// A message as a stream whose last block says so.
pub fn finished(message: &[u8], level: u32) -> Vec<u8> {
    Sender::new(level).compress(message, FlushCompress::Finish)
}
