//! What a hub asks of the process around it, and what it is given to deliver.

use crate::delivery::Codec;
use crate::observe::Health;

/// The process around a hub. Calls return at once; none may call back into the hub.
pub trait Upstream {
    /// Counts a fresh socket in. `None`: no room even to refuse politely. `Some(true)`: past the
    /// limit, so it may ask for `/health` but not stay.
    fn admit(&self) -> Option<bool>;
    /// Counts a socket out.
    fn leave(&self);
    /// From now on publications to topics with this hash are wanted here, or no longer.
    fn want(&mut self, topic_hash: u64, wanted: bool);
    /// A connection that takes this codec came (true) or went.
    fn codec(&self, codec: Codec, came: bool);
    fn health(&self) -> Health;
}
