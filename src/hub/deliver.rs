//! From a broadcast to the outboxes of its subscribers, and what happens when one is full.

use crate::config::SlowPolicy;
use crate::observe::ShardCounts;

use super::connection::{Connection, ConnectionId};
use super::outbox::Verdict;
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
        let topic = self.topics.get(topic);
        let delivery = Delivery {
            topic_hash: topic.hash,
            arrived_us: broadcast.arrived_us(),
            slow: topic.slow,
        };
        let mut frames = [None; ENCODINGS];
        for member in &topic.members {
            let connection = self.connections.at(member.slot);
            let frame = *frames[connection.encoding as usize].get_or_insert_with(|| {
                self.pool
                    .insert(broadcast.frame(connection.encoding), Some(delivery))
            });
            let counts = &mut self.counts;
            append(connection, frame, &mut self.pool, counts);
            if connection.blocked && delivery.slow == SlowPolicy::Conflate {
                conflate(connection, frame, &mut self.pool, counts);
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
        connection.outbox.push(frame, frame_bytes);
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
    connection.outbox.push(frame, frame_bytes);
    counts.matched += 1;
    counts.pending += 1;
    counts.pending_bytes += frame_bytes as u64;
}

/// Removes what is older than `newest` of the same topic.
fn conflate(
    connection: &mut Connection,
    newest: FrameIndex,
    pool: &mut Pool,
    counts: &mut ShardCounts,
) {
    let topic_hash = |pool: &Pool, frame| pool.get(frame).delivery.map(|it| it.topic_hash);
    let mut removed = 0;
    connection.outbox.remove_if(pool, counts, |pool, frame, _| {
        if frame == newest || topic_hash(pool, frame) != topic_hash(pool, newest) {
            return Verdict::Keep;
        }
        removed += 1;
        Verdict::Remove
    });
    counts.dropped_conflated += removed;
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
    let newest_weight = pool.get(newest).weight();
    let mut removed = 0;
    outbox.remove_if(pool, counts, |pool, frame, weight| {
        let excused = if frame == newest { newest_weight } else { 0 };
        if weight <= within + excused {
            return Verdict::Stop;
        }
        if !pool.get(frame).may_drop() {
            return Verdict::Keep;
        }
        removed += 1;
        Verdict::Remove
    });
    counts.dropped_oldest += removed;
    pool.get(newest).may_drop() || outbox.weight() <= within + newest_weight
}
