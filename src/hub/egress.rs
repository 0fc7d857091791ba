//! From outboxes to sends: once a turn, each connection with something pending gets one send.

use std::ops::Range;

use bytes::Bytes;

use crate::delivery::ENCODINGS;
use crate::limits::{EGRESS_ARENA_BYTES, EGRESS_SENDS, GATHER_BYTES};

use super::connection::{ConnectionId, Phase};
use super::{Hub, SocketAction};

/// One round of sends, gathered by [`Hub::poll_egress`] and carried out by the shell.
///
/// The bytes stay in place until [`Egress::clear`]: the shell hands pointers to them to the
/// kernel and must not clear before every send of the round is complete.
#[derive(Debug)]
pub struct Egress {
    arena: Vec<u8>,
    sends: Vec<Send>,
    /// The last connection gathered of each encoding: its twin may send the same stretch of the
    /// arena.
    previous: [Option<Previous>; ENCODINGS],
}

/// One send of one connection.
#[derive(Debug)]
pub struct Send {
    pub id: ConnectionId,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Arena(Range<usize>),
    /// A large frame, sent from where it lies.
    Frame(Bytes),
}

#[derive(Clone, Debug)]
struct Previous {
    slot: u32,
    frames: u32,
    range: Range<usize>,
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// So many bytes are with the kernel; zero if the socket could take none.
    Written(u32),
    /// The socket is broken.
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
    pub fn sends(&self) -> &[Send] {
        &self.sends
    }

    /// The bytes of one of this round's sends.
    pub fn bytes<'a>(&'a self, send: &'a Send) -> &'a [u8] {
        match &send.source {
            Source::Arena(range) => &self.arena[range.clone()],
            Source::Frame(bytes) => bytes,
        }
    }

    /// Forgets the round: all its sends are complete.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.sends.clear();
        self.previous = Default::default();
    }
}

impl Hub {
    /// Fills an empty `egress` with the next round. False: nothing is left to send.
    pub fn poll_egress(&mut self, egress: &mut Egress) -> bool {
        debug_assert!(egress.sends.is_empty(), "the round before is complete");
        while egress.sends.len() < EGRESS_SENDS {
            let Some(slot) = self.dirty.pop() else { break };
            if !self.gather(slot, egress) {
                self.dirty.push(slot);
                break;
            }
        }
        self.counts.sends += egress.sends.len() as u64;
        !egress.sends.is_empty()
    }

    /// Adds the send of one connection to the round. False: the arena has no room for it.
    fn gather(&mut self, slot: u32, egress: &mut Egress) -> bool {
        let Some(id) = self.connections.id_at(slot) else {
            return true;
        };
        let connection = self.connections.at(slot);
        let idle = connection.outbox.is_empty() || connection.outbox.is_sending();
        if idle || connection.blocked || !connection.dirty {
            connection.dirty = false;
            return true;
        }
        let encoding = connection.encoding.index();
        if let Some(previous) = egress.previous[encoding].clone() {
            let (this, twin) = self.connections.pair(slot, previous.slot);
            if this.outbox.same_as(&twin.outbox) {
                self.start(id, previous.frames, Source::Arena(previous.range), egress);
                return true;
            }
        }
        let outbox = &self.connections.at(slot).outbox;
        let front = self.pool.get(outbox.front_index());
        if front.bytes.len() >= GATHER_BYTES {
            let bytes = outbox.front(&self.pool);
            self.start(id, 1, Source::Frame(bytes), egress);
            return true;
        }
        let room = egress.arena.capacity() - egress.arena.len();
        if room < outbox.bytes() && !egress.arena.is_empty() {
            return false;
        }
        let from = egress.arena.len();
        let frames = outbox.gather(&self.pool, &mut egress.arena);
        let range = from..egress.arena.len();
        egress.previous[encoding] = Some(Previous {
            slot,
            frames,
            range: range.clone(),
        });
        self.start(id, frames, Source::Arena(range), egress);
        true
    }

    fn start(&mut self, id: ConnectionId, frames: u32, source: Source, egress: &mut Egress) {
        let send = Send { id, source };
        let bytes = egress.bytes(&send).len() as u32;
        let connection = self.connections.at(id.slot() as u32);
        connection.dirty = false;
        connection.outbox.sending(frames, bytes);
        egress.sends.push(send);
    }

    /// A send ended. Returns whether the socket is full: the shell then waits until it can take
    /// more and calls [`Hub::writable`].
    #[must_use]
    pub fn sent(&mut self, id: ConnectionId, sent: SendOutcome, now_us: u64) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        if connection.phase == Phase::Gone {
            return false;
        }
        let SendOutcome::Written(written) = sent else {
            self.lost(id);
            return false;
        };
        let (counts, latency) = (&mut self.counts, &self.latency);
        let all = connection.outbox.sent(written, &mut self.pool, |frame| {
            if let Some(delivery) = frame.delivery {
                let publications = u64::from(delivery.publications);
                latency.record(now_us.saturating_sub(delivery.arrived_us), publications);
                counts.written += publications;
            }
        });
        counts.written_bytes += u64::from(written);
        counts.pending_bytes -= u64::from(written);
        if !all {
            counts.sends_blocked += 1;
            connection.blocked = true;
            // From here on each publication takes the place of its predecessor as it comes.
            counts.dropped_conflated += connection.outbox.conflate(&mut self.pool, counts);
            return true;
        }
        if connection.outbox.is_empty() {
            self.flushed(id);
        } else if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(id.slot() as u32);
        }
        false
    }

    /// The socket can take more.
    pub fn writable(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.blocked = false;
        if !connection.dirty && !connection.outbox.is_empty() {
            connection.dirty = true;
            self.dirty.push(id.slot() as u32);
        }
    }

    /// All that a connection had to send is written.
    fn flushed(&mut self, id: ConnectionId) {
        let connection = self.connections.at(id.slot() as u32);
        if connection.phase != Phase::Closing {
            return;
        }
        if connection.read_closed {
            self.finish(id, false);
        } else {
            self.events.push_back(SocketAction::FinishWriting(id));
        }
    }
}
