//! What permessage-deflate does to a message (RFC 7692, section 7.2). Used on every shard core.
//!
//! No state is kept from one message to the next, in either direction: every message is
//! compressed by itself, so that one compressed frame serves all who subscribed, and a connection
//! costs no memory. What was negotiated is in [`super::handshake`].
//!
//! ```text
//! message -> Deflater::deflate -> payload of an RSV1 frame for everyone     or None: send it plain
//! payload of an RSV1 frame -> Inflater::inflate -> message                  or a ProtocolViolation
//! ```

mod inflate;
mod pack;

pub use inflate::Inflater;
pub use pack::{DeflateWindow, Deflater, Tally};

/// Ends a message on a byte's boundary. Senders leave it out and receivers put it back (section
/// 7.2.1). It is an empty block without compression, less the 3 bits of its header.
const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The bits in front of [`FLUSH`] that say: a block without compression, and not the last one.
const FLUSH_HEADER_BITS: usize = 3;

/// Bytes that the payload of a message of at most so many bytes may have. A poor compressor adds
/// to what does not compress; this is what zlib's adds at most, whatever its settings.
pub(super) fn payload_bound(max_message: usize) -> usize {
    max_message + max_message / 8 + max_message / 64 + 64
}
