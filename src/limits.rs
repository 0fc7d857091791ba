//! Every bound of the system, each with its reason. Used on every core.
//!
//! What an operator may want to change is configuration; what stands here is what the design
//! relies on, and the ceilings that configuration may not pass.

/// Bytes of a topic name. The client protocol's SDKs and the peers use the same bound.
pub const TOPIC_BYTES: usize = 255;

/// Bytes of a request head, request line and headers together. Proxies commonly stop at 8 KiB.
pub const HANDSHAKE_BYTES: usize = 8 * 1024;

/// Bytes of one line of the request head: long enough for 32 topics in a query string.
pub const REQUEST_TARGET_BYTES: usize = 4 * 1024;

/// Payload bytes of a control frame (RFC 6455, section 5.5).
pub const CONTROL_PAYLOAD_BYTES: usize = 125;

/// Fragments of one message: a peer that sends empty fragments for ever is cut off here.
pub const FRAGMENTS: u32 = 4 * 1024;

/// Client commands in one WebSocket message. SDKs batch their resubscriptions on reconnect.
pub const COMMANDS_PER_MESSAGE: usize = 256;

/// Nesting of arrays and objects in what clients and publishers send. Real messages stay below
/// ten; browsers' and SDKs' parsers are recursive.
pub const JSON_DEPTH: usize = 64;
