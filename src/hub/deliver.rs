//! From a broadcast to the outboxes of its subscribers, and what happens when one is full.

use crate::config::SlowPolicy;
use crate::observe::ShardCounts;

use super::connection::{Connection, ConnectionId};
use super::pool::{Delivery, FrameIndex, Pool};
use super::upstream::{ENCODINGS, Outgoing};
use super::{Cause, Hub};

impl Hub {
    /// Appends the broadcast to the outbox of every connection that is subscribed to its topic.
    pub fn publish(&mut self, broadcast: &impl Outgoing, now_us: u64) {
        self.counts.broadcasts += 1;
        let Some(topic) = self.topics.find(broadcast.topic_hash(), broadcast.topic()) else {
            return;
        };
        let topic = self.topics.get_mut(topic);
        let delivery = Delivery {
            topic_hash: topic.hash,
            arrived_us: broadcast.arrived_us(),
            slow: topic.slow,
        };
        // What the newest takes the place of where it still waits.
        let previous = topic.previous.map(|frame| {
            let conflates = topic.slow == SlowPolicy::Conflate;
            frame.filter(|frame| conflates && self.pool.carries(*frame, topic.hash))
        });
        let mut frames = [None; ENCODINGS];
        for member in &topic.members {
            let connection = self.connections.at(member.slot);
            let frame = *frames[connection.encoding as usize].get_or_insert_with(|| {
                self.pool
                    .insert(broadcast.frame(connection.encoding), Some(delivery))
            });
            let counts = &mut self.counts;
            append(connection, frame, &mut self.pool, counts);
            if let Some(previous) = previous[connection.encoding as usize]
                && connection.blocked
            {
                let removed = connection.outbox.remove(previous, &mut self.pool, counts);
                counts.dropped_conflated += u64::from(removed);
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
        topic.previous = frames;
        for frame in frames.into_iter().flatten() {
            self.pool.release(frame);
        }
        while let Some(slot) = self.overflowed.pop() {
            if let Some(id) = self.connections.id_at(slot) {
                self.close(id, Cause::Slow, now_us);
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
            self.close(id, Cause::Slow, now_us);
        }
    }
}

/// Every match is pending at first, whatever becomes of it.
fn append(
    connection: &mut Connection,
    frame: FrameIndex,
    pool: &mut Pool,
    counts: &mut ShardCounts,
) {
    let frame_bytes = pool.get(frame).bytes.len();
    pool.hold(frame);
    connection.outbox.push(frame, pool);
    counts.matched += 1;
    counts.pending += 1;
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
    let dropped = pool.get(newest).may_drop() && outbox.remove(newest, pool, counts);
    counts.dropped_oldest += u64::from(dropped);
    dropped
}
