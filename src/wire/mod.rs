//! Bytes to WebSocket and back: the HTTP upgrade, RFC 6455 framing and RFC 7692 compression,
//! server side.
//!
//! Sans-IO: no socket, no clock, no topics. Used on every shard core, by one connection at a time.
//!
//! ```text
//! request head -> handshake::parse -> Request -> accept -> 101       or a Refusal -> response
//! bytes in     -> decode::Decoder  -> Event                          or a Fault -> encode::close
//! payload out  -> encode::{text, binary, pong, close} -> bytes
//! ```

pub mod decode;
pub mod deflate;
pub mod encode;
pub mod fault;
mod frame;
pub mod handshake;
mod mask;
mod partial;

pub use decode::{Decoder, Event};
pub use deflate::{Deflater, Inflater};
pub use fault::Fault;
pub use handshake::{Deflate, Offer, Refusal, Request};
