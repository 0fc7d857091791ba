//! Compression of the messages that the server sends (RFC 7692, section 7.2.1). Runs on every shard
//! thread; a shard owns one [`Deflater`].
//!
//! libdeflate marks the last block of each stream as the final one (BFINAL). RFC 7692 allows this
//! (section 7.2.3.4), but several deployed clients close the connection or stop reading after such
//! a block. Therefore a second decompressor inflates the stream once to find where its blocks begin
//! and end. The mark is cleared, and the bits of a flush are appended. The same pass verifies that
//! the compressed data inflates to the original message.

use libdeflater::{CompressionLvl, Compressor};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::flush::{FLUSH, FLUSH_HEADER_BITS};
use super::window::DeflateWindow;
use crate::limits::DEFLATE_KEPT_BYTES;

/// Totals of the messages that a [`Deflater`] received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were compressed.
    pub compressed: u64,
    /// Messages below the threshold.
    pub small: u64,
    /// Messages that compression would not have made smaller.
    pub incompressible: u64,
    /// Bytes of the compressed messages before compression.
    pub bytes_before: u64,
    /// Bytes of the compressed messages after compression.
    pub bytes_after: u64,
}

/// Compresses messages, each separately.
#[derive(Default)]
pub struct Deflater {
    level: u8,
    threshold: usize,
    /// Allocated for the first message: some hundred KiB, or 9 MB from level 10 on.
    engine: Option<Box<Engine>>,
    tally: Tally,
}

impl Deflater {
    /// Creates a compressor. `level` is from 1 (fastest) to 12 (smallest result). Messages of less
    /// than `threshold` bytes are not compressed.
    pub fn new(level: u8, threshold: usize) -> Self {
        Self {
            level,
            threshold,
            ..Self::default()
        }
    }

    /// Changes the level and the threshold for the following messages.
    pub fn reconfigure(&mut self, level: u8, threshold: usize) {
        if self.level != level {
            self.engine = None;
        }
        (self.level, self.threshold) = (level, threshold);
    }

    /// Compresses a message. Returns the payload of a frame with RSV1, which is never empty, or
    /// `None` if the message should be sent uncompressed: it is below the threshold, or compression
    /// does not make it smaller.
    pub fn deflate(&mut self, message: &[u8], window: DeflateWindow) -> Option<&[u8]> {
        if message.len() < self.threshold || message.is_empty() {
            self.tally.small += 1;
            return None;
        }
        let level = self.level;
        let engine = self.engine.get_or_insert_with(|| Engine::new(level));
        let Some(payload) = engine.compress(message, window) else {
            self.tally.incompressible += 1;
            return None;
        };
        self.tally.compressed += 1;
        self.tally.bytes_before += message.len() as u64;
        self.tally.bytes_after += payload.len() as u64;
        Some(payload)
    }

    /// Shrinks the buffers if a large message made them grow. The caller calls this method when it
    /// has used the payload.
    pub fn trim(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.trim();
        }
    }

    /// Returns the capacity of the buffers in bytes.
    pub fn held_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| {
            engine.payload.capacity() + engine.inflated.capacity()
        })
    }

    /// Returns the totals since the compressor was created.
    pub fn tally(&self) -> Tally {
        self.tally
    }
}

struct Engine {
    compressor: Compressor,
    decompressor: DecompressorOxide,
    /// The compressed message.
    payload: Vec<u8>,
    /// The result of inflating the last piece, to compare it with the original.
    inflated: Vec<u8>,
}

impl Engine {
    fn new(level: u8) -> Box<Self> {
        let level = CompressionLvl::new(i32::from(level)).unwrap_or(CompressionLvl::fastest());
        Box::new(Self {
            compressor: Compressor::new(level),
            decompressor: DecompressorOxide::new(),
            payload: Vec::new(),
            inflated: Vec::new(),
        })
    }

    /// Compresses a message. Returns `None` if the payload would not be smaller than the message.
    fn compress(&mut self, message: &[u8], window: DeflateWindow) -> Option<&[u8]> {
        self.payload.clear();
        for piece in message.chunks(window.piece_bytes()) {
            if !self.payload.is_empty() {
                self.payload.extend_from_slice(&FLUSH);
            }
            self.append(piece)?;
            if self.payload.len() >= message.len() {
                return None;
            }
        }
        Some(&self.payload)
    }

    /// Compresses one piece and appends it, with the header bits of a flush. Returns `None` if
    /// compression failed.
    fn append(&mut self, piece: &[u8]) -> Option<()> {
        let start = self.payload.len();
        let max_bytes = self.compressor.deflate_compress_bound(piece.len());
        self.payload.resize(start + max_bytes, 0);
        let stream = &mut self.payload[start..];
        let stream_bytes = self.compressor.deflate_compress(piece, stream).ok()?;
        self.payload.truncate(start + stream_bytes);
        let block_bits = self.clear_final_mark(start, piece)?;
        let end = start + (block_bits + FLUSH_HEADER_BITS).div_ceil(8);
        self.payload.resize(end, 0);
        Some(())
    }

    /// Clears the BFINAL bit of the last block of the stream that begins at `start`. Returns the
    /// length of the blocks in bits, or `None` if they do not inflate to `piece`.
    fn clear_final_mark(&mut self, start: usize, piece: &[u8]) -> Option<usize> {
        const FLAGS: u32 = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
            | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY
            | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let stream = &mut self.payload[start..];
        self.inflated.resize(piece.len(), 0);
        self.decompressor.init();
        let (mut read, mut written) = (0, 0);
        // The first bit of each block is its BFINAL bit.
        let mut is_final_block = clear_bit(stream, 0);
        loop {
            let (status, newly_read, newly_written) = decompress(
                &mut self.decompressor,
                &stream[read..],
                &mut self.inflated,
                written,
                FLAGS,
            );
            (read, written) = (read + newly_read, written + newly_written);
            if status != TINFLStatus::BlockBoundary {
                return None;
            }
            // `num_bits` bits of the byte before `read` belong to the next block.
            let mut boundary = self.decompressor.block_boundary_state()?;
            let end_bit = read * 8 - usize::from(boundary.num_bits);
            if is_final_block {
                let is_equal = written == piece.len() && self.inflated == piece;
                return is_equal.then_some(end_bit);
            }
            is_final_block = clear_bit(stream, end_bit);
            if boundary.num_bits > 0 {
                // The decompressor has already read the BFINAL bit. Clear it there, too.
                boundary.bit_buf &= !1;
                self.decompressor = DecompressorOxide::from_block_boundary_state(&boundary);
            }
        }
    }

    fn trim(&mut self) {
        for buffer in [&mut self.payload, &mut self.inflated] {
            buffer.clear();
            buffer.shrink_to(DEFLATE_KEPT_BYTES);
        }
    }
}

/// Clears the bit at index `at` of a stream and returns its previous value. Bits are counted from
/// the least significant one of each byte (RFC 1951, section 3.1.1).
fn clear_bit(stream: &mut [u8], at: usize) -> bool {
    let Some(byte) = stream.get_mut(at / 8) else {
        return false;
    };
    let mask = 1 << (at % 8);
    let was_set = *byte & mask != 0;
    *byte &= !mask;
    was_set
}
