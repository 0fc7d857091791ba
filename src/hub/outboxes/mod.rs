//! The outboxes of one shard: what each connection still has to send. Shard core.
//!
//! ```text
//! pool     the frames that some outbox holds, each stored once
//! outbox   the pending frames of one connection, in order
//! fanout   one broadcast on its way to many outboxes
//! egress   one round of sends
//! ```
//!
//! [`Outboxes`] owns all of them, the list of outboxes to flush, and the state of each socket as
//! far as sending is concerned. Counters are updated where frames enter and leave.

mod egress;
mod fanout;
mod outbox;
mod pool;

use bytes::Bytes;

use crate::delivery::{Codec, Encoding};
use crate::limits::GATHER_BYTES;
use crate::observe::{Histogram, ShardCounts};

use super::connection_id::{ConnectionId, Slot};
use super::pages::Pages;

use egress::Source;
use outbox::{Outbox, Written};
use pool::Pool;

pub use egress::{Egress, Send, SendOutcome};
pub(super) use outbox::Room;
pub(super) use pool::FrameIndex;

/// The state of an outbox after a completed send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterSend {
    /// Everything is written.
    Empty,
    /// The outbox is on the list to be flushed again.
    Pending,
    /// The socket took less than it was given. Nothing is sent before [`Outboxes::unblock`].
    Blocked,
}

/// The pending frames of a connection, summed up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    pub(super) publications: u64,
    pub(super) bytes: usize,
    /// When the oldest publication arrived.
    pub(super) oldest_us: Option<u64>,
    pub(super) is_blocked: bool,
}

/// Whether a socket can take bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SocketState {
    Ready,
    /// The socket took less than it was given, and the shell waits until it is writable.
    Full,
    /// A send has failed. Nothing is sent any more.
    Broken,
}

/// The outbox of one slot.
#[derive(Debug)]
struct Entry {
    outbox: Outbox,
    encoding: Encoding,
    socket: SocketState,
    /// The slot is on the list to be flushed.
    is_listed: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            outbox: Outbox::default(),
            encoding: Encoding::plain(Codec::Raw),
            socket: SocketState::Ready,
            is_listed: false,
        }
    }
}

/// The outboxes of one shard by slot.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    entries: Pages<Entry>,
    pool: Pool,
    /// Slots with something to send, each at most once.
    to_flush: Vec<Slot>,
}

impl Outboxes {
    /// Prepares the outbox of a new connection.
    pub(super) fn open(&mut self, slot: Slot) {
        while self.entries.len() <= slot.index() {
            self.entries.push(Entry::default());
        }
        debug_assert!(self.entries[slot.index()].outbox.is_empty());
        let is_listed = self.entries[slot.index()].is_listed;
        self.entries[slot.index()] = Entry {
            is_listed,
            ..Entry::default()
        };
    }

    /// Sets the wire form in which the connection receives publications.
    pub(super) fn set_encoding(&mut self, slot: Slot, encoding: Encoding) {
        self.entries[slot.index()].encoding = encoding;
    }

    pub(super) fn is_empty(&self, slot: Slot) -> bool {
        self.entries[slot.index()].outbox.is_empty()
    }

    /// Returns the number of bytes not written.
    pub(super) fn pending_bytes(&self, slot: Slot) -> usize {
        self.entries[slot.index()].outbox.bytes()
    }

    /// Returns the number of publications not written, all outboxes together.
    pub(super) fn pending_publications(&self) -> u64 {
        self.pool.held()
    }

    pub(super) fn backlog(&self, slot: Slot) -> Backlog {
        let entry = &self.entries[slot.index()];
        let (publications, oldest_us) = entry.outbox.publications(&self.pool);
        Backlog {
            publications,
            bytes: entry.outbox.bytes(),
            oldest_us,
            is_blocked: entry.socket != SocketState::Ready,
        }
    }

    /// Appends a reply, ping, close frame or HTTP response.
    pub(super) fn push(
        &mut self,
        slot: Slot,
        bytes: Bytes,
        counts: &mut ShardCounts,
    ) -> FrameIndex {
        counts.pending_bytes += bytes.len() as u64;
        let frame = self.pool.insert(bytes, None);
        let entry = &mut self.entries[slot.index()];
        entry.outbox.push(frame, &self.pool);
        entry.list_for_flush(slot, &mut self.to_flush);
        frame
    }

    /// Drops publications until the outbox fits into `limit_bytes`, oldest first, where the
    /// policies of their topics allow it. `newest` is the frame that was appended last.
    pub(super) fn make_room(
        &mut self,
        slot: Slot,
        newest: FrameIndex,
        limit_bytes: usize,
        counts: &mut ShardCounts,
    ) -> Room {
        let outbox = &mut self.entries[slot.index()].outbox;
        outbox.make_room(newest, limit_bytes, &mut self.pool, counts)
    }

    /// Drops the publications of which the kernel has no part yet. Returns their number.
    pub(super) fn drop_publications(&mut self, slot: Slot, counts: &mut ShardCounts) -> u64 {
        let outbox = &mut self.entries[slot.index()].outbox;
        outbox.drop_publications(&mut self.pool, counts)
    }

