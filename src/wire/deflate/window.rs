//! The sizes of the sliding window that messages are compressed for. Used on every shard thread.

use crate::limits::DEFLATE_WINDOW_BITS;

/// The greatest distance, in bytes, that a back reference of compressed data may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateWindow {
    /// 2 to the power of [`DEFLATE_WINDOW_BITS`] bytes, for clients that limit the window.
    Narrow,
    /// 32 KiB, the maximum of DEFLATE.
    Full,
}

impl DeflateWindow {
    /// Returns the length, in bytes, of the pieces that a message is compressed in. Back references
    /// do not cross the border of a piece.
    pub fn piece_bytes(self) -> usize {
        match self {
            Self::Narrow => 1 << DEFLATE_WINDOW_BITS,
            Self::Full => usize::MAX,
        }
    }
}
