//! The end of a compressed message (RFC 7692, section 7.2.1). Used on every shard thread.

/// Ends a message at a byte boundary. Senders omit these bytes, and receivers append them before
/// they inflate. Together with the 3 header bits in front of them, they are an empty block without
/// compression (RFC 1951, section 3.2.4).
pub(super) const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Number of header bits of the empty block: BFINAL = 0 and BTYPE = 00. They are sent.
pub(super) const FLUSH_HEADER_BITS: usize = 3;