    /// Drops everything, including what a send in flight holds. Returns the number of publications.
    pub(super) fn clear(&mut self, slot: Slot, counts: &mut ShardCounts) -> u64 {
        let entry = &mut self.entries[slot.index()];
        entry.outbox.clear(&mut self.pool, counts)
    }

    /// Records how many bytes a send wrote.
    pub(super) fn sent(
        &mut self,
        slot: Slot,
        written_bytes: u32,
        now_us: u64,
        latency: &Histogram,
        counts: &mut ShardCounts,
    ) -> AfterSend {
        let entry = &mut self.entries[slot.index()];
        let written = entry
            .outbox
            .sent(written_bytes, &mut self.pool, |delivery| {
                let publications = u64::from(delivery.publications);
                latency.record(now_us.saturating_sub(delivery.arrived_us), publications);
                counts.written += publications;
            });
        counts.written_bytes += u64::from(written_bytes);
        counts.pending_bytes -= u64::from(written_bytes);
        match written {
            Written::Partly => {
                counts.sends_blocked += 1;
                entry.socket = SocketState::Full;
                // From now on each publication of a topic that conflates replaces the previous one.
                counts.dropped_conflated += entry.outbox.conflate(&mut self.pool, counts);
                AfterSend::Blocked
            }
            Written::Wholly if entry.outbox.is_empty() => AfterSend::Empty,
            Written::Wholly => {
                entry.list_for_flush(slot, &mut self.to_flush);
                AfterSend::Pending
            }
        }
    }

    /// Records that the socket can take more.
    pub(super) fn unblock(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.index()];
        if entry.socket == SocketState::Full {
            entry.socket = SocketState::Ready;
        }
        if !entry.outbox.is_empty() {
            entry.list_for_flush(slot, &mut self.to_flush);
        }
    }

    /// Records that the send in flight has failed. Nothing is sent any more.
    pub(super) fn fail(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.index()];
        entry.outbox.sent(0, &mut self.pool, |_| {});
        entry.socket = SocketState::Broken;
    }

    /// Returns whether a send has failed.
    pub(super) fn is_broken(&self, slot: Slot) -> bool {
        self.entries[slot.index()].socket == SocketState::Broken
    }

    /// Adds sends to an empty round until the round is full or nothing is left to send. `id_of`
    /// returns the connection of a slot, if there is one.
    pub(super) fn fill(
        &mut self,
        egress: &mut Egress,
        id_of: impl Fn(Slot) -> Option<ConnectionId>,
    ) {
        debug_assert!(egress.sends().is_empty(), "the previous round is complete");
        while !egress.is_full() {
            let Some(slot) = self.to_flush.pop() else {
                return;
            };
            self.entries[slot.index()].is_listed = false;
            let Some(id) = id_of(slot) else { continue };
            if self.add_send(slot, id, egress) == Gathered::NoRoom {
                self.entries[slot.index()].is_listed = true;
                self.to_flush.push(slot);
                return;
            }
        }
    }

    /// Adds the send of one connection to the round, if it has something to send.
    fn add_send(&mut self, slot: Slot, id: ConnectionId, egress: &mut Egress) -> Gathered {
        let entry = &self.entries[slot.index()];
        let outbox = &entry.outbox;
        if outbox.is_empty() || outbox.is_sending() || entry.socket != SocketState::Ready {
            return Gathered::Done;
        }
        let source = if let Some(same) = self.same_as_previous(slot, egress) {
            same
        } else if let Some(bytes) = outbox.large_front(&self.pool, GATHER_BYTES) {
            Source::Frame(bytes)
        } else {
            if egress.arena_room() < outbox.bytes() && !egress.arena_is_empty() {
                return Gathered::NoRoom;
            }
            egress.gather(slot, entry.encoding, |arena| {
                outbox.gather(&self.pool, arena)
            })
        };
        let (frames, bytes) = egress.add(id, source);
        self.entries[slot.index()].outbox.start_send(frames, bytes);
        Gathered::Done
    }

    /// Returns the bytes gathered for the previous outbox of the same encoding, if this outbox
    /// contains the same frames. A thousand subscribers of one topic then cost one copy.
    fn same_as_previous(&self, slot: Slot, egress: &Egress) -> Option<Source> {
        let entry = &self.entries[slot.index()];
        let previous = egress.previous(entry.encoding)?;
        let other = &self.entries[previous.slot.index()].outbox;
        entry.outbox.sends_same_as(other).then(|| previous.source())
    }
}

/// Whether a round has room for the send of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gathered {
    Done,
    NoRoom,
}

impl Entry {
    /// Puts the slot on the list to be flushed, unless it is there or its socket takes no bytes.
    fn list_for_flush(&mut self, slot: Slot, to_flush: &mut Vec<Slot>) {
        if !self.is_listed && self.socket == SocketState::Ready {
            self.is_listed = true;
            to_flush.push(slot);
        }
    }
}
