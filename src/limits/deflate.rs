//! Bounds on compression and decompression (permessage-deflate, RFC 7692). Used by shard threads.

use std::ops::RangeInclusive;

/// Compression levels of libdeflate that compress. Level 0 would only add a header.
pub const DEFLATE_LEVELS: RangeInclusive<u8> = 1..=12;

/// Smallest deflate window, in bits, for which frames are compressed. Clients that ask for less
/// memory than the default of 32 KiB usually ask for 12 bits (4 KiB). A smaller window would divide
/// every message into blocks that are too small to compress well.
pub const DEFLATE_WINDOW_BITS: u8 = 12;

/// Memory that each buffer of a shard's compressor and decompressor keeps between two messages.
pub const DEFLATE_KEPT_BYTES: usize = 64 * 1024;

/// Memory that is first allocated for a decompressed message. Most messages are short commands.
pub const INFLATE_START_BYTES: usize = 4 * 1024;

/// Number of deflate blocks that any compressed message may have. [`INFLATE_BLOCK_BYTES`] allows
/// more blocks in longer messages.
///
/// Decompression needs 4 us of preparation for each block. Without a bound, a client that sends
/// empty blocks could occupy a shard with 300 kB/s. Small messages normally have one or two blocks.
pub const INFLATE_BLOCKS: usize = 8;

/// Length of compressed payload that allows one block beyond [`INFLATE_BLOCKS`]. The smallest
/// blocks that zlib writes, with its least memory setting, have 27 bytes.
pub const INFLATE_BLOCK_BYTES: usize = 16;
