//! The client's side of permessage-deflate, with zlib. Each message is compressed by itself
//! (RFC 7692, section 7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The bytes that a sender removes from the end of a compressed message (RFC 7692, section 7.2.1).
const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Inflates the payload of one message with a window of `window_bits` bits. Fails if the stream has
/// a final block, ends inside of a block, or refers further back than the window.
pub fn inflate(payload: &[u8], window_bits: u8) -> Result<Vec<u8>, String> {
    if payload.is_empty() {
        return Err("an empty payload is not a deflate stream".into());
    }
    let mut inflater = Decompress::new_with_window_bits(false, window_bits);
    let stream = [payload, &FLUSH].concat();
    let mut message = Vec::with_capacity(64 + 4 * payload.len());
    loop {
        let read = inflater.total_in() as usize;
        let status = inflater
            .decompress_vec(&stream[read..], &mut message, FlushDecompress::Sync)
            .map_err(|error| error.to_string())?;
        if status == Status::StreamEnd {
            return Err("a block is marked as the final block".into());
        }
        if inflater.total_in() as usize == stream.len() && message.len() < message.capacity() {
            return Ok(message);
        }
        if status == Status::BufError && message.len() < message.capacity() {
            return Err("the stream ends inside of a block".into());
        }
        message.reserve(message.capacity().max(64));
    }
}

/// Returns the compressed payload of a message, as a client sends it.
pub fn deflate(message: &[u8]) -> Vec<u8> {
    // A small window is faster to set up, and some tests compress thousands of messages.
    let mut compressor = Compress::new_with_window_bits(Compression::fast(), false, 10);
    let mut payload = Vec::with_capacity(64 + message.len() * 9 / 8);
    compressor
        .compress_vec(message, &mut payload, FlushCompress::Sync)
        .expect("the output has room for any message");
    assert_eq!(compressor.total_in() as usize, message.len());
    assert!(payload.ends_with(&FLUSH));
    payload.truncate(payload.len() - FLUSH.len());
    payload
}
