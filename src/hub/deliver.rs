//! From a broadcast to the outboxes of its subscribers, and what happens when one is full.

use crate::config::SlowPolicy;
use crate::delivery::{Broadcast, Codec, ENCODINGS, Encoding};
use crate::observe::{PipelineStage, ShardCounts, lossy};
use crate::wire::deflate::DeflateWindow;

use super::connection::{Connection, ConnectionId};
use super::pool::{Delivery, FrameIndex, Pool};
use super::{CloseReason, Hub};

impl Hub {
    /// Appends the broadcast to the outbox of every connection that is subscribed to its topic.
    pub fn publish(&mut self, broadcast: &Broadcast, now_us: u64) {
        self.counts.broadcasts += 1;
        let Some(topic) = self.topics.find(broadcast.topic_hash(), broadcast.topic()) else {
            return;
        };
        let topic = self.topics.get_mut(topic);
        let delivery = Delivery {
            topic_hash: topic.hash,
            arrived_us: broadcast.arrived_us(),
            publications: broadcast.publications(),
            slow: topic.slow,
        };
        // What the newest takes the place of where it still waits.
        let conflates = topic.slow == SlowPolicy::Conflate;
        let previous = topic.previous.as_deref().filter(|_| conflates);
        let previous = previous.map_or([None; ENCODINGS], |previous| {
            previous.map(|frame| frame.filter(|frame| self.pool.carries(*frame, topic.hash)))
        });
        let mut copies = [const { Copies::NONE }; ENCODINGS];
        for member in &topic.members {
            let connection = self.connections.at(member.slot);
            let encoding = connection.encoding.index();
            let copies = &mut copies[encoding];
            let frame = *copies.frame.get_or_insert_with(|| {
                let bytes = broadcast.frames(connection.encoding, &mut self.deflater);
                self.pool.insert(bytes, Some(delivery))
            });
            copies.made += 1;
            let counts = &mut self.counts;
            append(connection, frame, &mut self.pool, counts);
            if lossy::loses(PipelineStage::Deliver) {
                connection.outbox.remove(frame, &mut self.pool, counts);
                continue;
            }
            if let Some(previous) = previous[encoding]
                && connection.blocked
            {
                let removed = connection.outbox.remove(previous, &mut self.pool, counts);
                counts.dropped_conflated += removed;
            }
            let within = self.config.ws.outbox;
            if !relieve(connection, frame, within, &mut self.pool, counts) {
                self.overflowed.push(member.slot);
            }
            if !connection.dirty && !connection.blocked {
                connection.dirty = true;
                self.dirty.push(member.slot);
            }
        }
        if conflates {
            let newest = copies.each_ref().map(|copies| copies.frame);
            **topic.previous.get_or_insert_default() = newest;
        }
        self.count_deflated(broadcast, &copies);
        for copies in copies {
            copies
                .frame
                .into_iter()
                .for_each(|frame| self.pool.release(frame));
        }
        while let Some(slot) = self.overflowed.pop() {
            if let Some(id) = self.connections.id_at(slot) {
                self.close(id, CloseReason::Slow, now_us);
            }
        }
    }

    /// Counts what went out compressed, and the bytes that it spared.
    fn count_deflated(&mut self, broadcast: &Broadcast, copies: &[Copies; ENCODINGS]) {
        for codec in [Codec::Json, Codec::Raw] {
            for window in [DeflateWindow::Narrow, DeflateWindow::Full] {
                let encoding = Encoding {
                    codec,
                    window: Some(window),
                };
                let Copies { frame, made } = copies[encoding.index()];
                let Some(frame) = frame else { continue };
                let plain = broadcast.frames(Encoding::plain(codec), &mut self.deflater);
                let spared_bytes = plain.len() - self.pool.get(frame).bytes.len();
                if spared_bytes > 0 {
                    self.counts.deflate_deliveries += made * u64::from(broadcast.publications());
                    self.counts.deflate_spared_bytes += made * spared_bytes as u64;
                }
            }
        }
    }

    /// Queues a reply, ping or close for one connection. It takes the place of publications that
    /// may be dropped, but a peer that makes us answer and does not read is slow, whatever its
    /// topics' policies say.
    pub(super) fn push_reply(&mut self, id: ConnectionId, bytes: bytes::Bytes, now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let frame_bytes = bytes.len();
        let frame = self.pool.insert(bytes, None);
        connection.outbox.push(frame, &self.pool);
        self.counts.pending_bytes += frame_bytes as u64;
        if !connection.dirty && !connection.blocked {
            connection.dirty = true;
            self.dirty.push(id.slot() as u32);
        }
        let within = self.config.ws.outbox;
        if connection.phase.is_open()
            && !relieve(connection, frame, within, &mut self.pool, &mut self.counts)
        {
            self.close(id, CloseReason::Slow, now_us);
        }
    }
}

/// One encoding of a broadcast, and how many outboxes got it.
struct Copies {
    frame: Option<FrameIndex>,
    made: u64,
}

impl Copies {
    const NONE: Self = Self {
        frame: None,
        made: 0,
    };
}

/// Every match is pending at first, whatever becomes of it: the pool counts what is held.
fn append(
    connection: &mut Connection,
    frame: FrameIndex,
    pool: &mut Pool,
    counts: &mut ShardCounts,
) {
    let (frame_bytes, publications) = {
        let frame = pool.get(frame);
        (frame.bytes.len(), frame.publications())
    };
    pool.hold(frame);
    connection.outbox.push(frame, pool);
    counts.matched += publications;
    counts.pending_bytes += frame_bytes as u64;
}

/// Makes room for `newest`, which is the last one, where topics' policies allow it: oldest first.
/// A connection is over its bound when what was pending before `newest` passes it: one frame,
/// however large, never makes a client slow that reads. What may be dropped never closes the
/// connection; it goes itself where what must stay passes the bound. False: only closing helps.
fn relieve(
    connection: &mut Connection,
    newest: FrameIndex,
    within: usize,
    pool: &mut Pool,
    counts: &mut ShardCounts,
) -> bool {
    let outbox = &mut connection.outbox;
    if outbox.weight() <= within {
        return true;
    }
    counts.dropped_oldest += outbox.make_room(newest, within, pool, counts);
    if outbox.weight() <= within + pool.get(newest).weight() {
        return true;
    }
    if !pool.get(newest).may_drop() {
        return false;
    }
    let dropped = outbox.remove(newest, pool, counts);
    counts.dropped_oldest += dropped;
    dropped > 0
}
