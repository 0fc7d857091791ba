//! Compression of messages by permessage-deflate (RFC 7692, section 7.2). Used on every shard
//! thread.
//!
//! No state is kept between messages in either direction. Each message is compressed separately, so
//! that one compressed frame can be sent to all subscribers, and a connection needs no memory for
//! compression. [`super::handshake`] negotiates the parameters.
//!
//! ```text
//! message -> Deflater::deflate -> payload of a frame with RSV1, or None: send it uncompressed
//! payload of a frame with RSV1 -> Inflater::inflate -> message, or a ProtocolViolation
//! ```

mod deflater;
mod flush;
mod inflater;
mod window;

pub use deflater::{Deflater, Tally};
pub use inflater::Inflater;
pub use window::DeflateWindow;

pub(super) use inflater::max_payload_bytes;
