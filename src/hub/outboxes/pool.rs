//! The frames that some outbox of this shard holds. Each is stored once and counts its holders
//! without atomic operations. Shard core.

use bytes::Bytes;

use crate::config::SlowPolicy;
use crate::limits::{FRAME_OVERHEAD_BYTES, POOL_KEPT_FRAMES};

/// The index of a frame in the [`Pool`]: what an outbox stores for each pending frame.
pub(in crate::hub) type FrameIndex = u32;

/// Bytes that are sent as a unit: one frame, or several frames that are never separated.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Number of outboxes that hold the frame.
    holders: u32,
    /// `delivery.publications`, or zero.
    publications: u32,
    /// `None`: a reply, ping or close frame, which no slow policy drops.
    pub(super) delivery: Option<Delivery>,
}

/// What is needed to account for the publications of a frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Delivery {
    pub(in crate::hub) topic_hash: u64,
    pub(in crate::hub) arrived_us: u64,
    pub(in crate::hub) publications: u32,
    pub(in crate::hub) slow: SlowPolicy,
}

impl Frame {
    /// Returns what the frame costs in memory, as [`super::outbox::Outbox::weight`] counts it.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + FRAME_OVERHEAD_BYTES
    }

    /// Returns the number of publications in the frame; zero for a reply, ping or close frame.
    pub(super) fn publications(&self) -> u64 {
        u64::from(self.publications)
    }

    /// Returns whether the slow policy of the topic drops publications instead of closing the
    /// connection.
    pub(super) fn may_drop(&self) -> bool {
        let slow = self.delivery.map(|delivery| delivery.slow);
        slow.is_some_and(|slow| slow != SlowPolicy::Disconnect)
    }

    /// Returns whether a later publication of the topic may replace this one.
    pub(super) fn may_conflate(&self) -> bool {
        let slow = self.delivery.map(|delivery| delivery.slow);
        slow == Some(SlowPolicy::Conflate)
    }
}

/// A table of frames. A shared frame costs each connection four bytes, and the process one atomic
/// operation per shard instead of one per connection.
#[derive(Debug, Default)]
pub(super) struct Pool {
    frames: Vec<Frame>,
    free: Vec<FrameIndex>,
    /// Publications in the frames, once per holder.
    held: u64,
}

impl Pool {
    /// Adds a frame with the caller as its only holder.
    pub(super) fn insert(&mut self, bytes: Bytes, delivery: Option<Delivery>) -> FrameIndex {
        let frame = Frame {
            bytes,
            holders: 1,
            publications: delivery.map_or(0, |delivery| delivery.publications),
            delivery,
        };
        self.held += frame.publications();
        if let Some(index) = self.free.pop() {
            self.frames[index as usize] = frame;
            return index;
        }
        self.frames.push(frame);
        self.frames.len() as FrameIndex - 1
    }

    pub(super) fn get(&self, index: FrameIndex) -> &Frame {
        &self.frames[index as usize]
    }

    /// Returns whether `index` holds publications of this topic. The index may have been freed and
    /// used again.
    pub(super) fn carries(&self, index: FrameIndex, topic_hash: u64) -> bool {
        let frame = self.frames.get(index as usize);
        let delivery = frame.and_then(|frame| frame.delivery);
        delivery.is_some_and(|delivery| delivery.topic_hash == topic_hash)
    }

    /// Adds a holder.
    pub(super) fn hold(&mut self, index: FrameIndex) {
        let frame = &mut self.frames[index as usize];
        frame.holders += 1;
        self.held += frame.publications();
    }

    /// Returns the number of pending publications, once per outbox. The pool counts them where
    /// frames are held and released, independently of the counters of what was written and dropped.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Removes a holder, and the frame with its last holder.
    pub(super) fn release(&mut self, index: FrameIndex) {
        let frame = &mut self.frames[index as usize];
        debug_assert!(frame.holders > 0, "a frame is released once per holder");
        frame.holders -= 1;
        self.held -= frame.publications();
        if frame.holders > 0 {
            return;
        }
        (frame.bytes, frame.delivery) = (Bytes::new(), None);
        self.free.push(index);
        let is_empty = self.free.len() == self.frames.len();
        if is_empty && self.frames.capacity() > POOL_KEPT_FRAMES {
            self.frames.clear();
            self.frames.shrink_to(POOL_KEPT_FRAMES);
            self.free.clear();
            self.free.shrink_to(POOL_KEPT_FRAMES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pool_returns_the_memory_of_its_peak() {
        let mut pool = Pool::default();
        for _ in 0..2 {
            let peak: Vec<_> = (0..10 * POOL_KEPT_FRAMES)
                .map(|_| pool.insert(Bytes::from_static(b"x"), None))
                .collect();
            pool.hold(peak[7]);
            for frame in &peak {
                pool.release(*frame);
            }
            assert!(pool.frames.capacity() >= peak.len(), "one is still held");
            pool.release(peak[7]);
            assert!(pool.frames.capacity() <= POOL_KEPT_FRAMES);
            assert!(pool.free.capacity() <= POOL_KEPT_FRAMES);
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "once per holder")]
    fn releasing_a_frame_twice_is_a_bug() {
        let mut pool = Pool::default();
        let [_held, frame] = [(); 2].map(|()| pool.insert(Bytes::new(), None));
        pool.release(frame);
        pool.release(frame);
    }
}
