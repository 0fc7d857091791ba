//! Outbound: one message to one compressed payload (RFC 7692, section 7.2.1). Shard cores; a shard
//! owns one.
//!
//! libdeflate ends every stream with a block marked as the last one (BFINAL). RFC 7692 allows that
//! in a message (section 7.2.3.4), but several deployed clients close the connection at it or
//! stop reading. So the stream is walked once, by another decompressor, which finds where its
//! blocks begin and end: the mark is taken off, and the bits of a flush are put at the end. The
//! same walk proves that what is sent inflates to what was to be said.

use libdeflater::{CompressionLvl, Compressor};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::{FLUSH, FLUSH_HEADER_BITS};
use crate::limits::{DEFLATE_KEPT_BYTES, DEFLATE_WINDOW_BITS};

/// How far back the compressed data may refer, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateWindow {
    /// 2 to the power of [`DEFLATE_WINDOW_BITS`] bytes, for clients that keep no more.
    Narrow,
    /// 32 KiB, the most there is.
    Full,
}

impl DeflateWindow {
    /// Bytes that are compressed in one piece; nothing refers beyond its piece.
    pub fn piece_bytes(self) -> usize {
        match self {
            Self::Narrow => 1 << DEFLATE_WINDOW_BITS,
            Self::Full => usize::MAX,
        }
    }
}

/// What became of the messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were compressed.
    pub compressed: u64,
    /// Messages below the threshold.
    pub small: u64,
    /// Messages that would not have become smaller.
    pub incompressible: u64,
    /// Bytes of the compressed messages, before and after.
    pub bytes_before: u64,
    pub bytes_after: u64,
}

/// Compresses messages, each by itself.
#[derive(Default)]
pub struct Deflater {
    level: u8,
    threshold: usize,
    /// Made when the first message is compressed: some hundred KiB, from level 10 on 9 MB.
    engine: Option<Box<Engine>>,
    tally: Tally,
}

impl Deflater {
    /// `level`: 1, the fastest, to 12, the smallest. `threshold`: bytes of a message below which
    /// it is not worth it.
    pub fn new(level: u8, threshold: usize) -> Self {
        Self {
            level,
            threshold,
            ..Self::default()
        }
    }

    /// New rules from the next message on.
    pub fn reconfigure(&mut self, level: u8, threshold: usize) {
        if self.level != level {
            self.engine = None;
        }
        (self.level, self.threshold) = (level, threshold);
    }

    /// The payload that stands for `message` in a frame with RSV1, never empty. `None`: it is not
    /// worth it, so send it plain.
    pub fn deflate(&mut self, message: &[u8], window: DeflateWindow) -> Option<&[u8]> {
        if message.len() < self.threshold || message.is_empty() {
            self.tally.small += 1;
            return None;
        }
        let level = self.level;
        let engine = self.engine.get_or_insert_with(|| Engine::new(level));
        if !engine.pack(message, window) {
            self.tally.incompressible += 1;
            return None;
        }
        self.tally.compressed += 1;
        self.tally.bytes_before += message.len() as u64;
        self.tally.bytes_after += engine.packed.len() as u64;
        Some(&engine.packed)
    }

    /// Gives back what a large message needed. To be called when the message is dealt with.
    pub fn trim(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.trim();
        }
    }

    /// Bytes of the buffers that messages are compressed and checked in.
    pub fn held_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| {
            engine.packed.capacity() + engine.unpacked.capacity()
        })
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }
}

struct Engine {
    compressor: Compressor,
    walker: DecompressorOxide,
    packed: Vec<u8>,
    /// What the walk makes of the piece.
    unpacked: Vec<u8>,
}

impl Engine {
    fn new(level: u8) -> Box<Self> {
        let level = CompressionLvl::new(i32::from(level)).unwrap_or(CompressionLvl::fastest());
        Box::new(Self {
            compressor: Compressor::new(level),
            walker: DecompressorOxide::new(),
            packed: Vec::new(),
            unpacked: Vec::new(),
        })
    }

    /// Fills `packed`. False: it would not be smaller than the message.
    fn pack(&mut self, message: &[u8], window: DeflateWindow) -> bool {
        self.packed.clear();
        for piece in message.chunks(window.piece_bytes()) {
            if !self.packed.is_empty() {
                self.packed.extend_from_slice(&FLUSH);
            }
            if !self.append(piece) || self.packed.len() >= message.len() {
                return false;
            }
        }
        true
    }

    /// Compresses one piece, up to the bits of its flush.
    fn append(&mut self, piece: &[u8]) -> bool {
        let from = self.packed.len();
        let bound = self.compressor.deflate_compress_bound(piece.len());
        self.packed.resize(from + bound, 0);
        let Ok(bytes) = self
            .compressor
            .deflate_compress(piece, &mut self.packed[from..])
        else {
            return false;
        };
        self.packed.truncate(from + bytes);
        let Some(bits) = self.unseal(from, piece) else {
            return false;
        };
        let whole = from + (bits + FLUSH_HEADER_BITS).div_ceil(8);
        self.packed.resize(whole, 0);
        true
    }

    /// Takes the mark off the last block of the stream that begins at `from`. Returns the length
    /// of its blocks in bits; `None` if they do not inflate to `piece`.
    fn unseal(&mut self, from: usize, piece: &[u8]) -> Option<usize> {
        const FLAGS: u32 = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
            | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY
            | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let stream = &mut self.packed[from..];
        self.unpacked.resize(piece.len(), 0);
        self.walker.init();
        let (mut read, mut written) = (0, 0);
        let mut is_last = clear_bit(stream, 0);
        loop {
            let input = &stream[read..];
            let (status, took, gave) =
                decompress(&mut self.walker, input, &mut self.unpacked, written, FLAGS);
            (read, written) = (read + took, written + gave);
            if status != TINFLStatus::BlockBoundary {
                return None;
            }
            // Bits of the byte before `read` that belong to what comes next.
            let mut boundary = self.walker.block_boundary_state()?;
            let end = read * 8 - usize::from(boundary.num_bits);
            if is_last {
                return (written == piece.len() && self.unpacked == piece).then_some(end);
            }
            is_last = clear_bit(stream, end);
            if boundary.num_bits > 0 {
                // The walker has already read the bit.
                boundary.bit_buf &= !1;
                self.walker = DecompressorOxide::from_block_boundary_state(&boundary);
            }
        }
    }

    fn trim(&mut self) {
        for buffer in [&mut self.packed, &mut self.unpacked] {
            buffer.clear();
            buffer.shrink_to(DEFLATE_KEPT_BYTES);
        }
    }
}

/// Clears the bit number `at` of a stream, least significant first (RFC 1951, section 3.1.1), and
/// returns what it was.
fn clear_bit(stream: &mut [u8], at: usize) -> bool {
    let Some(byte) = stream.get_mut(at / 8) else {
        return false;
    };
    let mask = 1 << (at % 8);
    let was_set = *byte & mask != 0;
    *byte &= !mask;
    was_set
}
