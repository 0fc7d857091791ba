//! The pending frames of one connection, in order. Shard core.

use std::collections::VecDeque;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use crate::limits::{FRAME_OVERHEAD_BYTES, GATHER_BYTES, OUTBOX_KEPT_FRAMES};
use crate::observe::ShardCounts;

use super::pool::{Delivery, FrameIndex, Pool};

/// The pending frames of one connection: four bytes each, as the [`Pool`] has their bytes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<FrameIndex>,
    /// Bytes of the first frame that are written.
    front_written: u32,
    /// Number of frames, and of their bytes, in the send that is in flight.
    in_flight_frames: u32,
    in_flight_bytes: u32,
    /// Bytes that are not written. 32 bits are enough: the bound of an outbox is 1 GiB, and a frame
    /// that exceeds it is smaller than that.
    bytes: u32,
    /// Number of frames that the policies of their topics allow to drop, and to conflate.
    droppable: u32,
    conflatable: u32,
}

/// Whether the frames of an outbox fit within `ws.outbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(in crate::hub) enum Room {
    Enough,
    /// Nothing may be dropped any more: the connection has to be closed.
    Exceeded,
}

/// How much of a send was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Wholly,
    Partly,
}

/// The decision of [`Outbox::remove_if`] about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Keep,
    Remove,
    /// Keep this frame and all after it.
    Stop,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the number of bytes that are not written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Returns what the pending frames cost in memory: their bytes and the overhead of each frame.
    pub(super) fn weight(&self) -> usize {
        self.bytes() + self.frames.len() * FRAME_OVERHEAD_BYTES
    }

    /// Returns whether a send is in flight.
    pub(super) fn is_sending(&self) -> bool {
        self.in_flight_frames > 0
    }

    /// Returns the number of pending publications, and when the oldest of them arrived.
    pub(super) fn publications(&self, pool: &Pool) -> (u64, Option<u64>) {
        let frames = || self.frames.iter().map(|index| pool.get(*index));
        let oldest = frames().find_map(|frame| frame.delivery);
        (
            frames().map(super::pool::Frame::publications).sum(),
            oldest.map(|delivery| delivery.arrived_us),
        )
    }

    /// Appends a frame, which the caller has held for this outbox.
    pub(super) fn push(&mut self, index: FrameIndex, pool: &Pool) {
        let frame = pool.get(index);
        self.frames.push_back(index);
        self.bytes += frame.bytes.len() as u32;
        self.droppable += u32::from(frame.may_drop());
        self.conflatable += u32::from(frame.may_conflate());
    }

    /// Releases a frame that was removed from the list.
    fn release(&mut self, index: FrameIndex, pool: &mut Pool) {
        let frame = pool.get(index);
        self.droppable -= u32::from(frame.may_drop());
        self.conflatable -= u32::from(frame.may_conflate());
        pool.release(index);
    }

    /// Returns the number of frames at the front that may not be removed: the kernel has a part of
    /// them, or a send of them is in flight.
    fn fixed_frames(&self) -> usize {
        self.in_flight_frames.max(u32::from(self.front_written > 0)) as usize
    }

    /// Returns whether both outboxes would send the same bytes.
    pub(super) fn sends_same_as(&self, other: &Self) -> bool {
        self.front_written == 0 && other.front_written == 0 && self.frames == other.frames
    }

    /// Returns what is left of the first frame, if that frame has `large_bytes` or more.
    pub(super) fn large_front(&self, pool: &Pool, large_bytes: usize) -> Option<Bytes> {
        let frame = pool.get(*self.frames.front()?);
        let is_large = frame.bytes.len() >= large_bytes;
        is_large.then(|| frame.bytes.slice(self.front_written as usize..))
    }

    /// Appends pending frames to `arena`, up to its capacity and up to the next large frame, which
    /// is sent without a copy later. Of the first frame only the rest is appended. Returns the
    /// number of frames.
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

    /// Records that a send is in flight. Its frames stay in the outbox until [`Outbox::sent`].
    pub(super) fn start_send(&mut self, frames: u32, bytes: u32) {
        debug_assert!(
            !self.is_sending(),
            "a connection has at most one send in flight"
        );
        (self.in_flight_frames, self.in_flight_bytes) = (frames, bytes);
    }

    /// Records that the send in flight wrote `written` bytes. `on_delivery` is called for each
    /// frame of publications that is now written.
    pub(super) fn sent(
        &mut self,
        written: u32,
        pool: &mut Pool,
        mut on_delivery: impl FnMut(&Delivery),
    ) -> Written {
        let all = written >= self.in_flight_bytes;
        (self.in_flight_frames, self.in_flight_bytes) = (0, 0);
        self.bytes -= written;
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
            if let Some(delivery) = &pool.get(front).delivery {
                on_delivery(delivery);
            }
            self.release(front, pool);
        }
        if self.frames.is_empty() {
            // An empty deque starts at index 0 again, so that equal outboxes compare quickly.
            self.frames.clear();
            self.frames.shrink_to(OUTBOX_KEPT_FRAMES);
        }
        if all {
            Written::Wholly
        } else {
            Written::Partly
        }
    }

    /// Removes the frames that `decide` selects, oldest first, except those that may not be
    /// removed. `decide` gets the frame and the weight that is pending.
    fn remove_if(
        &mut self,
        pool: &mut Pool,
        counts: &mut ShardCounts,
        mut decide: impl FnMut(&Pool, FrameIndex, usize) -> Decision,
    ) {
        // Kept frames move up in the same pass.
        let mut kept = self.fixed_frames();
        let mut at = kept;
        while let Some(&index) = self.frames.get(at) {
            let weight = self.weight() - (at - kept) * FRAME_OVERHEAD_BYTES;
            match decide(pool, index, weight) {
                Decision::Keep => {
                    self.frames[kept] = index;
                    kept += 1;
                }
                Decision::Remove => self.drop_frame(index, pool, counts),
                Decision::Stop => break,
            }
            at += 1;
        }
        self.frames.drain(kept..at);
    }

    /// Accounts for a removed frame that is not sent.
    fn drop_frame(&mut self, index: FrameIndex, pool: &mut Pool, counts: &mut ShardCounts) {
        let frame = pool.get(index);
        let frame_bytes = frame.bytes.len();
        self.bytes -= frame_bytes as u32;
        counts.pending_bytes -= frame_bytes as u64;
        self.release(index, pool);
    }

    /// Drops publications until the outbox fits into `limit_bytes`, oldest first, where the
    /// policies of their topics allow it. `newest` is the last frame.
    ///
    /// An outbox exceeds its bound only when the frames before `newest` exceed it: one frame,
    /// however large, never closes a connection that reads. If `newest` may be dropped, the
    /// connection is never closed for it: `newest` itself is dropped when the frames that must stay
    /// fill the bound.
    pub(super) fn make_room(
        &mut self,
        newest: FrameIndex,
        limit_bytes: usize,
        pool: &mut Pool,
        counts: &mut ShardCounts,
    ) -> Room {
        if self.weight() <= limit_bytes {
            return Room::Enough;
        }
        counts.dropped_oldest += self.drop_oldest(newest, limit_bytes, pool, counts);
        if self.weight() <= limit_bytes + pool.get(newest).weight() {
            return Room::Enough;
        }
        if !pool.get(newest).may_drop() {
            return Room::Exceeded;
        }
        match self.remove(newest, pool, counts) {
            0 => Room::Exceeded,
            dropped => {
                counts.dropped_oldest += dropped;
                Room::Enough
            }
        }
    }

    /// Removes droppable frames before `newest`, oldest first, until the weight is within
    /// `limit_bytes`. Returns the number of publications.
    fn drop_oldest(
        &mut self,
        newest: FrameIndex,
        limit_bytes: usize,
        pool: &mut Pool,
        counts: &mut ShardCounts,
    ) -> u64 {
        let fixed = self.frames.range(..self.fixed_frames()).chain([&newest]);
        let fixed = fixed.filter(|index| pool.get(**index).may_drop());
        let mut left = self.droppable as usize - fixed.count();
        let mut removed = 0;
        self.remove_if(pool, counts, |pool, index, weight| {
            if left == 0 || weight <= limit_bytes {
                return Decision::Stop;
            }
            if !pool.get(index).may_drop() {
                return Decision::Keep;
            }
            left -= 1;
            removed += pool.get(index).publications();
            Decision::Remove
        });
        removed
    }

    /// Removes a frame, unless it is not in this outbox or may not be removed. The search starts at
    /// the newest frame. Returns the number of publications.
    pub(super) fn remove(
        &mut self,
        index: FrameIndex,
        pool: &mut Pool,
        counts: &mut ShardCounts,
    ) -> u64 {
        let reach = self.fixed_frames()..;
        let Some(at) = self.frames.range(reach).rposition(|each| *each == index) else {
            return 0;
        };
        let publications = pool.get(index).publications();
        self.frames.remove(self.fixed_frames() + at);
        self.drop_frame(index, pool, counts);
        publications
    }

    /// Removes all but the latest publication of each topic that conflates. Returns the number of
    /// publications.
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
                return Decision::Keep;
            }
            removed += pool.get(index).publications();
            Decision::Remove
        });
        removed
    }

    /// Removes all publications that may be removed. Returns their number.
    pub(super) fn drop_publications(&mut self, pool: &mut Pool, counts: &mut ShardCounts) -> u64 {
        let mut deliveries = 0;
        self.remove_if(pool, counts, |pool, index, _| {
            if pool.get(index).delivery.is_none() {
                return Decision::Keep;
            }
            deliveries += pool.get(index).publications();
            Decision::Remove
        });
        deliveries
    }

    /// Removes everything, including what is in flight. Returns the number of publications.
    pub(super) fn clear(&mut self, pool: &mut Pool, counts: &mut ShardCounts) -> u64 {
        let mut deliveries = 0;
        for index in self.frames.drain(..) {
            deliveries += pool.get(index).publications();
            pool.release(index);
        }
        counts.pending_bytes -= u64::from(self.bytes);
        *self = Self::default();
        deliveries
    }
}
