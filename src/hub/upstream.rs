//! What a hub asks of the process around it, and what it is given to deliver.

use bytes::Bytes;

use crate::observe::Health;
use crate::wire::Deflater;
use crate::wire::deflate::Window;

/// What a publication looks like to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// The Centrifugal client protocol's JSON push in a text frame.
    Json,
    /// The bare payload in a text or binary frame.
    Raw,
}

/// How many forms there are.
pub const FORMS: usize = 2;

/// One wire form of a broadcast: plain, or compressed for clients with a window of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    pub form: Form,
    /// `None`: not compressed.
    pub window: Option<Window>,
}

/// How many encodings there are.
pub const ENCODINGS: usize = 3 * FORMS;

impl Encoding {
    pub fn plain(form: Form) -> Self {
        Self { form, window: None }
    }

    pub fn is_deflated(self) -> bool {
        self.window.is_some()
    }

    /// Its place in an array of all encodings.
    pub fn index(self) -> usize {
        let window = match self.window {
            None => 0,
            Some(Window::Narrow) => 1,
            Some(Window::Full) => 2,
        };
        window * FORMS + self.form as usize
    }
}

/// A broadcast as the hub sees it: shared by all cores, encoded at most once for the process.
pub trait Outgoing {
    fn topic(&self) -> &str;
    /// The hash of the topic by the process's [`super::TopicHasher`].
    fn topic_hash(&self) -> u64;
    /// Whole WebSocket frames, as a rule one. `deflater` compresses what nobody has compressed yet.
    fn frames(&self, encoding: Encoding, deflater: &mut Deflater) -> Bytes;
    /// How many publications it carries, at least one.
    fn publications(&self) -> u32;
    /// When the publications arrived at the ingest socket.
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
    /// A connection that takes this form came (true) or went.
    fn form(&self, form: Form, came: bool);
    /// Hands a client's publication to ingest, where it gets its place in the topic's order.
    fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Busy>;
    fn health(&self) -> Health;
}

/// Ingest has its hands full; the client may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ingest queue is full; try again")]
pub struct Busy;
