//! One round of sends: at most one send for each connection. Shard core.

use std::ops::Range;

use bytes::Bytes;

use crate::delivery::{ENCODINGS, Encoding};
use crate::limits::{EGRESS_ARENA_BYTES, EGRESS_SENDS};

use super::super::connection_id::{ConnectionId, Slot};

/// A round of sends, filled by [`super::super::Hub::poll_egress`] and carried out by the shell.
///
/// The bytes keep their address until [`Egress::clear`]. The shell passes pointers to the kernel,
/// so it must not clear the round before every send of it is complete.
#[derive(Debug)]
pub struct Egress {
    arena: Vec<u8>,
    sends: Vec<Send>,
    /// The last outbox that was gathered, for each encoding.
    previous: [Option<Previous>; ENCODINGS],
}

/// One send of one connection.
#[derive(Debug)]
pub struct Send {
    pub id: ConnectionId,
    source: Source,
}

/// Where the bytes of a send are.
#[derive(Debug)]
pub(super) enum Source {
    /// Small frames, copied together.
    Arena { frames: u32, range: Range<usize> },
    /// One large frame, sent without a copy.
    Frame(Bytes),
}

/// An outbox that was gathered in this round.
#[derive(Clone, Debug)]
pub(super) struct Previous {
    pub(super) slot: Slot,
    frames: u32,
    range: Range<usize>,
}

impl Previous {
    pub(super) fn source(&self) -> Source {
        Source::Arena {
            frames: self.frames,
            range: self.range.clone(),
        }
    }
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The kernel took this number of bytes; zero if the socket is full.
    Written(u32),
    /// The socket takes no more bytes. The shell first passes the bytes that the peer has sent to
    /// the hub. Then it calls [`super::super::Hub::lost`] or [`super::super::Hub::end_of_stream`].
    Failed,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            arena: Vec::with_capacity(EGRESS_ARENA_BYTES),
            sends: Vec::with_capacity(EGRESS_SENDS),
            previous: Default::default(),
        }
    }
}

impl Egress {
    /// Returns the sends of this round.
    pub fn sends(&self) -> &[Send] {
        &self.sends
    }

    /// Returns the bytes of a send of this round.
    pub fn bytes<'a>(&'a self, send: &'a Send) -> &'a [u8] {
        match &send.source {
            Source::Arena { range, .. } => &self.arena[range.clone()],
            Source::Frame(bytes) => bytes,
        }
    }

    /// Empties the round after all its sends are complete.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.sends.clear();
        self.previous = Default::default();
    }

    pub(super) fn is_full(&self) -> bool {
        self.sends.len() >= EGRESS_SENDS
    }

    pub(super) fn arena_is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// Returns the number of bytes that the arena can take. The arena never grows, because a
    /// larger one would have another address.
    pub(super) fn arena_room(&self) -> usize {
        self.arena.capacity() - self.arena.len()
    }

    pub(super) fn previous(&self, encoding: Encoding) -> Option<&Previous> {
        self.previous[encoding.index()].as_ref()
    }

    /// Copies frames into the arena. `copy` appends them and returns their number.
    pub(super) fn gather(
        &mut self,
        slot: Slot,
        encoding: Encoding,
        copy: impl FnOnce(&mut Vec<u8>) -> u32,
    ) -> Source {
        let start = self.arena.len();
        let frames = copy(&mut self.arena);
        let previous = Previous {
            slot,
            frames,
            range: start..self.arena.len(),
        };
        let source = previous.source();
        self.previous[encoding.index()] = Some(previous);
        source
    }

    /// Adds a send. Returns the number of its frames and of its bytes.
    pub(super) fn add(&mut self, id: ConnectionId, source: Source) -> (u32, u32) {
        let (frames, bytes) = match &source {
            Source::Arena { frames, range } => (*frames, range.len()),
            Source::Frame(bytes) => (1, bytes.len()),
        };
        self.sends.push(Send { id, source });
        (frames, bytes as u32)
    }
}
