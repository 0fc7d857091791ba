//! The services that a hub needs from the process around it at once. Shard core.
//!
//! Requests whose answer takes longer are questions: see [`super::Question`].

use crate::delivery::Codec;
use crate::observe::Health;

/// Whether the process has room for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAdmission {
    /// Within `ws.max_connections`.
    Admitted,
    /// Over `ws.max_connections`, but within the sockets kept for refusals: the socket may ask for
    /// `/health`, and gets a 503 instead of an upgrade.
    OverLimit,
    /// The sockets kept for refusals are in use, too. The socket is not counted.
    Refused,
}

/// Whether a user may have another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum UserAdmission {
    /// Within `auth.user_connection_limit`. The connection is counted.
    Admitted,
    OverLimit,
}

/// The process around a hub. Calls return at once and must not call the hub.
pub trait Upstream {
    /// Counts a new socket, unless it is refused.
    fn admit(&self) -> SocketAdmission;
    /// Removes a socket from the count.
    fn leave(&self);
    /// Counts a connection of a user on any shard, unless the user has as many as the limit allows.
    fn enter_user(&self, user: &str) -> UserAdmission;
    /// Subtracts a connection of a user that was admitted.
    fn leave_user(&self, user: &str);
    /// Sets whether this shard wants publications of topics with this hash.
    fn want(&mut self, topic_hash: u64, wanted: bool);
    /// Counts a connection that receives publications in this codec.
    fn add_codec(&self, codec: Codec);
    /// Removes a connection from the count of its codec.
    fn remove_codec(&self, codec: Codec);
    /// Returns the health of the process.
    fn health(&self) -> Health;
}
