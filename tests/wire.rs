//! Tests of src/wire against RFC 6455, RFC 7692, RFC 9110 and RFC 9112: one test per rule, property
//! tests that divide byte streams into random pieces, and comparisons with tungstenite and zlib.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "wire/contents.rs"]
mod contents;
#[path = "wire/support.rs"]
mod support;
#[path = "wire/zlib.rs"]
mod zlib;

#[path = "wire/apple.rs"]
mod apple;
#[path = "wire/chunking.rs"]
mod chunking;
#[path = "wire/close.rs"]
mod close;
#[path = "wire/compressed.rs"]
mod compressed;
#[path = "wire/deflate.rs"]
mod deflate;
#[path = "wire/encode.rs"]
mod encode;
#[path = "wire/frames.rs"]
mod frames;
#[path = "wire/handshake.rs"]
mod handshake;
#[path = "wire/inflate.rs"]
mod inflate;
#[path = "wire/inflaters.rs"]
mod inflaters;
#[path = "wire/memory.rs"]
mod memory;
#[path = "wire/messages.rs"]
mod messages;
#[path = "wire/negotiation.rs"]
mod negotiation;
#[path = "wire/oracle.rs"]
mod oracle;
#[path = "wire/origin.rs"]
mod origin;
#[path = "wire/query.rs"]
mod query;
#[path = "wire/refusal.rs"]
mod refusal;
#[path = "wire/utf8.rs"]
mod utf8;
