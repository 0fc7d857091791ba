//! What a hub asks of the process around it, and what it is given to deliver.

use bytes::Bytes;

use crate::observe::Health;

/// One wire form of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// The Centrifugal client protocol's JSON push in a text frame.
    Json,
    /// The bare payload in a text or binary frame.
    Raw,
}

/// How many encodings there are.
pub const ENCODINGS: usize = 2;

/// A broadcast as the hub sees it: shared by all cores, encoded at most once for the process.
pub trait Outgoing {
    fn topic(&self) -> &str;
    /// The hash of the topic by the process's [`super::TopicHasher`].
    fn topic_hash(&self) -> u64;
    /// The whole WebSocket frame.
    fn frame(&self, encoding: Encoding) -> Bytes;
    /// When the publication arrived at the ingest socket.
    fn arrived_us(&self) -> u64;
}

/// The process around a hub. Calls return at once; none may call back into the hub.
pub trait Upstream {
    /// Counts a fresh socket in. `None`: no room even to refuse politely. `Some(true)`: past the
    /// limit, so it may ask for `/health` but not stay.
    fn admit(&self) -> Option<bool>;
    /// Counts a socket out.
    fn leave(&self);
    /// From now on publications to topics with this hash are wanted here, or no longer.
    fn want(&mut self, topic_hash: u64, wanted: bool);
    /// A connection that takes `encoding` came (true) or went.
    fn encoding(&self, encoding: Encoding, came: bool);
    /// Hands a client's publication to ingest, where it gets its place in the topic's order.
    fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Busy>;
    fn health(&self) -> Health;
}

/// Ingest has its hands full; the client may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ingest queue is full; try again")]
pub struct Busy;
