//! One broadcast on its way to the outboxes of its subscribers. Shard core.

use crate::config::SlowPolicy;
use crate::delivery::{Broadcast, ENCODINGS, Encoding};
use crate::observe::{PipelineStage, ShardCounts, lossy};
use crate::wire::Deflater;

use super::super::connection_id::Slot;
use super::super::subscriptions::{FramesByEncoding, Topic};
use super::outbox::{Outbox, Room};
use super::pool::{Delivery, FrameIndex, Pool};
use super::{Outboxes, SocketState};

/// A broadcast that is being delivered. Each encoding is put into the pool when the first
/// subscriber needs it.
pub(in crate::hub) struct Fanout<'a> {
    broadcast: &'a Broadcast,
    deflater: &'a mut Deflater,
    delivery: Delivery,
    limit_bytes: usize,
    /// The frames of the previous publication, which this one replaces in outboxes where they are
    /// still pending; of a topic that conflates.
    previous: FramesByEncoding,
    copies: [Copies; ENCODINGS],
}

/// One encoding of the broadcast, and the number of outboxes that it was appended to.
#[derive(Clone, Copy, Default)]
struct Copies {
    frame: Option<FrameIndex>,
    count: u64,
}

impl Fanout<'_> {
    /// Returns the frames of this broadcast.
    fn frames(&self) -> FramesByEncoding {
        self.copies.map(|copies| copies.frame)
    }

    /// Returns the frame of an encoding, and counts one more copy of it.
    fn frame(&mut self, encoding: Encoding, pool: &mut Pool) -> FrameIndex {
        let copies = &mut self.copies[encoding.index()];
        copies.count += 1;
        *copies.frame.get_or_insert_with(|| {
            let bytes = self.broadcast.frames(encoding, self.deflater);
            pool.insert(bytes, Some(self.delivery))
        })
    }

    /// Counts the deliveries of compressed frames, and the bytes that compression saved.
    fn count_deflated(&mut self, pool: &Pool, counts: &mut ShardCounts) {
        for encoding in Encoding::DEFLATED {
            let Copies { frame, count } = self.copies[encoding.index()];
            let Some(frame) = frame else { continue };
            let plain = Encoding::plain(encoding.codec);
            let plain_bytes = self.broadcast.frames(plain, self.deflater).len();
            let saved_bytes = plain_bytes - pool.get(frame).bytes.len();
            if saved_bytes > 0 {
                counts.deflate_deliveries += count * u64::from(self.delivery.publications);
                counts.deflate_spared_bytes += count * saved_bytes as u64;
            }
        }
    }
}

impl Outboxes {
    /// Starts to deliver a broadcast to the subscribers of `topic`. `limit_bytes` is the bound of
    /// an outbox, `ws.outbox`.
    pub(in crate::hub) fn begin<'a>(
        &self,
        broadcast: &'a Broadcast,
        topic: &Topic,
        limit_bytes: usize,
        deflater: &'a mut Deflater,
    ) -> Fanout<'a> {
        let conflates = topic.slow() == SlowPolicy::Conflate;
        let previous = topic.previous().filter(|_| conflates);
        // The pool may have freed a frame since, or reused its index.
        let is_pending = |frame: &FrameIndex| self.pool.carries(*frame, topic.hash());
        let previous = previous.map(|frames| frames.map(|frame| frame.filter(is_pending)));
        Fanout {
            broadcast,
            deflater,
            delivery: Delivery {
                topic_hash: topic.hash(),
                arrived_us: broadcast.arrived_us(),
                publications: broadcast.publications(),
                slow: topic.slow(),
            },
            limit_bytes,
            previous: previous.unwrap_or_default(),
            copies: [Copies::default(); ENCODINGS],
        }
    }

    /// Appends the broadcast to one outbox and applies the slow policy of the topic.
    pub(in crate::hub) fn deliver(
        &mut self,
        slot: Slot,
        fanout: &mut Fanout<'_>,
        counts: &mut ShardCounts,
    ) -> Room {
        let entry = &mut self.entries[slot.index()];
        let frame = fanout.frame(entry.encoding, &mut self.pool);
        append(&mut entry.outbox, frame, &mut self.pool, counts);
        if lossy::loses(PipelineStage::Deliver) {
            entry.outbox.remove(frame, &mut self.pool, counts);
            return Room::Enough;
        }
        if entry.socket != SocketState::Ready
            && let Some(previous) = fanout.previous[entry.encoding.index()]
        {
            let removed = entry.outbox.remove(previous, &mut self.pool, counts);
            counts.dropped_conflated += removed;
        }
        let limit_bytes = fanout.limit_bytes;
        let room = entry
            .outbox
            .make_room(frame, limit_bytes, &mut self.pool, counts);
        entry.list_for_flush(slot, &mut self.to_flush);
        room
    }

    /// Ends a fan-out: the outboxes are now the only holders of its frames. Returns the frames.
    pub(in crate::hub) fn finish(
        &mut self,
        mut fanout: Fanout<'_>,
        counts: &mut ShardCounts,
    ) -> FramesByEncoding {
        fanout.count_deflated(&self.pool, counts);
        let frames = fanout.frames();
        for frame in frames.into_iter().flatten() {
            self.pool.release(frame);
        }
        frames
    }
}

/// Appends a frame of publications. Every match counts as pending first, whatever happens to it
/// afterwards.
fn append(outbox: &mut Outbox, frame: FrameIndex, pool: &mut Pool, counts: &mut ShardCounts) {
    pool.hold(frame);
    outbox.push(frame, pool);
    let frame = pool.get(frame);
    counts.matched += frame.publications();
    counts.pending_bytes += frame.bytes.len() as u64;
}
