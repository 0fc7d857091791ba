//! Counters of the connections of a run. Receiving thread.

/// Events on all connections of a fleet so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct FleetCounts {
    pub opened: usize,
    /// Connects or handshakes that the server refused.
    pub refused: u64,
    /// Connections that broke before they were open.
    pub failed: u64,
    /// Connections that ended after they were open.
    pub closed: u64,
    /// Pings of WebSocket and of the client protocol. All are answered.
    pub pings: u64,
    /// Messages that belong neither to the protocol nor to the load generator.
    pub unknown: u64,
    /// Text and binary messages.
    pub messages: u64,
    /// Messages that arrived compressed.
    pub deflated: u64,
    /// Bytes read from the sockets.
    pub received_bytes: u64,
}
