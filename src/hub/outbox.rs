//! What one connection still has to send, in order.

use std::collections::VecDeque;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use crate::limits::{FRAME_OVERHEAD_BYTES, GATHER_BYTES, OUTBOX_KEPT_FRAMES};
use crate::observe::ShardCounts;

use super::pool::{Frame, FrameIndex, Pool};

/// Pending frames of one connection. Four bytes each; the frames lie in the shard's [`Pool`].
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<FrameIndex>,
    /// Bytes of the first frame that are already written.
    front_written: u32,
    /// Frames, and bytes of them, in the send that is under way.
    in_flight_frames: u32,
    in_flight_bytes: u32,
    /// Bytes not written yet.
    bytes: usize,
    /// How many frames their topics' policies allow to drop, and how many of them to conflate.
    droppable: u32,
    conflatable: u32,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the pending frames cost in memory: their bytes and what surrounds each.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.frames.len() * FRAME_OVERHEAD_BYTES
    }

    pub(super) fn is_sending(&self) -> bool {
        self.in_flight_frames > 0
    }

    /// How many publications are pending, and when the oldest of them arrived.
    pub(super) fn publications(&self, pool: &Pool) -> (u64, Option<u64>) {
        let frames = || self.frames.iter().map(|index| pool.get(*index));
        let oldest = frames().find_map(|frame| frame.delivery);
        (
            frames().map(Frame::publications).sum(),
            oldest.map(|delivery| delivery.arrived_us),
        )
    }

    /// Puts a frame at the end. The caller counts the holder.
    pub(super) fn push(&mut self, index: FrameIndex, pool: &Pool) {
        let frame = pool.get(index);
        self.frames.push_back(index);
        self.bytes += frame.bytes.len();
        self.droppable += u32::from(frame.may_drop());
        self.conflatable += u32::from(frame.may_conflate());
    }

    /// Counts a frame out that stands here no longer, and gives it back.
    fn let_go(&mut self, index: FrameIndex, pool: &mut Pool) {
        let frame = pool.get(index);
        self.droppable -= u32::from(frame.may_drop());
        self.conflatable -= u32::from(frame.may_conflate());
        pool.release(index);
    }

    /// Frames at the front that the kernel has a part of, or is being given.
    fn with_kernel(&self) -> usize {
        self.in_flight_frames.max(u32::from(self.front_written > 0)) as usize
    }

    /// Whether both would send the same bytes next.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.front_written == 0 && other.front_written == 0 && self.frames == other.frames
    }

    /// The first frame of an outbox that is not empty.
    pub(super) fn front_index(&self) -> FrameIndex {
        self.frames[0]
    }

    /// What is left of the first frame of an outbox that is not empty.
    pub(super) fn front(&self, pool: &Pool) -> Bytes {
        pool.get(self.frames[0])
            .bytes
            .slice(self.front_written as usize..)
    }

    /// Appends pending frames to `arena` without passing its capacity, up to a large one, which is
    /// then at the front and sent from where it lies; of the first one only what is left. Returns
    /// how many.
    pub(super) fn gather(&self, pool: &Pool, arena: &mut Vec<u8>) -> u32 {
        let mut frames = 0;
        let mut skip = self.front_written as usize;
        for index in &self.frames {
            let bytes = &pool.get(*index).bytes[skip..];
            let is_large = bytes.len() >= GATHER_BYTES;
            if is_large || bytes.len() > arena.capacity() - arena.len() {
                break;
            }
            arena.extend_from_slice(bytes);
            frames += 1;
            skip = 0;
        }
        frames
    }

    /// A send of so much is under way: its frames stay where they are.
    pub(super) fn sending(&mut self, frames: u32, bytes: u32) {
        debug_assert!(
            !self.is_sending(),
            "a connection has at most one send in flight"
        );
        (self.in_flight_frames, self.in_flight_bytes) = (frames, bytes);
    }

    /// The send under way ended with `written` bytes. Returns whether that was all of it; `whole`
    /// gets every frame that is now out.
    pub(super) fn sent(
        &mut self,
        written: u32,
        pool: &mut Pool,
        mut whole: impl FnMut(&Frame),
    ) -> bool {
        let all = written >= self.in_flight_bytes;
        (self.in_flight_frames, self.in_flight_bytes) = (0, 0);
        self.bytes -= written as usize;
        let mut left = written;
        while let Some(&front) = self.frames.front() {
            let rest = pool.get(front).bytes.len() as u32 - self.front_written;
            if left < rest {
                self.front_written += left;
                break;
            }
            left -= rest;
            self.front_written = 0;
            self.frames.pop_front();
            whole(pool.get(front));
            self.let_go(front, pool);
        }
        if self.frames.is_empty() {
            // An empty deque starts at its front again, so equal outboxes stay alike in memory.
            self.frames.clear();
            self.frames.shrink_to(OUTBOX_KEPT_FRAMES);
        }
        all
    }

    /// Removes frames, oldest first, as `verdict` says; it is given the weight still pending. What
    /// the kernel already has a part of stays.
    pub(super) fn remove_if(
        &mut self,
        pool: &mut Pool,
        counts: &mut ShardCounts,
        mut verdict: impl FnMut(&Pool, FrameIndex, usize) -> Verdict,
    ) {
        // What is kept closes up behind the frames kept before it, so that one pass is enough.
        let mut kept = self.with_kernel();
        let mut at = kept;
        while let Some(&index) = self.frames.get(at) {
            let weight = self.weight() - (at - kept) * FRAME_OVERHEAD_BYTES;
            match verdict(pool, index, weight) {
                Verdict::Keep => {
                    self.frames[kept] = index;
                    kept += 1;
                }
                Verdict::Remove => self.give_up(index, pool, counts),
                Verdict::Stop => break,
            }
            at += 1;
        }
        self.frames.drain(kept..at);
    }

    /// Accounts for a frame that is not to be sent.
    fn give_up(&mut self, index: FrameIndex, pool: &mut Pool, counts: &mut ShardCounts) {
        let frame = pool.get(index);
        let frame_bytes = frame.bytes.len();
        self.bytes -= frame_bytes;
        counts.pending_bytes -= frame_bytes as u64;
        self.let_go(index, pool);
    }

    /// Removes droppable frames before `newest`, oldest first, until the rest is `within` a
    /// weight. Returns how many publications they carried.
    pub(super) fn make_room(
        &mut self,
        newest: FrameIndex,
        within: usize,
        pool: &mut Pool,
        counts: &mut ShardCounts,
    ) -> u64 {
        let out_of_reach = self.frames.range(..self.with_kernel()).chain([&newest]);
        let out_of_reach = out_of_reach.filter(|index| pool.get(**index).may_drop());
        let mut left = self.droppable as usize - out_of_reach.count();
        let mut removed = 0;
        self.remove_if(pool, counts, |pool, index, weight| {
            if left == 0 || weight <= within {
                return Verdict::Stop;
            }
            if !pool.get(index).may_drop() {
                return Verdict::Keep;
            }
            left -= 1;
            removed += pool.get(index).publications();
            Verdict::Remove
        });
        removed
    }

    /// Removes this frame if it stands here and the kernel has no part of it. The frame is likely
    /// to be a young one; where others are is not looked up. Returns how many publications went.
    pub(super) fn remove(
        &mut self,
        index: FrameIndex,
        pool: &mut Pool,
        counts: &mut ShardCounts,
    ) -> u64 {
        let reach = self.with_kernel()..;
        let Some(at) = self.frames.range(reach).rposition(|each| *each == index) else {
            return 0;
        };
        let publications = pool.get(index).publications();
        self.frames.remove(self.with_kernel() + at);
        self.give_up(index, pool, counts);
        publications
    }

    /// Removes of each topic that conflates all but the latest. Returns how many publications.
    pub(super) fn conflate(&mut self, pool: &mut Pool, counts: &mut ShardCounts) -> u64 {
        if self.conflatable < 2 {
            return 0;
        }
        let topic = |pool: &Pool, index: FrameIndex| {
            let frame = pool.get(index);
            let delivery = frame.delivery.filter(|_| frame.may_conflate());
            delivery.map(|delivery| delivery.topic_hash)
        };
        let mut latest = HashMap::with_capacity(self.conflatable as usize);
        for index in &self.frames {
            if let Some(topic) = topic(pool, *index) {
                latest.insert(topic, *index);
            }
        }
        let mut removed = 0;
        self.remove_if(pool, counts, |pool, index, _| {
            if topic(pool, index).is_none_or(|topic| latest[&topic] == index) {
                return Verdict::Keep;
            }
            removed += pool.get(index).publications();
            Verdict::Remove
        });
        removed
    }

    /// Gives up every publication that the kernel has no part of. Returns how many.
    pub(super) fn abandon(&mut self, pool: &mut Pool, counts: &mut ShardCounts) -> u64 {
        let mut deliveries = 0;
        self.remove_if(pool, counts, |pool, index, _| {
            if pool.get(index).delivery.is_none() {
                return Verdict::Keep;
            }
            deliveries += pool.get(index).publications();
            Verdict::Remove
        });
        deliveries
    }

    /// Gives up everything, sent or not. Returns the deliveries among it.
    pub(super) fn clear(&mut self, pool: &mut Pool, counts: &mut ShardCounts) -> u64 {
        let mut deliveries = 0;
        for index in self.frames.drain(..) {
            deliveries += pool.get(index).publications();
            pool.release(index);
        }
        counts.pending_bytes -= self.bytes as u64;
        *self = Self::default();
        deliveries
    }
}

/// What [`Outbox::remove_if`] does with a frame.
pub(super) enum Verdict {
    Keep,
    Remove,
    Stop,
}
