//! Bytes to WebSocket and back: the HTTP upgrade, RFC 6455 framing and RFC 7692 compression,
//! server side.
//!
//! Sans-IO: no socket, no clock, no topics. Used on every shard core, by one connection at a time.
//!
//! ```text
//! request head  handshake::parse -> HttpRequest -> accept -> 101, or an HttpRefusal -> response
//! bytes in      decode::Decoder -> Incoming, or a ProtocolViolation -> encode::close
//! payload out   encode::{text, binary, pong, close} -> bytes
//! ```

pub mod decode;
pub mod deflate;
pub mod encode;
mod frame;
pub mod handshake;
mod mask;
mod partial;
pub mod violation;

pub use decode::{Decoder, Incoming};
pub use deflate::{Deflater, Inflater};
pub use handshake::{AgreedDeflate, DeflateOffer, HttpRefusal, HttpRequest};
pub use violation::ProtocolViolation;
