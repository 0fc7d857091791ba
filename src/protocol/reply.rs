//! The replies of the Centrifugal client protocol, whatever their codec. Shard cores.

use super::codes::ClientError;

/// The reply to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    Connect {
        /// The id that the server gives to the client.
        client: &'a str,
        /// Name and version of the server.
        version: &'a str,
        /// Interval in seconds at which the server sends pings, each of which the client answers.
        /// The client reconnects when a ping is late. 0: the server sends no pings.
        ping_s: u32,
    },
    /// Grants neither recovery nor positioning, and no numeric channel id.
    Subscribe,
    Unsubscribe,
    Publish,
    /// The reply to a ping of the client.
    Ping,
    Error(ClientError),
}
