//! The server side of WebSocket: the HTTP upgrade, frames (RFC 6455) and compression (RFC 7692).
//!
//! This module has no IO, reads no clock and knows no topics. It converts between bytes and
//! requests, responses, messages and frames. It runs on every shard thread; the ingest thread uses
//! [`encode`] for broadcasts.
//!
//! ```text
//! request head      handshake::parse -> HttpRequest, or an HttpRefusal -> error response
//! HttpRequest       HttpRequest::accept -> 101 response, or an HttpRefusal -> error response
//! received bytes    Decoder::next -> Incoming, or a ProtocolViolation -> close frame
//! payload to send   encode::{text, binary, pong, close} -> frame
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
