//! Sender and receiver of permessage-deflate with zlib, which most clients use.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The bytes that a sender omits at the end of a message (RFC 7692, section 7.2.1).
pub const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty final block without compression. It ends a stream without a final block.
pub const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// A receiver. If it is used for several messages, it takes over the context of the previous ones.
pub struct Receiver(Decompress);

impl Receiver {
    /// Creates a receiver with a window of 2 to the power of `window_bits` bytes.
    pub fn new(window_bits: u8) -> Self {
        Self(Decompress::new_with_window_bits(false, window_bits))
    }

    /// Inflates a payload. Panics if the payload contains a final block or ends within a block,
    /// which some receivers do not accept.
    pub fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let payload = [payload, &FLUSH].concat();
        let (message, status) = self.inflate(&payload);
        assert_ne!(
            status,
            Status::StreamEnd,
            "a block is marked as the final one"
        );
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
                assert!(input.is_empty(), "all of the input is used");
                return (message, status);
            }
            message.reserve(message.len());
        }
    }
}

/// Inflates a single payload, and checks that it ends between two blocks.
pub fn message(payload: &[u8], window_bits: u8) -> Vec<u8> {
    let mut receiver = Receiver::new(window_bits);
    let message = receiver.message(payload);
    let (nothing, status) = receiver.inflate(&END);
    assert_eq!((nothing, status), (Vec::new(), Status::StreamEnd));
    message
}

/// A sender. If it is used for several messages, they refer to the previous ones.
pub struct Sender(Compress);

impl Sender {
    /// Creates a sender with a level from 0 to 9.
    pub fn new(level: u32) -> Self {
        Self(Compress::new(Compression::new(level), false))
    }

    /// Returns the payload of a message.
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

/// Returns the payload of a message from a new sender with a level from 0 to 9.
pub fn payload(message: &[u8], level: u32) -> Vec<u8> {
    Sender::new(level).payload(message)
}

/// Returns a message as a stream that ends with a final block.
pub fn finished(message: &[u8], level: u32) -> Vec<u8> {
    Sender::new(level).compress(message, FlushCompress::Finish)
}
